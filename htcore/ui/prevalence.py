"""How common hemorrhagic transformation is where the model is used: one answer for every page of a session."""

from __future__ import annotations

import streamlit as st

PREVALENCE_KEY = "htcore.prevalence"
"""Session key of the share in (0, 1), or ``None`` for that of the scans the model was measured on."""
_WIDGET = "cohort-prevalence"


def prevalence() -> float | None:
    """The share that this session has set, or ``None``."""
    value = st.session_state.get(PREVALENCE_KEY)
    return None if value is None else float(value)


def draw_prevalence(own: float) -> float | None:
    """The control; ``own`` is the share among the scans on the page, which holds where nothing is entered."""
    kept = prevalence()
    if _WIDGET not in st.session_state:
        st.session_state[_WIDGET] = None if kept is None else 100 * kept
    st.number_input(
        "Share with HT where the model is used, %",
        min_value=0.1,
        max_value=99.9,
        step=1.0,
        format="%.1f",
        key=_WIDGET,
        placeholder=f"{100 * own:.1f}, as in these scans",
        help="Positive and negative predictive values depend on how common hemorrhagic transformation is. Sensitivity, "
        "specificity and likelihood ratios are taken as the same everywhere.",
        on_change=_keep,
    )
    return prevalence()


def _keep() -> None:
    percent = st.session_state[_WIDGET]
    st.session_state[PREVALENCE_KEY] = None if percent is None else percent / 100
