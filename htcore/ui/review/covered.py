"""The open study with its result hidden: what may be on the screen while the family is in the room."""

from __future__ import annotations

import streamlit as st

from htcore.ui import session
from htcore.ui.review.progress import draw_progress
from htcore.ui.review.result import draw_whose
from htcore.ui.viewer import draw_viewer

# Close below the navigation bar, where it costs the slices little height.
_STYLE = "<style>.st-key-switch { margin-top: -0.3rem; }</style>"


def draw_switch() -> None:
    """Draw the button that hides the result and shows it again."""
    covered = session.is_covered()
    st.html(_STYLE)
    with st.container(key="switch", horizontal=True, horizontal_alignment="right"):
        st.button(
            "Show the result" if covered else "Hide the result",
            icon=":material/visibility:" if covered else ":material/visibility_off:",
            key="cover",
            on_click=session.cover,
            args=(not covered,),
        )


def draw_covered() -> None:
    """Draw the slices alone, and whether they are of a real patient: no number, no map, no sentence of the model."""
    slices, words = st.columns([3, 2], gap="large")
    served, opened = session.served_study(), session.assessment()
    if served is not None:
        with slices:
            draw_viewer(served, key="viewer", slices_only=True)
    with words:
        if session.job() is not None:
            draw_progress()
        else:
            st.button("Clear this study", icon=":material/close:", on_click=session.clear)
        if opened is not None:
            draw_whose(opened)
        st.info("The result is hidden.", icon=":material/visibility_off:")
