"""The slice viewer: the original slices on a canvas of its own, with the maps laid over them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import streamlit as st

from htcore.ui.scripts import folder_url
from htcore.ui.viewer.description import describe

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

    from htcore.ui.server import ServedStudy

__all__ = ["describe", "draw_viewer"]


# The component's own script: it loads the modules, and mounts the viewer unless the page has moved on by then.
_LOADER = """
export default function (args) {
  let [gone, stop] = [false, () => {}];
  import(new URL(args.data.scripts + "/main.js", location.origin).href).then(
    ({ mount }) => { if (!gone) stop = mount(args); },
    () => {
      const root = args.parentElement.querySelector(".viewer");
      root.textContent = "The slice viewer could not be loaded: reload the page.";
    },
  );
  return () => { gone = true; stop(); };
}
"""


def draw_viewer(served: ServedStudy, key: str, slices_only: bool = False) -> None:
    """Draw the study's slices; the browser fetches pixels and maps by URL, and scrolls without the server.

    With ``slices_only`` nothing that the model found is drawn with them.
    """
    shown = replace(served.assessment, risk=None, evidence=None) if slices_only else served.assessment
    where = {"url": served.url, "opening": served.opening, "scripts": folder_url()}
    follow = not slices_only and shown.evidence is None and shown.quality.verdict != "refuse"
    _component()(key=key, data={**where, **describe(shown), "maps_follow": follow})


@cache
def _component() -> ComponentRenderer:
    css = (files(__package__) / "viewer.css").read_text(encoding="utf-8")
    return st.components.v2.component("htcore_viewer", html='<div class="viewer"></div>', css=css, js=_LOADER)
