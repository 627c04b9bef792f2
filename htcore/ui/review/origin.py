"""Where the open study came from, where it is a case of the cohort page."""

from __future__ import annotations

import streamlit as st

from htcore.types import Assessment
from htcore.ui import session
from htcore.ui.review.risk import bundle_of
from htcore.ui.words import percent


def draw_origin(opened: Assessment | None) -> None:
    """Draw which case it is, and the way back; nothing while the result is hidden."""
    origin = session.origin()
    if origin is None or session.is_covered():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{origin}{_scale(opened)}")
        st.page_link("pages/cohort.py", label="Back to the cohort", icon=":material/arrow_back:")


def _scale(opened: Assessment | None) -> str:
    """For which prevalence the threshold of the cohort page is, where another one is chosen."""
    bundle, chosen = None if opened is None else bundle_of(opened), session.prevalence()
    if bundle is None or chosen is None:
        return ""
    own = bundle.calibration.prevalence
    return f" That threshold is for where {percent(own)} bleed; the risk below is for where {percent(chosen)} bleed."
