// Follows the page's size and keeps the place when it goes; answers with how to stop.
export function watch(viewer) {
  const stopped = new AbortController();
  const observer = new ResizeObserver(() => {
    if (viewer.root.clientWidth !== viewer.seenWidth) viewer.resize();
    viewer.seenWidth = viewer.root.clientWidth;
  });
  observer.observe(viewer.root);
  const on = (target, name, act) => target.addEventListener(name, act, { signal: stopped.signal });
  on(viewer.root, "fullscreenchange", () => viewer.resize());
  on(window, "resize", () => viewer.resize());
  on(window, "pagehide", () => viewer.keep());
  return () => {
    viewer.keep();
    observer.disconnect();
    stopped.abort();
  };
}
