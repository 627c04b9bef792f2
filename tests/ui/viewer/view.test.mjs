import assert from "node:assert/strict";
import { test } from "node:test";

import {
  asBefore, atSlice, isPreset, newView, restored, withPreset, withWindowDragged,
} from "../../../htcore/ui/viewer/view.js";
import { pointerText, positionText, scaleLabels, scaleTitle, signed, stageLabel } from "../../../htcore/ui/viewer/words.js";

const study = {
  tilt_deg: 18.5,
  slices: [
    { z_mm: -3, thickness_mm: 5, contribution: -0.25 },
    { z_mm: 2, thickness_mm: 5, contribution: null },
  ],
};

test("slices have two ends", () => {
  assert.equal(atSlice(newView(3), -4, 10).index, 0);
  assert.equal(atSlice(newView(3), 99, 10).index, 9);
});

test("presets are the usual ones", () => {
  const windows = [0, 1, 2, 3].map((i) => withPreset(newView(0), i)).map(({ width, centre }) => [width, centre]);
  assert.deepEqual(windows, [[40, 40], [80, 40], [200, 75], [2500, 500]]);
});

test("a window dragged 200 pixels to the right is twice as wide, and the way back restores it", () => {
  const view = newView(0);
  const wide = withWindowDragged(view, view, 200, 0);
  assert.deepEqual([wide.width, wide.centre], [80, 40]);
  const up = withWindowDragged(view, view, 0, -200);
  assert.deepEqual([up.width, up.centre], [40, 0]);
  assert.deepEqual(withWindowDragged(wide, view, 0, 0), view);
  assert.ok(!isPreset(up, 0));
  assert.ok(isPreset(wide, 1));
});

test("a window stays within what a CT can hold", () => {
  const view = newView(0);
  assert.equal(withWindowDragged(view, view, -1e6, 0).width, 1);
  assert.equal(withWindowDragged(view, view, 1e4, 0).width, 4096);
  assert.equal(withWindowDragged(view, view, 0, 1e6).centre, 3071);
});

test("reset brings back the window chosen by name and the whole picture, and keeps the slice", () => {
  const view = { ...withPreset(newView(4), 2), width: 33, centre: 12, zoom: 3, u: 0.2, v: 0.9, overlay: "evidence" };
  assert.deepEqual(asBefore(view), { ...view, width: 200, centre: 75, zoom: 1, u: 0.5, v: 0.5 });
});

test("a kept view is restored, a broken one passed over", () => {
  const view = newView(4);
  const kept = { ...view, index: 7, zoom: 2, overlay: "lesion" };
  assert.deepEqual(restored(view, JSON.parse(JSON.stringify(kept)), 10), kept);
  assert.equal(restored(view, { ...kept, index: 70 }, 10).index, 9);
  for (const broken of [null, 5, {}, { ...kept, index: "7" }, { ...kept, overlay: "x" }, { ...kept, preset: 9 }]) {
    assert.equal(restored(view, broken, 10), view);
  }
});

test("the read-out says slice, place, window, zoom and contribution", () => {
  assert.equal(positionText(study, newView(0)),
    "Slice 1/2 · z −3.0 mm · 5 mm thick · tilt 18.5° · W 40 L 40 · evidence for HT −0.25");
  assert.match(positionText(study, { ...newView(1), zoom: 2 }), /L 40 · × 2\.0$/);
});

test("the stage names its window to a screen reader", () => {
  assert.match(stageLabel(study, newView(0)), /^CT slice 1 of 2, Stroke window\./);
  assert.match(stageLabel(study, { ...newView(0), width: 55 }), /window width 55, level 40\./);
});

test("values carry their units", () => {
  assert.equal(pointerText(31, "none"), "31 HU");
  assert.equal(pointerText(-1024, "none"), "−1024 HU");
  for (const padding of [-1025, -1500, -3024]) assert.equal(pointerText(padding, "evidence", 0), "outside the scan");
  assert.equal(pointerText(31, "evidence", -0.0123), "31 HU · evidence −0.0123 log-odds per mL");
  assert.equal(pointerText(-5, "lesion", 0.256), "−5 HU · infarct 0.26");
  assert.deepEqual([0.5, -0.5, 0, -0.04].map((value) => signed(value, 1)), ["+0.5", "−0.5", "0.0", "0.0"]);
  assert.deepEqual(scaleTitle("evidence").join(" "), "evidence, log-odds per mL");
  assert.deepEqual(scaleLabels("evidence", 0.05),
    [[1, "≥ +0.050"], [0.75, "+0.025"], [0.5, "0"], [0.25, "−0.025"], [0, "≤ −0.050"]]);
});
