"""The slice viewer: the original slices on a canvas of its own, with the maps laid over them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import streamlit as st

from htcore.ui.viewer.description import describe

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

    from htcore.ui.server import ServedStudy

__all__ = ["describe", "draw_viewer"]


def draw_viewer(served: ServedStudy, key: str) -> None:
    """Draw the study's slices; the browser fetches pixels and maps by URL, and scrolls without the server."""
    _component()(key=key, data={"url": served.url, **describe(served.assessment)})


@cache
def _component() -> ComponentRenderer:
    folder = files(__package__)
    return st.components.v2.component(
        "htcore_viewer",
        html='<div class="viewer"></div>',
        css=(folder / "viewer.css").read_text(encoding="utf-8"),
        js="\n".join((folder / name).read_text(encoding="utf-8") for name in ("colours.js", "viewer.js")),
    )
