"""What every screen says: research use only, and what the weights were trained on."""

from __future__ import annotations

import streamlit as st

from htcore import services
from htcore.training.card import history
from htcore.ui import session
from htcore.ui.words import plain

RESEARCH_USE = "Research use only"
RESEARCH_NOTICE = f"{RESEARCH_USE} · weights trained on simulated scans"


def notice_for(*, simulated: bool, training_data: str) -> str:
    """The notice to stand beside a number of one model.

    Parameters
    ----------
    simulated
        Whether the model's weights come from simulated scans.
    training_data
        The model's own description of its training data, shown where the scans were real.
    """
    if simulated:
        return RESEARCH_NOTICE
    told = history(training_data)
    return f"{RESEARCH_USE} · {'weights ' if told.startswith('trained') else ''}{told}"


# In the navigation bar, wherever the page is scrolled to; badges wrap where they are too long.
_STYLE = """<style>
@media (min-width: 720px) {
  [data-testid="stLayoutWrapper"]:has(> .st-key-notice) {
    position: fixed; top: 1.05rem; right: 4.5rem; z-index: 999991; width: fit-content;
  }
}
.stMarkdownBadge { white-space: normal !important; }
</style>"""


def banner() -> None:
    """Draw the permanent notice, on the weights that the session uses; it stays in view."""
    told = services.told_training(session.current_model())
    notice = RESEARCH_USE if told is None else plain(notice_for(simulated=told[0], training_data=told[1]))
    st.html(_STYLE)
    with st.container(key="notice", width="content"):
        st.badge(notice, icon=":material/science:", color="orange")
