// Streamlit calls `mount` on each rerun: the same study keeps its viewer, which takes the maps in as they come.
// Where they go, because the result is hidden, nothing of the former viewer stays.

import { Viewer } from "./viewer.js";
import { watch } from "./watch.js";

const viewers = new WeakMap();

export function mount({ data, parentElement }) {
  const root = parentElement.querySelector(".viewer");
  let viewer = viewers.get(root);
  const same = viewer?.study.url === data.url;
  if (same && (data.scale || !viewer.study.scale)) viewer.learn(data);
  else {
    viewer?.keep();
    viewer = new Viewer(root, data);
    viewers.set(root, viewer);
  }
  return watch(viewer);
}
