"""The open study to take along: the one-page report and the prediction as JSON, made only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from htcore.types import Assessment
from htcore.ui import session
from htcore.ui.review.patient import joined
from htcore.ui.review.risk import at_chosen_prevalence
from htcore.ui.words import LABEL_LETTERS, plain

Make = Callable[[Assessment], bytes]
Report = Callable[[Assessment, str], bytes]


def draw_downloads(opened: Assessment, report: Report, printable: Callable[[str], str], prediction: Make) -> None:
    """Draw the buttons; both files carry the risk at the prevalence that the page shows.

    No identifier is in them but the words that the user wants on the report: these go with the study. ``printable``
    is how the report spells them.
    """
    if opened.risk is None:
        return
    shown = session.offer(at_chosen_prevalence(joined(opened)))
    whose = st.text_input(
        "On the report (optional)",
        key=f"report-label-{session.upload_generation()}",
        max_chars=LABEL_LETTERS,
        placeholder="whose it is, in your own words",
        width=420,
    )
    if (spelt := printable(whose)) != whose:
        st.warning(
            f"The PDF cannot print all of these letters. It will say: {plain(spelt)}",
            icon=":material/warning:",
            width=420,
        )
    with st.container(horizontal=True, vertical_alignment="center", key="downloads"):
        for label, name, mime, make in (
            ("Report (PDF)", "ht-risk-report.pdf", "application/pdf", lambda known: report(known, whose.strip())),
            ("Prediction (JSON)", "ht-risk-prediction.json", "application/json", prediction),
        ):
            st.download_button(
                label,
                # Called on the click: most visits take no file along.
                partial(_made, make, shown),
                file_name=name,
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"download-{mime}",
            )
        st.caption("Neither holds a name, a number or a date of the patient, but for what you write above.")


def _made(make: Make, shown: Callable[[], Assessment]) -> bytes:
    return make(shown())
