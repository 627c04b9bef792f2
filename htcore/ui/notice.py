"""What every screen says: research use only, and what the weights were trained on."""

from __future__ import annotations

import streamlit as st

RESEARCH_NOTICE = "Research use only · weights trained on simulated scans"


def notice_for(*, simulated: bool, training_data: str) -> str:
    """The notice to stand beside a number of one model.

    Parameters
    ----------
    simulated
        Whether the model's weights come from simulated scans.
    training_data
        The model's own description of its training data, shown where the scans were real.
    """
    return RESEARCH_NOTICE if simulated else f"Research use only · weights trained on {training_data}"


def banner() -> None:
    """Draw the permanent notice at the top of a page."""
    st.badge(RESEARCH_NOTICE, icon=":material/science:", color="orange")
