import assert from "node:assert/strict";
import { test } from "node:test";

import { panes, placement } from "../../../htcore/ui/viewer/geometry.js";
import { lengthMm, lineOn, pointAt } from "../../../htcore/ui/viewer/ruler.js";
import { atSlice, newView, restored, withRuler } from "../../../htcore/ui/viewer/view.js";
import { lengthText, positionText } from "../../../htcore/ui/viewer/words.js";

// 200 mm wide, 100 mm high, of pixels that are not square.
const image = { rows: 50, columns: 400, rowMm: 2, columnMm: 0.5 };

test("millimetres of the patient, whatever the pixels, the zoom and the pane", () => {
  const ends = { from: { u: 0.25, v: 0.2 }, to: { u: 0.4, v: 0.6 } };
  assert.ok(Math.abs(lengthMm(ends, image) - 50) < 1e-9); // 30 mm across, 40 mm down
  for (const zoom of [1, 5]) {
    for (const pane of panes(800, 400, true)) {
      const place = placement(pane, image, { zoom, u: 0.5, v: 0.5 });
      const [from, to] = [ends.from, ends.to].map(({ u, v }) =>
        pointAt(place, place.x + u * place.width, place.y + v * place.height));
      assert.ok(Math.abs(lengthMm({ from, to }, image) - 50) < 1e-9);
    }
  }
});

test("a line ends at the picture's border", () => {
  const place = placement({ width: 400, height: 400 }, image, { zoom: 1, u: 0.5, v: 0.5 });
  assert.deepEqual(pointAt(place, -30, 900), { u: 0, v: 1 });
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
