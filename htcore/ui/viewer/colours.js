// Colours of the viewer: greys of a window, and one scale for each map.

// Below this infarct probability the lesion map fades out, so that it does not veil the whole brain.
const LESION_SOLID = 0.25;

// Safe for colour-blind readers: cividis for a probability, blue to orange for a sign.
const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120],
  [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]];
const BLUE = [[158, 202, 225], [66, 146, 198], [8, 81, 156]];
const ORANGE = [[253, 208, 162], [253, 141, 60], [217, 72, 1]];

function along(stops, t) {
  const x = Math.max(0, Math.min(1, t)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(x));
  return stops[i].map((value, channel) => value + (stops[i + 1][channel] - value) * (x - i));
}

// t is -1…1 for the evidence map, 0…1 for the lesion map; alpha 0…1.
export function colourOf(kind, t) {
  if (kind === "lesion") return [...along(CIVIDIS, t), Math.min(1, t / LESION_SOLID)];
  return [...along(t < 0 ? BLUE : ORANGE, Math.abs(t)), Math.min(1, Math.abs(t) ** 0.7)];
}

// One packed RGBA for each of 511 steps from -1 to 1.
export function overlayTable(kind) {
  const table = new Uint8ClampedArray(511 * 4);
  for (let i = 0; i < 511; i += 1) {
    const t = (i - 255) / 255;
    const [red, green, blue, alpha] = kind === "lesion" && t < 0 ? [0, 0, 0, 0] : colourOf(kind, t);
    table.set([red, green, blue, alpha * 255], i * 4);
  }
  return new Uint32Array(table.buffer);
}

// One packed grey for each int16 HU: a window costs one look-up a pixel.
export function windowTable({ width, centre }) {
  const table = new Uint32Array(65536);
  for (let hu = -32768; hu < 32768; hu += 1) {
    const grey = Math.max(0, Math.min(255, Math.round(((hu - centre) / width + 0.5) * 255)));
    table[hu + 32768] = (255 << 24) | (grey << 16) | (grey << 8) | grey;
  }
  return table;
}
