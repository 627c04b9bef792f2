import assert from "node:assert/strict";
import { test } from "node:test";

import { Viewer } from "../../../htcore/ui/viewer/viewer.js";

test("the notice names the weights once they are known, before any map is there", () => {
  const controls = { notice: { textContent: "Research use only" } };
  const viewer = Object.assign(Object.create(Viewer.prototype), { controls, study: { scale: null } });
  viewer.learn({ scale: null, notice: "Research use only · weights trained on 300 scans" });
  assert.equal(controls.notice.textContent, "Research use only · weights trained on 300 scans");
});
