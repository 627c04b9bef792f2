"""How good the model is: its figures on patients that never trained it."""

from __future__ import annotations

import streamlit as st

from htcore import services
from htcore.errors import HtcoreError
from htcore.evaluation import evaluate
from htcore.ui import session
from htcore.ui.cohort_view import draw_charts, draw_comparison, draw_oracle, draw_source, draw_tables, measure

st.title("Cohort")
try:
    bundle = session.current_bundle()
    table, independent = services.validation_predictions(bundle)
    measured = measure(table, bundle.identity.weights_sha256)
except HtcoreError as error:
    st.error(str(error), icon=":material/error:")
    st.write("This page shows how well a model does on scans it was not trained on, once a model is installed.")
    st.stop()

head = st.container()
own_percent = 100 * bundle.calibration.threshold
percent = st.slider(
    "Threshold: call a scan positive from this risk on",
    min_value=0.0,
    max_value=100.0,
    value=own_percent,
    step=0.1,
    format="%.1f%%",
    # Another model brings another default.
    key=f"threshold-{bundle.identity.weights_sha256[:12]}",
)
# Untouched, it is the bundle's own to the last digit: the command line must give the same figures.
threshold = bundle.calibration.threshold if percent == own_percent else percent / 100
found = evaluate(measured.validation, threshold, bootstrap=measured.bootstrap)
with head:
    draw_source(found, bundle.identity, independent=independent)
draw_charts(measured, found)
draw_oracle(found)
draw_comparison(found, simulated=bundle.identity.simulated)
draw_tables(found, bundle.identity)
