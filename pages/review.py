"""Review a scan: from dropped files to a risk and where it comes from."""

from __future__ import annotations

from datetime import date

import streamlit as st

from htcore import report, serialise
from htcore.types import Assessment
from htcore.ui import session
from htcore.ui.review.covered import draw_covered, draw_switch
from htcore.ui.review.downloads import draw_downloads
from htcore.ui.review.intake import draw_intake, draw_problem
from htcore.ui.review.origin import draw_origin
from htcore.ui.review.result import draw_receipt, draw_result
from htcore.ui.tab import remember_tab


def as_pdf(shown: Assessment, label: str) -> bytes:
    """The one-page report of today."""
    return report.write_report(shown, date.today(), label)


session.refresh()
opened, under_way = session.assessment(), session.job() is not None

# The order is the same in every state: an upload that is under way outlives the end of the scoring before it.
head = st.container()
# Two places that take turns: another study, or hiding the result, empties the place of what was there before. One place
# emptied and filled in the same run would show the former until the run ends; within one view it is drawn over, so that
# the viewer does not blink.
if session.view() % 2:
    body, _ = st.container(), st.empty()
else:
    _, body = st.empty(), st.container()
with head:
    # A refused scan has no result to hide; one that came while the screen is covered stays covered.
    if under_way or (opened is not None and (opened.risk is not None or session.is_covered())):
        draw_switch()
        draw_origin(opened)
    elif opened is None:
        st.title("Review a scan")
        st.write(
            "Give a plain head CT of an acute ischemic stroke; it is read on this machine, scored, and forgotten when "
            "the page is closed."
        )

with st.expander("Open a study", expanded=opened is None and not under_way, icon=":material/upload:"):
    draw_intake()

remember_tab()

with body:
    if opened is None and not under_way:
        draw_problem()
    elif session.is_covered():
        draw_covered()
    else:
        draw_result(opened)
    if opened is not None and not under_way and not session.is_covered():
        draw_downloads(opened, as_pdf, report.printable, serialise.prediction_bytes)
        draw_receipt(opened)
