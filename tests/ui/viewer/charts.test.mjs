import assert from "node:assert/strict";
import { test } from "node:test";

import { STRIP_HEIGHT, drawStrip } from "../../../htcore/ui/viewer/charts.js";

globalThis.getComputedStyle = () => ({ color: "ink" });

// Notes where something is drawn and in which colour.
function paper() {
  const noted = { boxes: [], marks: [] };
  const context = {
    clearRect() {}, beginPath() {}, fill() {},
    fillRect(x, y, width, height) { noted.boxes.push({ y, bottom: y + height, colour: this.fillStyle }); },
    moveTo(x, y) { noted.marks.push({ y, colour: this.fillStyle }); },
    lineTo(x, y) { noted.marks.push({ y, colour: this.fillStyle }); },
  };
  return { ...noted, canvas: { getContext: () => context } };
}

test("the marks of the most telling slices lie on no bar, whichever way it points", () => {
  const { canvas, boxes, marks } = paper();
  const slices = [-1, 1, -0.3].map((contribution) => ({ contribution }));
  drawStrip(canvas, 300, { slices, telling: [0, 1, 2] }, 1);
  const lowest = Math.max(...boxes.filter(({ colour }) => colour !== "ink").map(({ bottom }) => bottom));
  assert.equal(marks.length, 9);
  for (const { y, colour } of marks) assert.ok(y > lowest && y < STRIP_HEIGHT && colour === "ink", `${y} ${lowest}`);
});
