// Draws one slice, its overlay and its marks into a pane of the canvas.

import { overlayTable, windowTable } from "./colours.js";
import { mapPlacement, mapSize } from "./geometry.js";

function blank(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return canvas;
}

export class Painter {
  constructor(image, mapStep) {
    Object.assign(this, { image, mapStep, window: null, slice: null, layered: null });
    this.source = blank(image.columns, image.rows);
    this.pixels = this.source.getContext("2d").createImageData(image.columns, image.rows);
    const size = mapSize(image, mapStep);
    this.layer = blank(size.columns, size.rows);
    this.layerPixels = this.layer.getContext("2d").createImageData(size.columns, size.rows);
    this.tables = {};
  }

  // Zoom and pan move the same picture: it is made anew only where slice or window changed.
  drawSlice(context, place, volume, view) {
    const window = `${view.width}/${view.centre}`;
    if (this.window !== window) [this.grey, this.window, this.slice] = [windowTable(view), window, null];
    if (this.slice !== view.index) {
      const size = this.image.rows * this.image.columns;
      const hu = volume.subarray(view.index * size, (view.index + 1) * size);
      const out = new Uint32Array(this.pixels.data.buffer);
      for (let i = 0; i < size; i += 1) out[i] = this.grey[hu[i] + 32768];
      this.source.getContext("2d").putImageData(this.pixels, 0, 0);
      this.slice = view.index;
    }
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.source, place.x, place.y, place.width, place.height);
  }

  // Values over the one scale of all studies, so that a faint slice looks faint; beyond its ends, the end's colour.
  drawOverlay(context, place, map, top, view) {
    const layered = `${view.overlay}/${view.index}`;
    if (this.layered !== layered) {
      this.tables[view.overlay] ??= overlayTable(view.overlay);
      const table = this.tables[view.overlay];
      const out = new Uint32Array(this.layerPixels.data.buffer);
      const from = view.index * out.length;
      for (let i = 0; i < out.length; i += 1) {
        out[i] = table[Math.round(Math.max(-1, Math.min(1, map[from + i] / top)) * 255) + 255];
      }
      this.layer.getContext("2d").putImageData(this.layerPixels, 0, 0);
      this.layered = layered;
    }
    const over = mapPlacement(place, this.image, this.mapStep);
    context.globalAlpha = view.opacity;
    context.drawImage(this.layer, over.x, over.y, over.width, over.height);
    context.globalAlpha = 1;
  }
}

// The patient's sides, at the borders of what is visible: zoomed or not, right stays marked.
export function drawMarks(context, pane, place, { left, right, top, bottom }) {
  const x0 = Math.max(0, place.x);
  const x1 = Math.min(pane.width, place.x + place.width);
  const [middleX, middleY] = [(x0 + x1) / 2, pane.height / 2];
  context.font = "600 18px sans-serif";
  context.lineWidth = 3;
  context.strokeStyle = "#000";
  context.fillStyle = "#ffd866";
  context.textBaseline = "middle";
  const put = (text, x, y, align) => {
    context.textAlign = align;
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  };
  put(left, x0 + 8, middleY, "left");
  put(right, x1 - 8, middleY, "right");
  put(top, middleX, 14, "center");
  put(bottom, middleX, pane.height - 14, "center");
}

// A canvas of so many pixels of the page, as dense as the screen.
export function fitted(canvas, width, height) {
  const density = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * density), Math.round(height * density)];
  [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  canvas.getContext("2d").setTransform(density, 0, 0, density, 0, 0);
}
