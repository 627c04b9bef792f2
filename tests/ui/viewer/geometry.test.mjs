import assert from "node:assert/strict";
import { test } from "node:test";

import {
  MAX_ZOOM, held, mapPixel, mapPlacement, mapSize, panes, panned, pixelAt, placement, zoomedAbout,
} from "../../../htcore/ui/viewer/geometry.js";

// 200 mm wide, 100 mm high: fits a 400 × 400 pane at 2 pixels a millimetre.
const image = { rows: 50, columns: 400, rowMm: 2, columnMm: 0.5 };
const pane = { width: 400, height: 400 };
const whole = { zoom: 1, u: 0.5, v: 0.5 };

test("the whole picture fits in the patient's proportions", () => {
  assert.deepEqual(placement(pane, image, whole), { x: 0, y: 100, width: 400, height: 200 });
});

test("zoomed about its middle it grows to all sides", () => {
  assert.deepEqual(placement(pane, image, { ...whole, zoom: 4 }), { x: -600, y: -200, width: 1600, height: 800 });
});

test("the pixel under a point", () => {
  const place = placement(pane, image, whole);
  assert.deepEqual(pixelAt(place, image, 0, 100), { row: 0, column: 0 });
  assert.deepEqual(pixelAt(place, image, 399.9, 299.9), { row: 49, column: 399 });
  assert.deepEqual(pixelAt(place, image, 10.5, 104), { row: 1, column: 10 });
  for (const [x, y] of [[-1, 200], [400, 200], [200, 99.9], [200, 300]]) assert.equal(pixelAt(place, image, x, y), null);
});

test("what lies under the pointer stays under it while zooming", () => {
  const before = pixelAt(placement(pane, image, whole), image, 120.5, 221);
  for (const factor of [1.3, 3, 5, 50]) {
    const view = zoomedAbout(pane, image, whole, factor, 120.5, 221);
    assert.deepEqual(pixelAt(placement(pane, image, view), image, 120.5, 221), before, `factor ${factor}`);
  }
});

test("zooming in and out again about one point comes back", () => {
  const there = zoomedAbout(pane, image, whole, 5, 120, 221);
  assert.notEqual(there.u, 0.5);
  assert.deepEqual(zoomedAbout(pane, image, there, 0.2, 120, 221), whole);
});

test("zoom has two ends", () => {
  assert.equal(zoomedAbout(pane, image, whole, 1000, 0, 0).zoom, MAX_ZOOM);
  assert.equal(zoomedAbout(pane, image, whole, 0.001, 0, 0).zoom, 1);
});

test("a picture covers at least what it covers when whole, and is whole at zoom 1", () => {
  // Whole, it covers 0 to 400 across and 100 to 300 down.
  const far = placement(pane, image, held({ zoom: 4, u: -9, v: 9 }));
  assert.equal(far.x, 0);
  assert.equal(far.y + far.height, 300);
  assert.deepEqual(held({ zoom: 1, u: 0.9, v: 0.1 }), whole);
  assert.deepEqual(held({ zoom: 1.0000001, u: 0.9, v: 0.1 }), whole);
});

test("panning moves the picture by as many pixels", () => {
  const view = { zoom: 4, u: 0.5, v: 0.5 };
  const before = placement(pane, image, view);
  const after = placement(pane, image, panned(pane, image, view, 30, -20));
  assert.deepEqual([after.x - before.x, after.y - before.y].map(Math.round), [30, -20]);
});

test("a map's pixels lie where they were sampled", () => {
  const map = mapSize(image, 4);
  assert.deepEqual(map, { rows: 13, columns: 100 });
  const place = { x: 0, y: 0, width: 400, height: 50 };
  // Map pixel 0 is centred on image pixel 0, whose middle is at 0.5: it covers -1.5 to 2.5.
  assert.deepEqual(mapPlacement(place, image, 4), { x: -1.5, y: -1.5, width: 400, height: 52 });
  assert.deepEqual(mapPixel({ row: 49, column: 399 }, image, 4), { row: 12, column: 99 });
  assert.deepEqual(mapPixel({ row: 5, column: 6 }, image, 4), { row: 1, column: 2 });
});

test("two panes share the width with a gap between", () => {
  assert.deepEqual(panes(404, 300, false), [{ x: 0, width: 404, height: 300 }]);
  const crop = [0.2, 0.1, 0.7, 0.9];
  assert.deepEqual(panes(404, 300, true, crop),
    [{ x: 0, width: 200, height: 300, crop }, { x: 204, width: 200, height: 300, crop }]);
});

test("a pane holds its crop, as large as it can be, and zooms within it", () => {
  const cut = { ...pane, crop: [0.25, 0.5, 0.5, 1] };
  const view = held(whole, cut.crop);
  assert.deepEqual(view, { zoom: 1, u: 0.375, v: 0.75 });
  // 50 mm wide and 50 mm high: 8 pixels a millimetre.
  const place = placement(cut, image, view);
  assert.deepEqual(place, { x: -400, y: -400, width: 1600, height: 800 });
  assert.deepEqual(pixelAt(place, image, 0, 0), { row: 25, column: 100 });
  assert.deepEqual(pixelAt(place, image, 399, 399), { row: 49, column: 199 });
  const far = placement(cut, image, panned(cut, image, { ...view, zoom: 2 }, 1e4, -1e4));
  assert.deepEqual(pixelAt(far, image, 0, 399), { row: 49, column: 100 });
  const before = pixelAt(place, image, 130, 221);
  assert.deepEqual(pixelAt(placement(cut, image, zoomedAbout(cut, image, view, 3, 130, 221)), image, 130, 221), before);
});
