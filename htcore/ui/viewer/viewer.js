// The slice viewer. Pixels and maps are fetched once by URL; scrolling, windows and overlays never ask the server.

const WINDOWS = [
  { name: "Stroke", width: 40, centre: 40 },
  { name: "Brain", width: 80, centre: 40 },
  { name: "Subdural", width: 200, centre: 75 },
  { name: "Bone", width: 2500, centre: 500 },
];
const OVERLAYS = [
  { id: "none", name: "None", caption: "" },
  { id: "class", name: "Class map", caption: "Class map: what moved the model, not where it will bleed." },
  { id: "lesion", name: "Lesion map", caption: "Lesion map: where the model sees acute infarct, not where it will bleed." },
];
const MAX_HEIGHT = 640;
// Of the window's height, what the page's head, the buttons, the read-out and the strip take.
const OTHER_HEIGHT = 300;
// Trackpads send many small wheel steps; a mouse's notch is 100 or more.
const WHEEL_STEP = 60;

async function fetchPart(url, part, ArrayType) {
  const answer = await fetch(`${url}/${part}`, { credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  return new ArrayType(await answer.arrayBuffer());
}

function element(tag, className, attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function signed(value, digits) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}

class Viewer {
  constructor(root, study) {
    this.root = root;
    this.study = study;
    const [slices, rows, columns] = study.shape;
    Object.assign(this, { slices, rows, columns, volume: null, maps: {}, pointer: null, wheel: 0 });
    this.view = { index: study.start, window: 0, overlay: "none", opacity: 0.7 };
    this.source = element("canvas");
    [this.source.width, this.source.height] = [columns, rows];
    this.pixels = this.source.getContext("2d").createImageData(columns, rows);
    this.grey = windowTable(WINDOWS[0]);
    this.build();
    this.load();
  }

  build() {
    const bar = element("div", "bar");
    const windows = element("div", "group", { role: "group", "aria-label": "Window" });
    this.windowButtons = WINDOWS.map((entry, i) => {
      const button = this.button(entry.name, () => this.setWindow(i));
      button.title = `width ${entry.width}, centre ${entry.centre} HU`;
      windows.append(button);
      return button;
    });
    const overlays = element("div", "group", { role: "group", "aria-label": "Overlay" });
    overlays.append("Overlay");
    this.overlayButtons = OVERLAYS.map((entry) => {
      const button = this.button(entry.name, () => this.setOverlay(entry.id));
      button.disabled = entry.id !== "none";
      overlays.append(button);
      return button;
    });
    this.slider = element("input", "", { type: "range", min: 10, max: 100, value: 70, "aria-label": "Overlay opacity" });
    this.slider.addEventListener("input", () => {
      this.view.opacity = this.slider.value / 100;
      this.draw();
    });
    const opacity = element("div", "group");
    opacity.append("Opacity", this.slider);
    bar.append(windows, ...(this.study.scale ? [overlays, opacity] : []));

    this.stage = element("div", "stage", { tabindex: 0, role: "img" });
    this.canvas = element("canvas");
    this.message = element("div", "message");
    this.message.textContent = "Fetching the slices…";
    this.stage.append(this.canvas, this.message);
    this.scale = element("canvas", "scale");
    this.scale.hidden = !this.study.scale;
    const row = element("div", "row");
    row.append(this.stage, this.scale);

    const readout = element("div", "readout");
    this.position = element("span", "position");
    this.pointerText = element("span", "pointer");
    readout.append(this.position, this.pointerText);
    this.strip = element("canvas", "strip", { role: "img" });
    this.strip.hidden = !this.study.scale;
    this.strip.setAttribute("aria-label", "Contribution of each slice; click to see that slice");
    this.caption = element("div", "caption");
    this.root.replaceChildren(bar, row, readout, this.strip, this.caption);
    this.listen();
    this.reflect();
  }

  button(text, act) {
    const node = element("button", "", { type: "button" });
    node.textContent = text;
    node.addEventListener("click", act);
    return node;
  }

  listen() {
    this.stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.wheel += event.deltaMode === 1 ? event.deltaY * WHEEL_STEP : event.deltaY;
      const steps = Math.trunc(this.wheel / WHEEL_STEP);
      if (steps !== 0) {
        this.wheel = 0;
        this.go(this.view.index + Math.sign(steps));
      }
    }, { passive: false });
    this.stage.addEventListener("keydown", (event) => {
      const last = this.slices - 1;
      const to = {
        ArrowUp: this.view.index - 1, ArrowLeft: this.view.index - 1,
        ArrowDown: this.view.index + 1, ArrowRight: this.view.index + 1,
        PageUp: this.view.index - 5, PageDown: this.view.index + 5, Home: 0, End: last,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.go(to);
    });
    this.stage.addEventListener("pointermove", (event) => {
      const box = this.canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * this.columns);
      const y = Math.floor(((event.clientY - box.top) / box.height) * this.rows);
      const inside = x >= 0 && y >= 0 && x < this.columns && y < this.rows;
      this.pointer = inside ? { x, y } : null;
      this.readPointer();
    });
    this.stage.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.readPointer();
    });
    this.stage.addEventListener("pointerdown", () => this.stage.focus({ preventScroll: true }));
    this.strip.addEventListener("click", (event) => {
      const box = this.strip.getBoundingClientRect();
      this.go(Math.floor(((event.clientX - box.left) / box.width) * this.slices));
    });
  }

  async load() {
    try {
      this.volume = await fetchPart(this.study.url, "volume", Int16Array);
      this.message.textContent = "";
      this.draw();
      if (!this.study.scale) return;
      this.maps.class = await fetchPart(this.study.url, "class", Float32Array);
      this.maps.lesion = await fetchPart(this.study.url, "lesion", Float32Array);
      for (const button of this.overlayButtons) button.disabled = false;
      this.draw();
    } catch {
      this.message.textContent = this.volume
        ? ""
        : "The slices could not be fetched: reload the page and open the study again.";
      if (this.volume) this.caption.textContent = "The maps could not be fetched: open the study again.";
    }
  }

  go(index) {
    this.view.index = Math.max(0, Math.min(this.slices - 1, index));
    this.draw();
  }

  setWindow(i) {
    this.view.window = i;
    this.grey = windowTable(WINDOWS[i]);
    this.reflect();
  }

  setOverlay(id) {
    this.view.overlay = id;
    this.reflect();
  }

  reflect() {
    this.windowButtons.forEach((node, i) => node.setAttribute("aria-pressed", String(i === this.view.window)));
    this.overlayButtons.forEach((node, i) => node.setAttribute("aria-pressed", String(OVERLAYS[i].id === this.view.overlay)));
    this.slider.disabled = this.view.overlay === "none";
    this.caption.textContent = OVERLAYS.find((entry) => entry.id === this.view.overlay).caption;
    if (this.view.overlay === "none" && this.study.scale) {
      this.caption.textContent = "Bars: each slice's share of the logit (orange raises, blue lowers); ▲ the most telling.";
    }
    this.resize();
  }

  // The picture keeps the patient's proportions whatever the pixels are.
  resize() {
    this.scale.style.visibility = this.view.overlay === "none" ? "hidden" : "visible";
    const [rowMm, columnMm] = this.study.pixel_mm;
    const ratio = (this.columns * columnMm) / (this.rows * rowMm);
    const width = Math.max(120, this.stage.clientWidth);
    const height = Math.min(MAX_HEIGHT, Math.max(300, window.innerHeight - OTHER_HEIGHT), width / ratio);
    this.cssSize = [height * ratio, height];
    this.density = window.devicePixelRatio || 1;
    this.fit(this.canvas, ...this.cssSize);
    this.fit(this.scale, 70, height);
    this.fit(this.strip, this.root.clientWidth, 64);
    this.strip.style.width = "100%";
    this.draw();
  }

  fit(canvas, width, height) {
    [canvas.width, canvas.height] = [Math.round(width * this.density), Math.round(height * this.density)];
    [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
    canvas.getContext("2d").setTransform(this.density, 0, 0, this.density, 0, 0);
  }

  draw() {
    const started = performance.now();
    this.describeSlice();
    if (this.volume) {
      this.drawSlice();
      if (this.maps[this.view.overlay]) this.drawOverlay();
      this.drawMarks();
    }
    if (this.view.overlay !== "none") this.drawScale();
    if (this.study.scale) this.drawStrip();
    this.readPointer();
    this.root.dataset.slice = String(this.view.index + 1);
    this.root.dataset.drawMs = (performance.now() - started).toFixed(2);
    this.root.dataset.ready = String(Boolean(this.volume));
  }

  drawSlice() {
    const size = this.rows * this.columns;
    const hu = this.volume.subarray(this.view.index * size, (this.view.index + 1) * size);
    const out = new Uint32Array(this.pixels.data.buffer);
    for (let i = 0; i < size; i += 1) out[i] = this.grey[hu[i] + 32768];
    this.source.getContext("2d").putImageData(this.pixels, 0, 0);
    const context = this.canvas.getContext("2d");
    context.globalAlpha = 1;
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.source, 0, 0, ...this.cssSize);
  }

  // Values over the one scale of the whole study, so that a faint slice looks faint.
  drawOverlay() {
    const kind = this.view.overlay;
    const step = this.study.map_step;
    const [height, width] = [Math.ceil(this.rows / step), Math.ceil(this.columns / step)];
    const values = this.maps[kind].subarray(this.view.index * height * width, (this.view.index + 1) * height * width);
    const top = kind === "class" ? this.study.scale.class || 1 : 1;
    if (this.tableKind !== kind) [this.table, this.tableKind] = [overlayTable(kind), kind];
    if (!this.layer) {
      this.layer = element("canvas");
      [this.layer.width, this.layer.height] = [width, height];
    }
    const context = this.layer.getContext("2d");
    const image = context.createImageData(width, height);
    const out = new Uint32Array(image.data.buffer);
    for (let i = 0; i < out.length; i += 1) {
      out[i] = this.table[Math.round(Math.max(-1, Math.min(1, values[i] / top)) * 255) + 255];
    }
    context.putImageData(image, 0, 0);
    // Map pixel i was sampled at the centre of image pixel i * step.
    const [perColumn, perRow] = [this.cssSize[0] / this.columns, this.cssSize[1] / this.rows];
    const shift = (1 - step) / 2;
    const target = this.canvas.getContext("2d");
    target.globalAlpha = this.view.opacity;
    target.drawImage(this.layer, shift * perColumn, shift * perRow, width * step * perColumn, height * step * perRow);
    target.globalAlpha = 1;
  }

  drawMarks() {
    const context = this.canvas.getContext("2d");
    const [width, height] = this.cssSize;
    const { left, right, top, bottom } = this.study.slices[this.view.index].marks;
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
    put(left, 8, height / 2, "left");
    put(right, width - 8, height / 2, "right");
    put(top, width / 2, 14, "center");
    put(bottom, width / 2, height - 14, "center");
  }

  drawScale() {
    const kind = this.view.overlay;
    const [context, height] = [this.scale.getContext("2d"), this.cssSize[1]];
    const ink = getComputedStyle(this.root).color;
    const top = kind === "class" ? this.study.scale.class : 1;
    const [y0, y1] = [44, height - 14];
    context.clearRect(0, 0, 70, height);
    for (let y = y0; y <= y1; y += 1) {
      const share = (y1 - y) / (y1 - y0);
      const [red, green, blue, alpha] = colourOf(kind, kind === "class" ? share * 2 - 1 : share);
      context.fillStyle = "#555";
      context.fillRect(0, y, 16, 1.5);
      context.fillStyle = `rgba(${red}, ${green}, ${blue}, ${alpha})`;
      context.fillRect(0, y, 16, 1.5);
    }
    context.fillStyle = ink;
    context.font = "11px sans-serif";
    context.textAlign = "left";
    context.textBaseline = "middle";
    const title = kind === "class" ? ["logit", "per mL"] : ["infarct", "probability"];
    title.forEach((line, i) => context.fillText(line, 0, 10 + 14 * i));
    const labels = kind === "class"
      ? [[1, signed(top, 3)], [0.5, "0"], [0, signed(-top, 3)]]
      : [[1, "1"], [0.75, "0.75"], [0.5, "0.5"], [0.25, "0.25"], [0, "0"]];
    for (const [share, text] of labels) context.fillText(text, 21, y1 - share * (y1 - y0));
  }

  drawStrip() {
    const context = this.strip.getContext("2d");
    const width = this.strip.width / this.density;
    const values = this.study.slices.map((entry) => entry.contribution || 0);
    const most = Math.max(...values.map(Math.abs)) || 1;
    const ink = getComputedStyle(this.root).color;
    const step = width / this.slices;
    const middle = 28;
    context.clearRect(0, 0, width, 64);
    values.forEach((value, k) => {
      if (k === this.view.index) {
        context.globalAlpha = 0.2;
        context.fillStyle = ink;
        context.fillRect(k * step, 0, step, 64);
        context.globalAlpha = 1;
      }
      const size = (value / most) * 25;
      context.fillStyle = value < 0 ? "#4292c6" : "#f07818";
      context.fillRect(k * step + 1, Math.min(middle, middle - size), Math.max(1, step - 2), Math.max(1, Math.abs(size)));
    });
    context.fillStyle = ink;
    context.font = "10px sans-serif";
    context.textAlign = "center";
    for (const k of this.study.telling) context.fillText("▲", (k + 0.5) * step, 62);
  }

  describeSlice() {
    const entry = this.study.slices[this.view.index];
    const { name, width, centre } = WINDOWS[this.view.window];
    const parts = [
      `Slice ${this.view.index + 1}/${this.slices}`, `z ${entry.z_mm.toFixed(1)} mm`,
      `${entry.thickness_mm} mm thick`, `tilt ${this.study.tilt_deg.toFixed(1)}°`, `W ${width} L ${centre}`,
    ];
    if (entry.contribution !== null) parts.push(`share of logit ${signed(entry.contribution, 3)}`);
    this.position.textContent = parts.join(" · ");
    this.stage.setAttribute("aria-label", `CT slice ${this.view.index + 1} of ${this.slices}, ${name} window. `
      + "Wheel, arrow keys, Page Up, Page Down, Home and End change the slice.");
  }

  readPointer() {
    if (!this.pointer || !this.volume) {
      this.pointerText.textContent = "";
      return;
    }
    const { x, y } = this.pointer;
    const texts = [`${this.volume[(this.view.index * this.rows + y) * this.columns + x]} HU`];
    const map = this.maps[this.view.overlay];
    if (map) {
      const step = this.study.map_step;
      const [height, width] = [Math.ceil(this.rows / step), Math.ceil(this.columns / step)];
      const [row, column] = [Math.min(height - 1, Math.round(y / step)), Math.min(width - 1, Math.round(x / step))];
      const value = map[(this.view.index * height + row) * width + column];
      texts.push(this.view.overlay === "class" ? `${signed(value, 4)} per mL` : `infarct ${value.toFixed(2)}`);
    }
    this.pointerText.textContent = texts.join(" · ");
  }

  watch() {
    this.observer?.disconnect();
    let width = this.root.clientWidth;
    this.observer = new ResizeObserver(() => {
      if (this.root.clientWidth === width) return;
      width = this.root.clientWidth;
      this.resize();
    });
    this.observer.observe(this.root);
    return () => this.observer.disconnect();
  }
}

// Streamlit calls the default export on each rerun: the same study keeps its place.
const viewers = new WeakMap();
const places = new Map();

export default function mount({ data, parentElement }) {
  const root = parentElement.querySelector(".viewer");
  let viewer = viewers.get(root);
  if (!viewer || viewer.study.url !== data.url) {
    viewer = new Viewer(root, data);
    viewers.set(root, viewer);
    const place = places.get(data.url);
    if (place) {
      viewer.view = place;
      viewer.slider.value = place.opacity * 100;
      viewer.setWindow(place.window);
    }
    places.clear();
    places.set(data.url, viewer.view);
  }
  return viewer.watch();
}
