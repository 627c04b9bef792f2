// The viewer's elements: buttons, stage, read-out, strip. Built once; `reflect` shows a view on them.

import { HELP, STRIP_CAPTION } from "./words.js";
import { OVERLAYS, WINDOWS, isPreset, isWhole } from "./view.js";

export function element(tag, className, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function button(text, act, attributes = {}) {
  const node = element("button", "", { type: "button", ...attributes }, text);
  node.addEventListener("click", act);
  return node;
}

// Drawn, because not every font has these signs.
const ICONS = {
  beside: "M3 5h8v14H3zM13 5h8v14h-8z",
  reset: "M4 4v6h6M5 9a8 8 0 1 1-1 6",
  smaller: "M5 12h14",
  larger: "M5 12h14M12 5v14",
  ruler: "M3 17 17 3l4 4L7 21zM7 13l2.5 2.5M10.5 9.5l2 2M14 6l2.5 2.5",
  help: "M8 9a4 4 0 1 1 5.5 3.7C12.4 13.2 12 14 12 15.5M12 18.5v1.5",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
};

function iconButton(icon, name, title, act) {
  const node = button("", act, { title: `${name} (${title})`, "aria-label": name });
  node.innerHTML = `<svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><path d="${ICONS[icon]}"/></svg>`;
  return node;
}

function group(label, ...children) {
  return element("div", "group", { role: "group", "aria-label": label }, ...children);
}

function helpTable() {
  const rows = HELP.map(([act, keys, fingers]) => element("tr", "", {},
    element("th", "", { scope: "row" }, act), element("td", "", {}, keys), element("td", "", {}, fingers)));
  const head = element("tr", "", {}, ...["", "Mouse and keys", "Fingers"].map((text) => element("th", "", {}, text)));
  return element("div", "help", { hidden: "" }, element("table", "", {}, head, ...rows));
}

export class Controls {
  constructor(root, acts, study) {
    this.windows = WINDOWS.map(({ name, width, centre }, i) => button(name, () => acts.preset(i), {
      title: `width ${width}, level ${centre} HU (key ${i + 1}); drag with the right button for any other`,
    }));
    this.overlays = OVERLAYS.map(({ id, name }) => button(name, () => acts.overlay(id)));
    this.setMapsReady(false);
    this.opacity = element("input", "", { type: "range", min: 10, max: 100, "aria-label": "Overlay opacity" });
    this.opacity.addEventListener("input", () => acts.opacity(this.opacity.value / 100));
    this.choice = group("Overlay", "Overlay", ...this.overlays, element("label", "", {}, "Opacity", this.opacity));
    const bar = element("div", "bar", {}, group("Window", ...this.windows), this.choice);

    this.beside = iconButton("beside", "Side by side", "plain CT beside the overlay", acts.beside);
    this.ruler = iconButton("ruler", "Ruler", "key M; then drag along what to measure", acts.ruler);
    this.reset = iconButton("reset", "Reset", "whole picture, named window: key 0 or double-click", acts.reset);
    // What comes and goes stands last and keeps its place: no button moves from under the pointer.
    this.tools = element("div", "tools", {},
      iconButton("full", "Full screen", "key F", acts.fullScreen),
      iconButton("help", "Keys and gestures", "key ?", acts.help),
      iconButton("larger", "Zoom in", "key +, or wheel with Ctrl", () => acts.zoom(1.25)),
      iconButton("smaller", "Zoom out", "key −, or wheel with Ctrl", () => acts.zoom(0.8)),
      this.ruler, this.beside, this.reset);
    this.stage = element("div", "stage", { tabindex: 0, role: "application" });
    this.canvas = element("canvas");
    this.message = element("div", "message", { role: "status" }, "Fetching the slices…");
    this.help = helpTable();
    this.help.addEventListener("click", acts.help);
    this.stage.append(this.canvas, this.message, this.help);
    this.scale = element("canvas", "scale");
    this.side = element("div", "side", {}, this.tools, this.scale);
    this.row = element("div", "row", {}, this.stage, this.side);
    this.position = element("span", "position", { "aria-live": "polite" });
    this.pointer = element("span", "pointer");
    this.strip = element("canvas", "strip", {
      role: "img", "aria-label": "Contribution of each slice; click to see that slice",
    });
    this.strip.addEventListener("click", (event) => {
      const box = this.strip.getBoundingClientRect();
      acts.share((event.clientX - box.left) / box.width);
      this.stage.focus({ preventScroll: true });
    });
    this.mapCaption = element("span", "map-caption");
    this.stripCaption = element("div", "caption", {}, STRIP_CAPTION);
    this.notice = element("div", "notice", {}, study.notice);
    // Made anew for each viewer, so that no listener of a former one stays.
    this.frame = element("div", "frame", {}, this.notice, bar, this.row,
      element("div", "readout", {}, this.position, this.mapCaption, this.pointer), this.strip, this.stripCaption);
    root.replaceChildren(this.frame);
    this.setMaps(study);
  }

  toggleHelp(open = this.help.hidden) {
    this.help.hidden = !open;
  }

  // The maps' room is kept free while they are still to come: the picture does not move for them.
  setMaps(study) {
    this.hasMaps = Boolean(study.scale);
    const never = !this.hasMaps && !study.maps_follow;
    for (const node of [this.choice, this.scale, this.strip, this.stripCaption]) node.hidden = never;
    this.side.classList.toggle("slim", never);
    this.stripCaption.style.visibility = this.hasMaps ? "visible" : "hidden";
  }

  setMapsReady(ready) {
    this.overlays.forEach((node, i) => { node.disabled = !ready && OVERLAYS[i].id !== "none"; });
  }

  reflect(view) {
    const press = (node, on) => node.setAttribute("aria-pressed", String(on));
    this.windows.forEach((node, i) => press(node, isPreset(view, i)));
    this.overlays.forEach((node, i) => press(node, OVERLAYS[i].id === view.overlay));
    press(this.beside, view.beside);
    press(this.ruler, view.ruler);
    const off = view.overlay === "none";
    this.opacity.disabled = off;
    this.beside.style.visibility = off || !this.hasMaps ? "hidden" : "visible";
    this.opacity.value = view.opacity * 100;
    this.reset.style.visibility = isWhole(view) && isPreset(view, view.preset) ? "hidden" : "visible";
    this.scale.style.visibility = off ? "hidden" : "visible";
    this.mapCaption.textContent = this.hasMaps ? OVERLAYS.find(({ id }) => id === view.overlay).caption : "";
  }
}
