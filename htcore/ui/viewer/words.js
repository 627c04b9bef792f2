// The viewer's texts. Pure.

import { WINDOWS, isPreset } from "./view.js";

export function signed(value, digits) {
  const size = Math.abs(value).toFixed(digits);
  if (Number(size) === 0) return size;
  return `${value < 0 ? "−" : "+"}${size}`;
}

// A minus sign and not a hyphen, as everywhere else.
const minus = (text) => String(text).replace("-", "−");

export function lengthText(mm) {
  return `${mm.toFixed(1)} mm`;
}

export function positionText(study, view, line = "") {
  const entry = study.slices[view.index];
  const parts = [
    `Slice ${view.index + 1}/${study.slices.length}`, `z ${minus(entry.z_mm.toFixed(1))} mm`,
    `${entry.thickness_mm} mm thick`, `tilt ${minus(study.tilt_deg.toFixed(1))}°`, `W ${view.width} L ${minus(view.centre)}`,
  ];
  if (view.zoom > 1) parts.push(`× ${view.zoom.toFixed(1)}`);
  if (line) parts.push(`line ${line}`);
  if (entry.contribution !== null) parts.push(`evidence for HT ${signed(entry.contribution, 2)}`);
  return parts.join(" · ");
}

export function stageLabel(study, view) {
  const preset = WINDOWS.findIndex((_, i) => isPreset(view, i));
  const window = preset < 0 ? `window width ${view.width}, level ${view.centre}` : `${WINDOWS[preset].name} window`;
  return `CT slice ${view.index + 1} of ${study.slices.length}, ${window}. Arrow keys, Page Up, Page Down, Home and End `
    + "change the slice; 1 to 4 choose a window, W, N, B and D make it wider, narrower, brighter and darker; "
    + "plus, minus and 0 the zoom; shift with arrow keys moves; M takes up the ruler; F fills the screen; ? lists keys and gestures.";
}

// No scanner measures less: such values fill up what lies outside the round field that was scanned.
const LOWEST_HU = -1024;

export function pointerText(hu, overlay, value) {
  if (hu < LOWEST_HU) return "outside the scan";
  const texts = [`${minus(hu)} HU`];
  if (overlay === "evidence") texts.push(`evidence ${signed(value, 4)} log-odds per mL`);
  if (overlay === "lesion") texts.push(`infarct ${value.toFixed(2)}`);
  return texts.join(" · ");
}

// Along a map's colour bar: [share of its length from the bottom, text]. Evidence beyond an end has the end's colour.
export function scaleLabels(kind, top) {
  if (kind === "evidence") {
    const [end, half] = [top, top / 2].map((value) => signed(value, 3));
    const [lowEnd, lowHalf] = [-top, -top / 2].map((value) => signed(value, 3));
    return [[1, `≥ ${end}`], [0.75, half], [0.5, "0"], [0.25, lowHalf], [0, `≤ ${lowEnd}`]];
  }
  return [[1, "1"], [0.75, "0.75"], [0.5, "0.5"], [0.25, "0.25"], [0, "0"]];
}

export function scaleTitle(kind) {
  return kind === "evidence" ? ["evidence,", "log-odds", "per mL"] : ["infarct", "probability"];
}

export const STRIP_CAPTION = "Bars: evidence for HT in log-odds, orange for, blue against; "
  + "▲ most telling.";

// What can be done, and how: [act, mouse and keys, fingers].
export const HELP = [
  ["Change slice", "wheel, drag up or down, ↑ ↓, Page Up / Down, Home, End", "one finger up or down"],
  ["Window", "drag with the right button (or Alt): ↔ width, ↕ level; W wider, N narrower, B brighter, D darker; 1 to 4",
    "the buttons above"],
  ["Zoom", "Ctrl and wheel, + and −", "two fingers"],
  ["Move", "drag when zoomed, middle button, Shift and arrow keys", "two fingers"],
  ["Measure in the slice", "M or the ruler's button, then drag; M again puts line and ruler away", "the ruler's button, then one finger"],
  ["Reset", "double-click, 0", ""],
  ["Full screen", "F", "the button at the right"],
  ["Jump to a slice", "click its bar under the picture", "touch its bar"],
];
