// The slice viewer. Pixels and maps are fetched once by URL; scrolling, windows and overlays never ask the server.

import { MIN_SCALE_HEIGHT, SCALE_GAP, SCALE_WIDTH, STRIP_HEIGHT, drawScale, drawStrip } from "./charts.js";
import { Controls } from "./controls.js";
import { held, panes, panned, placement, zoomedAbout } from "./geometry.js";
import { listen } from "./gestures.js";
import { Painter, drawMarks, fitted } from "./paint.js";
import { fetchMap, fetchVolume, keepView, keptView } from "./parts.js";
import { textAt } from "./readout.js";
import { drawLine, lengthMm, lineOn, rulerActs } from "./ruler.js";
import { asBefore, atSlice, isWhole, newView, withPreset, withWindowDragged } from "./view.js";
import { lengthText, positionText, stageLabel } from "./words.js";

const MAX_HEIGHT = 640;
// Of the window's height, what the page's head, the buttons, the read-out and the strip take.
const OTHER_HEIGHT = 300;
const FULL_SCREEN_BORDER = 28;

export class Viewer {
  constructor(root, study) {
    const [slices, rows, columns] = study.shape;
    const [rowMm, columnMm] = study.pixel_mm;
    Object.assign(this, { root, study, slices, volume: null, maps: {}, pointer: null, image: { rows, columns, rowMm, columnMm } });
    const first = newView(study.start);
    this.view = keptView(study.opening, first, slices);
    this.moved = this.view !== first;
    this.painter = new Painter(this.image, study.map_step);
    const acts = this.acts();
    this.controls = new Controls(root, acts, study);
    listen(this.controls.frame, this.controls.stage, slices, acts);
    this.resize();
    this.load();
  }

  acts() {
    const change = (view) => this.change(view);
    let from = this.view;
    return {
      ...rulerActs(this),
      go: (by) => change(atSlice(this.view, this.view.index + by, this.slices)),
      share: (share) => change(atSlice(this.view, Math.floor(share * this.slices), this.slices)),
      preset: (i) => change(withPreset(this.view, i)),
      windowFrom: () => { from = this.view; },
      windowTo: (dx, dy) => change(withWindowDragged(this.view, from, dx, dy)),
      overlay: (overlay) => change({ ...this.view, overlay }),
      opacity: (opacity) => change({ ...this.view, opacity }),
      beside: () => change({ ...this.view, beside: !this.view.beside }),
      reset: () => change(asBefore(this.view)),
      isWhole: () => isWhole(this.view),
      pan: (dx, dy) => change({ ...this.view, ...panned(this.panes[0], this.image, this.view, dx, dy) }),
      zoom: (factor, x, y) => this.zoom(factor, x, y),
      point: (x, y) => {
        this.pointer = x === undefined ? null : { x, y };
        this.readPointer();
      },
      fullScreen: () => this.toggleFullScreen(),
      help: () => this.controls.toggleHelp(),
      closeHelp: () => this.controls.toggleHelp(false),
    };
  }

  async load() {
    try {
      this.volume = await fetchVolume(this.study.url);
      this.controls.message.textContent = "";
      this.draw();
    } catch {
      this.controls.message.textContent = "The slices could not be fetched: reload the page and open the study again.";
      return;
    }
    await this.loadMaps();
  }

  async loadMaps() {
    if (!this.study.scale) return;
    try {
      for (const kind of ["evidence", "lesion"]) this.maps[kind] = await fetchMap(this.study.url, kind);
      this.controls.setMapsReady(true);
      this.draw();
    } catch {
      this.controls.mapCaption.textContent = "The maps could not be fetched: open the study again.";
    }
  }

  // The maps come: window, zoom and a chosen place stay; a place that nobody chose gives way to the most telling slice.
  learn(study) {
    const came = Boolean(study.scale) && !this.study.scale;
    this.study = study;
    this.controls.notice.textContent = study.notice;
    if (!came) return;
    this.controls.setMaps(study);
    if (!this.moved) this.view = atSlice(this.view, study.start, this.slices);
    this.resize();
    if (this.volume) this.loadMaps();
  }

