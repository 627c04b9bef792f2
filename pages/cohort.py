"""How good the model is: its figures on patients that never trained it.

No run is stopped: Streamlit would then mix up what the browser and the server remember of the controls not drawn.
"""

from __future__ import annotations

import streamlit as st

from htcore.errors import HtcoreError
from htcore.evaluation import operating_point
from htcore.report import write_cohort_report
from htcore.ui import session
from htcore.ui.cohort.cases import draw_cases
from htcore.ui.cohort.compared import draw_compared
from htcore.ui.cohort.controls import (
    draw_filters,
    draw_nothing_measured,
    draw_own_predictions,
    draw_problem,
    draw_sections,
    draw_threshold,
)
from htcore.ui.cohort.data import bundle_cohort, measured_cohort, own_cohort
from htcore.ui.cohort.report import draw_downloads
from htcore.ui.cohort.scoring import draw_choice, draw_scoring
from htcore.ui.cohort.view import draw_at_threshold, draw_head, draw_risks, draw_subgroups, draw_usefulness
from htcore.ui.prevalence import draw_prevalence

SECTIONS = ("At the threshold", "Risks", "Usefulness", "Subgroups", "Cases", "Compared", "Download")

head = st.container(horizontal=True, vertical_alignment="bottom")
head.title("Cohort")
mask, filters = None, ()
try:
    installed = bundle_cohort(session.current_bundle())
    cohort = own_cohort() or installed
    with head:
        mask, filters = draw_filters(cohort)
        draw_own_predictions()
        draw_choice()
    draw_problem()
    draw_scoring()
    measured = measured_cohort(cohort, mask)
except HtcoreError as error:
    draw_nothing_measured(error, mask, filters)
else:
    draw_head(cohort, measured, filters)
    share = measured.validation.n_events / measured.validation.n_scans
    with st.container(border=True):
        left, right = st.columns([3, 1], gap="large")
        with left:
            threshold = draw_threshold(cohort, measured.curve, share)
        with right:
            prevalence = draw_prevalence(share)
    point = operating_point(measured.bootstrap, threshold, prevalence)

    # Only the section that is open is drawn: a move of the threshold pays for what is seen.
    for name, tab in draw_sections(SECTIONS).items():
        if not tab.open:
            continue
        with tab:
            if name == "At the threshold":
                draw_at_threshold(cohort, measured, point, prevalence)
            elif name == "Risks":
                draw_risks(cohort, measured, point)
            elif name == "Usefulness":
                draw_usefulness(cohort, measured, point)
            elif name == "Subgroups":
                draw_subgroups(cohort, measured)
            elif name == "Cases":
                draw_cases(cohort, measured, point, filters)
            elif name == "Compared":
                draw_compared(cohort, measured, point, installed)
            else:
                draw_downloads(cohort, measured, point, filters, prevalence, write_cohort_report)
