// A line that is laid on a slice, and how long it is in the patient. Its ends are points {u, v} of the image, 0 to 1
// along its columns and rows.

import { placement } from "./geometry.js";
import { withRuler } from "./view.js";

// A press that moves less is a click, and changes no line.
const LEAST_PX = 3;

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

// The point of the image under one of the pane; beside the picture or the pane, the nearest that can be seen.
export function pointAt(pane, place, x, y) {
  const [seenX, seenY] = [clamp(x, 0, pane.width), clamp(y, 0, pane.height)];
  return { u: clamp((seenX - place.x) / place.width, 0, 1), v: clamp((seenY - place.y) / place.height, 0, 1) };
}

// Along the slice as it was scanned: rows of a tilted slice lie on the tilt, as its pixels do.
export function lengthMm({ from, to }, image) {
  return Math.hypot((to.u - from.u) * image.columns * image.columnMm, (to.v - from.v) * image.rows * image.rowMm);
}

// A line belongs to the slice that it was laid on.
export function lineOn(view) {
  return view.line?.index === view.index ? view.line : null;
}

// What the hand does with the ruler; a line that is begun is dropped where its slice or the ruler goes.
export function rulerActs(viewer) {
  let begun = null;
  const under = (x, y) => pointAt(begun.pane, placement(begun.pane, viewer.image, viewer.view), x - begun.pane.x, y);
  return {
    ruler: () => viewer.change(withRuler(viewer.view)),
    isRuler: () => viewer.view.ruler,
    lineFrom: (x, y) => {
      begun = { pane: viewer.paneAt(x), x, y, index: viewer.view.index, before: viewer.view.line };
      begun.from = under(x, y);
    },
    lineTo: (x, y) => {
      const { view } = viewer;
      if (!begun || !view.ruler || view.index !== begun.index) begun = null;
      else if (Math.hypot(x - begun.x, y - begun.y) >= LEAST_PX) {
        viewer.change({ ...view, line: { index: view.index, from: begun.from, to: under(x, y) } });
      }
    },
    lineBack: () => {
      if (begun) viewer.change({ ...viewer.view, line: begun.before });
      begun = null;
    },
  };
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
  // Beyond the end, so that it covers nothing of what is measured.
  const half = context.measureText(text).width / 2 + 4;
  const x = clamp(b.x + ((half + 6) * (b.x - a.x)) / length, half, pane.width - half);
  const y = clamp(b.y + (18 * (b.y - a.y)) / length, 10, pane.height - 10);
  [context.strokeStyle, context.lineWidth, context.fillStyle] = ["#000", 3, "#7de3ff"];
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
