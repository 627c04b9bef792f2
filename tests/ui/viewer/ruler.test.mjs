import assert from "node:assert/strict";
import { test } from "node:test";

import { panes, placement } from "../../../htcore/ui/viewer/geometry.js";
import { lengthMm, lineOn, pointAt, rulerActs } from "../../../htcore/ui/viewer/ruler.js";
import { atSlice, newView, restored, withRuler } from "../../../htcore/ui/viewer/view.js";
import { lengthText, positionText } from "../../../htcore/ui/viewer/words.js";

// 200 mm wide, 100 mm high, of pixels that are not square.
const image = { rows: 50, columns: 400, rowMm: 2, columnMm: 0.5 };

test("millimetres of the patient, whatever the pixels, the zoom and the pane", () => {
  const ends = { from: { u: 0.25, v: 0.2 }, to: { u: 0.4, v: 0.6 } };
  assert.ok(Math.abs(lengthMm(ends, image) - 50) < 1e-9); // 30 mm across, 40 mm down
  for (const zoom of [1, 5]) {
    for (const pane of panes(800, 400, true)) {
      const place = placement(pane, image, { zoom, u: 0.325, v: 0.4 });
      const [from, to] = [ends.from, ends.to].map(({ u, v }) =>
        pointAt(pane, place, place.x + u * place.width, place.y + v * place.height));
      assert.ok(Math.abs(lengthMm({ from, to }, image) - 50) < 1e-9);
    }
  }
});

test("a line ends at the border of the picture, or of the pane where that is nearer", () => {
  const pane = { width: 400, height: 400 };
  const place = placement(pane, image, { zoom: 1, u: 0.5, v: 0.5 });
  assert.deepEqual(pointAt(pane, place, -30, 900), { u: 0, v: 1 });
  const zoomed = placement(pane, image, { zoom: 4, u: 0.5, v: 0.5 });
  assert.deepEqual(pointAt(pane, zoomed, -30, 200), { u: 0.375, v: 0.5 });
});

// A viewer as far as the ruler knows it.
function ruled(index = 3) {
  const viewer = { image, view: withRuler(newView(index)), paneAt: () => ({ x: 0, width: 400, height: 400 }) };
  viewer.change = (view) => { viewer.view = view; };
  return [viewer, rulerActs(viewer)];
}

test("a click changes no line, a drag lays a new one", () => {
  const [viewer, acts] = ruled();
  acts.lineFrom(100, 200);
  acts.lineTo(160, 200);
  const first = viewer.view.line;
  assert.ok(Math.abs(lengthMm(first, image) - 30) < 1e-9);
  acts.lineFrom(10, 200);
  acts.lineTo(11, 201);
  assert.equal(viewer.view.line, first);
  acts.lineTo(20, 200);
  assert.ok(Math.abs(lengthMm(viewer.view.line, image) - 5) < 1e-9);
});

test("a second finger brings back the former line", () => {
  const [viewer, acts] = ruled();
  acts.lineBack();
  assert.equal(viewer.view.line, null);
  acts.lineFrom(100, 200);
  acts.lineTo(160, 200);
  const first = viewer.view.line;
  acts.lineFrom(10, 200);
  acts.lineTo(40, 200);
  acts.lineBack();
  assert.equal(viewer.view.line, first);
  acts.lineTo(80, 200);
  assert.equal(viewer.view.line, first);
});

test("a drag lays no line once its slice or the ruler is gone, nor when they come back", () => {
  for (const gone of [(view) => atSlice(view, 5, 10), withRuler]) {
    const [viewer, acts] = ruled();
    const before = viewer.view;
    acts.lineFrom(100, 200);
    viewer.view = gone(before);
    acts.lineTo(160, 200);
    assert.equal(viewer.view.line, null);
    viewer.view = before;
    acts.lineTo(170, 200);
    assert.equal(viewer.view.line, null);
  }
});

test("a line stays on its slice and goes with the ruler; a reload brings neither back", () => {
  const line = { index: 3, from: { u: 0, v: 0 }, to: { u: 1, v: 0 } };
  const view = { ...withRuler(newView(3)), line };
  assert.equal(view.ruler, true);
  assert.equal(lineOn(view), line);
  assert.equal(lineOn(atSlice(view, 4, 10)), null);
  assert.deepEqual([withRuler(view).ruler, lineOn(withRuler(view))], [false, null]);
  const again = restored(newView(0), JSON.parse(JSON.stringify(view)), 10);
  assert.deepEqual([again.index, again.ruler, again.line], [3, false, null]);
});

test("the read-out says the length", () => {
  const study = { tilt_deg: 0, slices: [{ z_mm: 1, thickness_mm: 5, contribution: null }] };
  assert.match(positionText(study, newView(0), lengthText(42.345)), /L 40 · line 42\.3 mm$/);
  assert.doesNotMatch(positionText(study, newView(0)), /line/);
});
