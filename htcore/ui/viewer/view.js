// What is shown of a study: slice, window, overlay, zoom. Pure: each function answers with a new view.

export const WINDOWS = [
  { name: "Stroke", width: 40, centre: 40 },
  { name: "Brain", width: 80, centre: 40 },
  { name: "Subdural", width: 200, centre: 75 },
  { name: "Bone", width: 2500, centre: 500 },
];
export const OVERLAYS = [
  { id: "none", name: "None", caption: "" },
  { id: "evidence", name: "Evidence map", caption: "Evidence map: what moved the model, not where it will bleed." },
  { id: "lesion", name: "Lesion map", caption: "Lesion map: where the model sees acute infarct, not where it will bleed." },
];
// Stored CT values run from -1024 to 3071 (12 bits).
const [LOWEST_HU, HIGHEST_HU, WIDEST_HU] = [-1024, 3071, 4096];
// So many pixels of dragging double a window's width, or move its centre by a whole width.
const WINDOW_DRAG_PX = 200;

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const whole = { zoom: 1, u: 0.5, v: 0.5 };

export function newView(start) {
  const { width, centre } = WINDOWS[0];
  return { index: start, preset: 0, width, centre, overlay: "none", opacity: 0.7, beside: false, ruler: false, line: null, ...whole };
}

export function atSlice(view, index, slices) {
  return { ...view, index: clamp(index, 0, slices - 1) };
}

export function withPreset(view, preset) {
  const { width, centre } = WINDOWS[preset];
  return { ...view, preset, width, centre };
}

// To the right widens the window, downwards darkens the picture; the same way back restores both.
export function withWindowDragged(view, from, dx, dy) {
  const width = clamp(Math.round(from.width * 2 ** (dx / WINDOW_DRAG_PX)), 1, WIDEST_HU);
  const centre = clamp(Math.round(from.centre + (dy / WINDOW_DRAG_PX) * from.width), LOWEST_HU, HIGHEST_HU);
  return { ...view, width, centre };
}

// Taken up, or put away with its line.
export function withRuler(view) {
  return { ...view, ruler: !view.ruler, line: null };
}

export function isPreset(view, preset) {
  return WINDOWS[preset].width === view.width && WINDOWS[preset].centre === view.centre;
}

// The window last chosen by name, and the whole picture.
export function asBefore(view) {
  return { ...withPreset(view, view.preset), ...whole };
}

export function isWhole(view) {
  return view.zoom === 1;
}

// What a page change or a reload may bring back. Anything else than a view of this study is passed over.
export function restored(view, kept, slices) {
  const numbers = ["index", "preset", "width", "centre", "opacity", "zoom", "u", "v"];
  const sound = kept && numbers.every((name) => Number.isFinite(kept[name])) && typeof kept.beside === "boolean"
    && WINDOWS[kept.preset] && OVERLAYS.some((entry) => entry.id === kept.overlay);
  if (!sound) return view;
  const { index, preset, width, centre, overlay, opacity, beside, zoom, u, v } = kept;
  return atSlice({ ...view, preset, width, centre, overlay, opacity, beside, zoom, u, v }, index, slices);
}
