// What lies under the pointer, in words. Pure.

import { mapPixel, mapSize, pixelAt, placement } from "./geometry.js";
import { pointerText } from "./words.js";

export function textAt(pane, { x, y }, { image, view, volume, maps, study }) {
  const pixel = pixelAt(placement(pane, image, view), image, x - pane.x, y);
  if (!pixel || x < pane.x) return "";
  const hu = volume[(view.index * image.rows + pixel.row) * image.columns + pixel.column];
  const map = maps[view.overlay];
  if (!map) return pointerText(hu, "none");
  const size = mapSize(image, study.map_step);
  const { row, column } = mapPixel(pixel, image, study.map_step);
  return pointerText(hu, view.overlay, map[(view.index * size.rows + row) * size.columns + column]);
}
