import assert from "node:assert/strict";
import { test } from "node:test";

import { colourOf, overlayTable, windowTable } from "../../../htcore/ui/viewer/colours.js";
import { keyAct, kindOf, pinch, scrubPixels, wheelSteps, wheelZoom } from "../../../htcore/ui/viewer/gestures.js";

const mouse = { pointerType: "mouse", button: 0 };

test("what a press does", () => {
  assert.equal(kindOf(mouse, true), "scrub");
  assert.equal(kindOf(mouse, false), "pan");
  assert.equal(kindOf({ ...mouse, shiftKey: true }, true), "pan");
  assert.equal(kindOf({ ...mouse, button: 1 }, true), "pan");
  for (const change of [{ button: 2 }, { ctrlKey: true }, { altKey: true }, { metaKey: true }]) {
    assert.equal(kindOf({ ...mouse, ...change }, false), "window");
  }
  assert.equal(kindOf({ pointerType: "touch", button: 0 }, false), "scrub");
});

test("with the ruler a press measures; window and pan stay at hand", () => {
  for (const whole of [true, false]) {
    assert.equal(kindOf(mouse, whole, true), "measure");
    assert.equal(kindOf({ pointerType: "touch", button: 0 }, whole, true), "measure");
    assert.equal(kindOf({ ...mouse, button: 2 }, whole, true), "window");
    assert.equal(kindOf({ ...mouse, shiftKey: true }, whole, true), "pan");
  }
});

test("a notch is one slice; a trackpad's small steps add up; turning round starts anew", () => {
  assert.deepEqual(wheelSteps(0, { deltaMode: 0, deltaY: 120 }), { steps: 1, left: 0 });
  assert.deepEqual(wheelSteps(0, { deltaMode: 1, deltaY: -3 }), { steps: -1, left: 0 });
  assert.deepEqual(wheelSteps(0, { deltaMode: 0, deltaY: 25 }), { steps: 0, left: 25 });
  assert.deepEqual(wheelSteps(40, { deltaMode: 0, deltaY: 25 }), { steps: 1, left: 0 });
  assert.deepEqual(wheelSteps(40, { deltaMode: 0, deltaY: -25 }), { steps: 0, left: -25 });
});

test("wheeling to and fro with control comes back", () => {
  assert.ok(wheelZoom({ deltaY: -100 }) > 1);
  assert.ok(Math.abs(wheelZoom({ deltaY: -100 }) * wheelZoom({ deltaY: 100 }) - 1) < 1e-12);
});

test("two fingers twice as far apart zoom by two about their middle", () => {
  const act = pinch([{ x: 0, y: 0 }, { x: 10, y: 0 }], [{ x: -5, y: 4 }, { x: 15, y: 4 }]);
  assert.deepEqual(act, { factor: 2, x: 5, y: 4, dx: 0, dy: 4 });
});

test("keys", () => {
  assert.deepEqual(keyAct({ key: "PageDown" }, 28), ["go", 5]);
  assert.deepEqual(keyAct({ key: "End" }, 28), ["go", 28]);
  assert.deepEqual(keyAct({ key: "ArrowUp" }, 28), ["go", -1]);
  assert.deepEqual(keyAct({ key: "ArrowLeft", shiftKey: true }, 28), ["pan", 40, 0]);
  assert.deepEqual(keyAct({ key: "3" }, 28), ["preset", 2]);
  assert.deepEqual(keyAct({ key: "0" }, 28), ["reset"]);
  assert.deepEqual(keyAct({ key: "w" }, 28), ["windowTo", 30, 0]);
  assert.deepEqual(keyAct({ key: "B" }, 28), ["windowTo", 0, -30]);
  assert.deepEqual(keyAct({ key: "m" }, 28), ["ruler"]);
  assert.deepEqual(keyAct({ key: "Escape" }, 28), ["closeHelp"]);
  assert.equal(keyAct({ key: "5" }, 28), null);
  assert.equal(keyAct({ key: "f", ctrlKey: true }, 28), null);
  assert.equal(keyAct({ key: "Tab" }, 28), null);
});

test("a drag over a picture's height runs through a study, thick or thin", () => {
  assert.equal(scrubPixels(32), 10);
  assert.equal(scrubPixels(3), 20);
  assert.equal(scrubPixels(1000), 2);
});

test("a window's greys: black below, white above, middle grey at its centre", () => {
  const grey = (hu) => windowTable({ width: 80, centre: 40 })[hu + 32768] & 255;
  assert.deepEqual([-1000, 0, 40, 80, 3000].map(grey), [0, 0, 128, 255, 255]);
});

test("no colour where a map says nothing, and none for a negative probability", () => {
  assert.equal(overlayTable("evidence")[255] >>> 24, 0);
  assert.equal(overlayTable("lesion")[255] >>> 24, 0);
  assert.equal(overlayTable("lesion")[0] >>> 24, 0);
  assert.equal(overlayTable("evidence")[510] >>> 24, 255);
  const [raising, lowering] = [colourOf("evidence", 1), colourOf("evidence", -1)];
  assert.ok(raising[0] > raising[2] && lowering[2] > lowering[0]);
});
