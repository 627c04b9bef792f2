"""A case of the cohort page on the review page: the shipped scans are simulated, and so can be made again."""

from __future__ import annotations

import io
import time
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from htcore import services
from htcore.errors import HtcoreError
from htcore.ui import session
from htcore.ui.words import plain
from htcore.ui.work import Work

REVIEW = "pages/review.py"
_TICK_S = 0.2


def draw_opening(case: pd.Series[Any], key: str, threshold: float) -> None:
    """A button that simulates the scan of this row of `case_table` again and goes to it on the review page."""
    label = f"Open {plain(str(case['scan_id']))} on the review page · simulated"
    if not st.button(label, icon=":material/radiology:", key=f"open-{key}"):
        return
    try:
        content = _simulated(str(case["scan_id"]), float(case["lesion_volume_ml"]))
    except HtcoreError as error:
        st.error(str(error), icon=":material/error:")
        return
    session.take([("simulated.nii.gz", io.BytesIO(content))], origin_words(case, threshold))
    st.switch_page(REVIEW)


def draw_no_opening(key: str) -> None:
    """Take the button's room while no row is chosen, so that the table below does not move when one is."""
    st.button("Choose a row to open its scan", icon=":material/radiology:", key=f"open-none-{key}", disabled=True)


def origin_words(case: pd.Series[Any], threshold: float) -> str:
    """Which case it is and how it ended, in Markdown."""
    bled = "bled" if case["ht"] == 1 else "did not bleed"
    called = "called" if case["kind"] in ("TP", "FP") else "not called"
    return (
        f"**{plain(str(case['scan_id']))}** of the cohort page: it **{bled}** and is **{called}** at the threshold of "
        f"{threshold:.1%} there ({case['kind']})."
    )


def _simulated(scan_id: str, lesion_volume_ml: float) -> bytes:
    """The scan's file; shows how long it takes. Whatever else is clicked meanwhile leaves it."""
    st.button("Cancel", icon=":material/close:", key="cancel-opening")
    status = st.status("Simulating the scan again")
    with status:
        st.write("Some seconds; the first time after an installation up to a minute or two.")
    job = Work(partial(_make, scan_id, lesion_volume_ml))
    started = time.perf_counter()
    while job.running:
        status.update(label=f"Simulating the scan again · {time.perf_counter() - started:.0f} s")
        job.wait(_TICK_S)
    return job.result()


def _make(scan_id: str, lesion_volume_ml: float, step: Any) -> bytes:
    return services.simulate_again(scan_id, lesion_volume_ml)
