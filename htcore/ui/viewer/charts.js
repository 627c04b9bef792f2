// What stands around the picture: the colour scale beside it and the strip of contributions under it.

import { colourOf } from "./colours.js";
import { scaleLabels, scaleTitle } from "./words.js";

export const SCALE_WIDTH = 70;
export const MIN_SCALE_HEIGHT = 120;
// Between the tools and the scale under them.
export const SCALE_GAP = 12;
export const STRIP_HEIGHT = 64;
const [BAR_MIDDLE, BAR_REACH] = [26, 24];
// The most telling slices' marks stand below the longest bar.
const [MARK_TOP, MARK_HEIGHT, MARK_HALF] = [54, 8, 5];

export function drawScale(canvas, height, kind, top) {
  const context = canvas.getContext("2d");
  const title = scaleTitle(kind);
  const [y0, y1] = [16 + 14 * title.length, height - 14];
  context.clearRect(0, 0, SCALE_WIDTH, height);
  for (let y = y0; y <= y1; y += 1) {
    const share = (y1 - y) / (y1 - y0);
    const [red, green, blue, alpha] = colourOf(kind, kind === "evidence" ? share * 2 - 1 : share);
    context.fillStyle = "#555";
    context.fillRect(0, y, 16, 1.5);
    context.fillStyle = `rgba(${red}, ${green}, ${blue}, ${alpha})`;
    context.fillRect(0, y, 16, 1.5);
  }
  context.fillStyle = getComputedStyle(canvas).color;
  context.font = "11px sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  title.forEach((line, i) => context.fillText(line, 0, 10 + 14 * i));
  for (const [share, text] of scaleLabels(kind, top)) context.fillText(text, 21, y1 - share * (y1 - y0));
}

export function drawStrip(canvas, width, study, index) {
  const context = canvas.getContext("2d");
  const values = study.slices.map((entry) => entry.contribution || 0);
  const most = Math.max(...values.map(Math.abs)) || 1;
  const ink = getComputedStyle(canvas).color;
  const step = width / values.length;
  context.clearRect(0, 0, width, STRIP_HEIGHT);
  context.globalAlpha = 0.2;
  context.fillStyle = ink;
  context.fillRect(index * step, 0, step, STRIP_HEIGHT);
  context.globalAlpha = 1;
  values.forEach((value, k) => {
    const size = (value / most) * BAR_REACH;
    context.fillStyle = value < 0 ? "#4292c6" : "#f07818";
    const top = Math.min(BAR_MIDDLE, BAR_MIDDLE - size);
    context.fillRect(k * step + 1, top, Math.max(1, step - 2), Math.max(1, Math.abs(size)));
  });
  context.fillStyle = ink;
  for (const k of study.telling) {
    const x = (k + 0.5) * step;
    context.beginPath();
    context.moveTo(x, MARK_TOP);
    context.lineTo(x + MARK_HALF, MARK_TOP + MARK_HEIGHT);
    context.lineTo(x - MARK_HALF, MARK_TOP + MARK_HEIGHT);
    context.fill();
  }
}
