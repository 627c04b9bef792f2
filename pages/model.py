"""The model: what it does, on what it was trained, what it must not be used for, and what is known of it."""

from __future__ import annotations

import streamlit as st

from htcore.errors import HtcoreError
from htcore.training.card import card_of
from htcore.ui import session
from htcore.ui.model.reporting import draw_reporting
from htcore.ui.model.view import draw_extras, draw_flow, draw_identity, draw_performance, draw_training

st.title("Model")
try:
    bundle = session.current_bundle()
    card = bundle.card_values or card_of(bundle)
except HtcoreError as error:
    st.error(str(error), icon=":material/error:")
    st.write("This page describes the model once one is installed.")
    st.stop()

draw_identity(bundle, card)
draw_flow(card)
draw_performance(card)
draw_training(bundle, card)
draw_extras(bundle, card)
draw_reporting(simulated=bundle.identity.simulated)