  change(view) {
    Object.assign(this, { view, moved: true });
    this.draw();
  }

  zoom(factor, x, y) {
    const pane = this.paneAt(x ?? 0);
    const view = zoomedAbout(pane, this.image, this.view, factor, x === undefined ? pane.width / 2 : x - pane.x, y ?? pane.height / 2);
    this.change({ ...this.view, ...view });
  }

  paneAt(x) {
    return this.panes.find((pane) => x < pane.x + pane.width) ?? this.panes.at(-1);
  }

  async toggleFullScreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.root.requestFullscreen?.();
    this.controls.stage.focus({ preventScroll: true });
  }

  resize() {
    const { frame, row, stage, canvas, tools, scale, strip } = this.controls;
    const full = this.root.matches(":fullscreen");
    const width = Math.max(120, stage.clientWidth);
    const ratio = (this.image.columns * this.image.columnMm) / (this.image.rows * this.image.rowMm);
    const room = full
      ? window.innerHeight - FULL_SCREEN_BORDER - (frame.offsetHeight - row.offsetHeight)
      : Math.min(MAX_HEIGHT, window.innerHeight - OTHER_HEIGHT, width / ratio);
    this.size = { width, height: Math.max(Math.min(300, width / ratio), room) };
    fitted(canvas, this.size.width, this.size.height);
    this.scaleHeight = Math.max(MIN_SCALE_HEIGHT, this.size.height - tools.offsetHeight - SCALE_GAP);
    fitted(scale, SCALE_WIDTH, this.scaleHeight);
    fitted(strip, this.root.clientWidth, STRIP_HEIGHT);
    strip.style.width = "100%";
    this.draw();
  }

  draw() {
    const started = performance.now();
    const { view, study, controls } = this;
    const overlay = study.scale ? view.overlay : "none";
    const beside = view.beside && overlay !== "none";
    this.panes = panes(this.size.width, this.size.height, beside, study.head);
    Object.assign(view, held(view, this.panes[0].crop));
    controls.reflect(view);
    controls.position.textContent = positionText(study, view, this.lineText());
    controls.stage.setAttribute("aria-label", stageLabel(study, view));
    controls.canvas.getContext("2d").clearRect(0, 0, this.size.width, this.size.height);
    if (this.volume) this.panes.forEach((pane, i) => this.drawPane(pane, !beside || i === 1));
    if (overlay !== "none") drawScale(controls.scale, this.scaleHeight, view.overlay, this.top());
    if (study.scale) drawStrip(controls.strip, this.root.clientWidth, study, view.index);
    this.readPointer();
    Object.assign(this.root.dataset, {
      slice: String(view.index + 1), ready: String(Boolean(this.volume)), drawMs: (performance.now() - started).toFixed(2),
    });
  }

  drawPane(pane, withOverlay) {
    const context = this.controls.canvas.getContext("2d");
    const place = placement(pane, this.image, this.view);
    context.save();
    context.translate(pane.x, 0);
    context.beginPath();
    context.rect(0, 0, pane.width, pane.height);
    context.clip();
    this.painter.drawSlice(context, place, this.volume, this.view);
    const map = withOverlay ? this.maps[this.view.overlay] : null;
    if (map) this.painter.drawOverlay(context, place, map, this.top(), this.view);
    drawMarks(context, pane, place, this.study.slices[this.view.index].marks);
    if (lineOn(this.view)) drawLine(context, pane, place, this.view.line, this.lineText());
    context.restore();
  }

  // Where a map's scale ends, in every study.
  top() {
    return this.view.overlay === "evidence" ? this.study.scale.evidence : 1;
  }

  // How long the line on this slice is; empty where there is none.
  lineText() {
    const line = lineOn(this.view);
    return line ? lengthText(lengthMm(line, this.image)) : "";
  }

  readPointer() {
    const { pointer } = this;
    this.controls.pointer.textContent = pointer && this.volume ? textAt(this.paneAt(pointer.x), pointer, this) : "";
  }

  keep() {
    if (this.moved) keepView(this.study.opening, this.view);
  }
}
