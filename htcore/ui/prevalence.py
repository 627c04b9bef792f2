"""How common hemorrhagic transformation is where the model is used: one answer for every page of a session."""

from __future__ import annotations

import streamlit as st

from htcore.ui import session

_WIDGET = "cohort-prevalence"


def draw_prevalence(own: float) -> float | None:
    """The control; ``own`` is the share among the scans on the page, which holds where nothing is entered."""
    kept = session.prevalence()
    if _WIDGET not in st.session_state:
        st.session_state[_WIDGET] = None if kept is None else 100 * kept
    st.number_input(
        "Share with HT where the model is used, %",
        min_value=0.1,
        max_value=99.9,
        value=None,
        step=1.0,
        format="%.1f",
        key=_WIDGET,
        placeholder=f"{100 * own:.1f} as here",
        help="Left empty, it is that of the scans on this page. Positive and negative predictive values depend on how "
        "common hemorrhagic transformation is. Sensitivity, specificity and likelihood ratios are taken as the same "
        "everywhere.",
        on_change=_keep,
    )
    return session.prevalence()


def _keep() -> None:
    percent = st.session_state[_WIDGET]
    session.choose_prevalence(None if percent is None else percent / 100)
