"""The open study to take along: the one-page report and the prediction as JSON, made only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from htcore.types import Assessment
from htcore.ui.risk import at_chosen_prevalence

Make = Callable[[Assessment], bytes]


def draw_downloads(opened: Assessment, report: Make, prediction: Make) -> None:
    """Draw the buttons; both files carry the risk at the prevalence that the page shows, and no identifier."""
    if opened.risk is None:
        return
    shown = at_chosen_prevalence(opened)
    with st.container(horizontal=True, vertical_alignment="center", key="downloads"):
        for label, name, mime, make in (
            ("Report (PDF)", "ht-risk-report.pdf", "application/pdf", report),
            ("Prediction (JSON)", "ht-risk-prediction.json", "application/json", prediction),
        ):
            st.download_button(
                label,
                # Called on the click: most visits take no file along.
                partial(make, shown),
                file_name=name,
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"download-{mime}",
            )
        st.caption("Neither holds a name, a number or a date of the patient.")
