// Wheel, keys, mouse and fingers become the few things that can be done to a view.
// Wheel or one finger scrubs; control and wheel, or two fingers, zoom; the right button windows; twice resets.

const WHEEL_STEP = 60; // Trackpads send many small steps; a mouse's notch is 100 or more.
const KEY_ZOOM = 1.25;
const KEY_PAN_PX = 40;
const KEY_WINDOW_PX = 30;
// Wider, narrower, brighter, darker: each is a stroke of the mouse that windows.
const WINDOW_KEYS = { w: [1, 0], n: [-1, 0], b: [0, -1], d: [0, 1] };

// What a press with a mouse or pen does until it is let go.
export function kindOf(event, whole, ruler) {
  if (event.pointerType === "touch") return ruler ? "measure" : "scrub";
  if (event.button === 2 || event.ctrlKey || event.altKey || event.metaKey) return "window";
  if (event.button === 1 || event.shiftKey) return "pan";
  if (ruler) return "measure";
  if (!whole) return "pan";
  return "scrub";
}

// Slices to go for one wheel event, and what is left over for the next.
export function wheelSteps(left, event) {
  const delta = event.deltaMode === 1 ? event.deltaY * WHEEL_STEP : event.deltaY;
  const sum = Math.sign(left) === -Math.sign(delta) ? delta : left + delta;
  return Math.abs(sum) < WHEEL_STEP ? { steps: 0, left: sum } : { steps: Math.sign(sum), left: 0 };
}

export function wheelZoom(event) {
  return Math.exp(-Math.max(-50, Math.min(50, event.deltaY)) * 0.005);
}

// Pixels of dragging a slice: the height of a picture runs through a usual study.
export function scrubPixels(slices) {
  return Math.max(2, Math.min(20, 320 / slices));
}

// Two fingers: how much farther apart, about which point, and how far that point moved.
export function pinch([a0, b0], [a1, b1]) {
  const apart = (a, b) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
  const middle = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  const [before, after] = [middle(a0, b0), middle(a1, b1)];
  return { factor: apart(a1, b1) / apart(a0, b0), ...after, dx: after.x - before.x, dy: after.y - before.y };
}

// Name and arguments of the act that a key stands for; null for keys that are none of ours.
export function keyAct({ key, shiftKey, ctrlKey, altKey, metaKey }, slices) {
  if (ctrlKey || altKey || metaKey) return null;
  const arrows = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [1, 0], ArrowRight: [-1, 0] }[key];
  if (shiftKey && arrows) return ["pan", arrows[0] * KEY_PAN_PX, arrows[1] * KEY_PAN_PX];
  const by = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -5, PageDown: 5, Home: -slices, End: slices };
  const stroke = WINDOW_KEYS[key.toLowerCase()];
  if (stroke) return ["windowTo", stroke[0] * KEY_WINDOW_PX, stroke[1] * KEY_WINDOW_PX];
  if (key in by) return ["go", by[key]];
  if (key === "+" || key === "=") return ["zoom", KEY_ZOOM];
  if (key === "-" || key === "−") return ["zoom", 1 / KEY_ZOOM];
  if (key === "0") return ["reset"];
  if (key === "m" || key === "M") return ["ruler"];
  if (key === "f" || key === "F") return ["fullScreen"];
  if (key === "?") return ["help"];
  if (key === "Escape") return ["closeHelp"];
  if (key >= "1" && key <= "4") return ["preset", Number(key) - 1];
  return null;
}

// Calls acts.go(by), zoom(factor, x, y), pan(dx, dy), windowFrom(), windowTo(dx, dy), point(x, y) or point(), …
export function listen(root, stage, slices, acts) {
  const pressed = new Map();
  const at = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  let [kind, start, last, wheel] = [null, null, null, 0];

  stage.addEventListener("wheel", (event) => {
    if (event.target.closest(".help")) return;
    event.preventDefault();
    const { x, y } = at(event);
    if (event.ctrlKey) {
      acts.zoom(wheelZoom(event), x, y);
      return;
    }
    const { steps, left } = wheelSteps(wheel, event);
    wheel = left;
    if (steps) acts.go(steps);
  }, { passive: false });

  // Also after a press on a button; a slider keeps its own keys.
  root.addEventListener("keydown", (event) => {
    // The page has keys of its own: R would run it anew, C would clear its caches.
    event.stopPropagation();
    const act = event.target.tagName === "INPUT" ? null : keyAct(event, slices);
    if (!act) return;
    event.preventDefault();
    if (act[0] === "windowTo") acts.windowFrom();
    acts[act[0]](...act.slice(1));
  });

  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button, .help")) return;
    stage.focus({ preventScroll: true });
    if (event.button === 1) event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, at(event));
    if (kind === "measure") acts.lineBack();
    kind = pressed.size > 1 ? "pinch" : kindOf(event, acts.isWhole(), acts.isRuler());
    [start, last] = [at(event), at(event)];
    if (kind === "window") acts.windowFrom();
    if (kind === "measure") acts.lineFrom(start.x, start.y);
  });

  stage.addEventListener("pointermove", (event) => {
    const here = at(event);
    acts.point(here.x, here.y);
    if (!pressed.has(event.pointerId)) return;
    const before = [...pressed.values()];
    pressed.set(event.pointerId, here);
    if (kind === "pinch" && pressed.size === 2) {
      const { factor, x, y, dx, dy } = pinch(before, [...pressed.values()]);
      acts.pan(dx, dy);
      acts.zoom(factor, x, y);
    } else if (kind === "scrub") {
      const steps = Math.trunc((here.y - last.y) / scrubPixels(slices));
      if (steps) {
        last = { x: here.x, y: last.y + steps * scrubPixels(slices) };
        acts.go(steps);
      }
    } else if (kind === "window") {
      acts.windowTo(here.x - start.x, here.y - start.y);
    } else if (kind === "measure") {
      acts.lineTo(here.x, here.y);
    } else if (kind === "pan") {
      acts.pan(here.x - last.x, here.y - last.y);
      last = here;
    }
  });

  const release = (event) => {
    pressed.delete(event.pointerId);
    // The finger that stays after a pinch does nothing more: a picture that jumps is worse.
    kind = null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => acts.point());
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("dblclick", (event) => {
    if (!event.target.closest("button, .help")) acts.reset();
  });
}
