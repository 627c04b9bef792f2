// Where the picture lies in its pane, and which pixel lies under a point. Pure: no page, no canvas.
// image: {rows, columns, rowMm, columnMm}. pane: {width, height, crop} in CSS pixels; its crop is what of the image it
// must hold: left, top, right, bottom, 0 to 1, or all of it. view: {zoom, u, v}; (u, v) is the point of the image, 0 to
// 1 along its columns and rows, that lies in the middle of the pane.

export const MAX_ZOOM = 12;

const WHOLE = [0, 0, 1, 1];

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

// At zoom 1 the whole crop fits, in the patient's proportions whatever the pixels are.
export function placement(pane, image, view) {
  const [widthMm, heightMm] = [image.columns * image.columnMm, image.rows * image.rowMm];
  const [left, top, right, bottom] = pane.crop ?? WHOLE;
  const fitting = Math.min(pane.width / (widthMm * (right - left)), pane.height / (heightMm * (bottom - top)));
  const scale = fitting * view.zoom;
  const [width, height] = [widthMm * scale, heightMm * scale];
  return { x: pane.width / 2 - view.u * width, y: pane.height / 2 - view.v * height, width, height };
}

// The nearest view whose picture covers at least what it covers when whole: it never drifts out of sight, and zooming
// about any point of it, in and out, needs no correction. What is all but whole counts as whole.
export function held(view, crop = WHOLE) {
  const [left, top, right, bottom] = crop;
  const zoom = clamp(view.zoom, 1, MAX_ZOOM);
  if (zoom < 1.01) return { zoom: 1, u: (left + right) / 2, v: (top + bottom) / 2 };
  const [halfU, halfV] = [(right - left) / 2 / zoom, (bottom - top) / 2 / zoom];
  return { zoom, u: clamp(view.u, left + halfU, right - halfU), v: clamp(view.v, top + halfV, bottom - halfV) };
}

// What lies under (x, y) stays under it.
export function zoomedAbout(pane, image, view, factor, x, y) {
  const zoom = clamp(view.zoom * factor, 1, MAX_ZOOM);
  const before = placement(pane, image, view);
  const after = placement(pane, image, { ...view, zoom });
  const u = (x - before.x) / before.width - (x - pane.width / 2) / after.width;
  const v = (y - before.y) / before.height - (y - pane.height / 2) / after.height;
  return held({ zoom, u, v }, pane.crop);
}

export function panned(pane, image, view, dx, dy) {
  const { width, height } = placement(pane, image, view);
  return held({ zoom: view.zoom, u: view.u - dx / width, v: view.v - dy / height }, pane.crop);
}

// The pixel of the scan under a point of the pane, or null beside the picture.
export function pixelAt(place, image, x, y) {
  const column = Math.floor(((x - place.x) / place.width) * image.columns);
  const row = Math.floor(((y - place.y) / place.height) * image.rows);
  const inside = row >= 0 && column >= 0 && row < image.rows && column < image.columns;
  return inside ? { row, column } : null;
}

// Map pixel i was sampled at the centre of image pixel i * step.
export function mapPixel(pixel, image, step) {
  const size = mapSize(image, step);
  return {
    row: Math.min(size.rows - 1, Math.round(pixel.row / step)),
    column: Math.min(size.columns - 1, Math.round(pixel.column / step)),
  };
}

export function mapSize(image, step) {
  return { rows: Math.ceil(image.rows / step), columns: Math.ceil(image.columns / step) };
}

// The rectangle of the pane that a whole map covers, given where the image lies.
export function mapPlacement(place, image, step) {
  const [perColumn, perRow] = [place.width / image.columns, place.height / image.rows];
  const shift = (1 - step) / 2;
  const size = mapSize(image, step);
  return {
    x: place.x + shift * perColumn, y: place.y + shift * perRow,
    width: size.columns * step * perColumn, height: size.rows * step * perRow,
  };
}

// One pane with the whole picture, or two side by side that hold the crop, with a gap between.
export function panes(width, height, beside, crop = WHOLE, gap = 4) {
  if (!beside) return [{ x: 0, width, height }];
  const half = (width - gap) / 2;
  return [{ x: 0, width: half, height, crop }, { x: half + gap, width: half, height, crop }];
}
