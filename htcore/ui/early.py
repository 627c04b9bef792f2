"""What is known of a study before all of it is: the slices once it is read, the risk once the network is done."""

from __future__ import annotations

from typing import Any

import streamlit as st

from htcore.types import Assessment
from htcore.ui import session
from htcore.ui.result import draw_risk
from htcore.ui.viewer import draw_viewer


class Early:
    """Draws the study in ``place`` as it grows; nothing while the result is hidden."""

    def __init__(self, place: Any) -> None:
        with place:
            self._slices, self._reading = st.columns([3, 2], gap="large")
        self._seen = False

    def show(self, opened: Assessment) -> None:
        """Draw what came new with ``opened``: listener of ``services.assess``."""
        if session.is_covered():
            return
        if not self._seen:
            self._seen = True
            with self._slices:
                draw_viewer(session.serve_early(opened), key="early-viewer")
        if opened.risk is not None:
            with self._reading:
                draw_risk(opened)
                st.caption("The maps and the reasons follow.")
