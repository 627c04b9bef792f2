// A line that is laid on a slice, and how long it is in the patient. Its ends are points {u, v} of the image, 0 to 1
// along its columns and rows.

const clamp = (value) => Math.max(0, Math.min(1, value));

// The point of the image under one of the pane; beside the picture, the nearest of its border.
export function pointAt(place, x, y) {
  return { u: clamp((x - place.x) / place.width), v: clamp((y - place.y) / place.height) };
}

// Along the slice as it was scanned: rows of a tilted slice lie on the tilt, as its pixels do.
export function lengthMm({ from, to }, image) {
  return Math.hypot((to.u - from.u) * image.columns * image.columnMm, (to.v - from.v) * image.rows * image.rowMm);
}

// A line belongs to the slice that it was laid on.
export function lineOn(view) {
  return view.line?.index === view.index ? view.line : null;
}

export function drawLine(context, pane, place, line, text) {
  const at = ({ u, v }) => ({ x: place.x + u * place.width, y: place.y + v * place.height });
  const [a, b] = [at(line.from), at(line.to)];
  const length = Math.max(1, Math.hypot(b.x - a.x, b.y - a.y));
  const [acrossX, acrossY] = [(-5 * (b.y - a.y)) / length, (5 * (b.x - a.x)) / length];
  context.beginPath();
  context.moveTo(a.x, a.y);
  context.lineTo(b.x, b.y);
  for (const end of [a, b]) {
    context.moveTo(end.x - acrossX, end.y - acrossY);
    context.lineTo(end.x + acrossX, end.y + acrossY);
  }
  for (const [colour, width] of [["#000", 4], ["#7de3ff", 1.5]]) {
    [context.strokeStyle, context.lineWidth] = [colour, width];
    context.stroke();
  }
  context.font = "600 14px sans-serif";
  [context.textAlign, context.textBaseline] = ["center", "middle"];
  const half = context.measureText(text).width / 2 + 4;
  const x = Math.max(half, Math.min(pane.width - half, b.x));
  const y = b.y > pane.height / 2 ? Math.min(b.y + 16, pane.height - 10) : Math.max(b.y - 16, 10);
  [context.strokeStyle, context.lineWidth, context.fillStyle] = ["#000", 3, "#7de3ff"];
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
