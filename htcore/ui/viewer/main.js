// Streamlit calls `mount` on each rerun: the same study keeps its viewer, unless its maps come or go.

import { Viewer } from "./viewer.js";

const viewers = new WeakMap();

export function mount({ data, parentElement }) {
  const root = parentElement.querySelector(".viewer");
  let viewer = viewers.get(root);
  if (viewer?.study.url !== data.url || Boolean(viewer.study.scale) !== Boolean(data.scale)) {
    viewer?.keep();
    viewer = new Viewer(root, data);
    viewers.set(root, viewer);
  }
  return viewer.watch();
}
