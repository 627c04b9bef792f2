"""Single scans at the threshold, and the most confident mistakes."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from htcore.evaluation import KINDS, OperatingPoint, case_table, confident_mistakes
from htcore.types import SURE, Limits, as_shown
from htcore.ui.cohort.data import Cohort, Measured
from htcore.ui.cohort.opening import draw_no_opening, draw_opening
from htcore.ui.cohort.report import cases_csv
from htcore.ui.figures import NONE
from htcore.ui.kept import keep, recall

_MOST_ROWS = 2000
"""More would make every move of the threshold wait for the table; the file has all."""
_ROW_HEIGHT = 56
"""Of a row with a picture, in pixels of the screen."""
_KINDS_KEY = "cohort-kinds"
_KIND_WORDS = {
    "TP": "TP: called, bled",
    "FP": "FP: called, did not bleed",
    "FN": "FN: not called, bled",
    "TN": "TN: not called, did not bleed",
}
_COLUMNS: dict[str, Any] = {
    "picture": st.column_config.ImageColumn(
        "Picture",
        help="SIMULATED. The slice that adds most to the network's score or takes most from it; brain tissue, 0 to "
        "80 HU, in pixels of 4 mm. The patient's right is on the picture's left. A double click enlarges it.",
    ),
    "patient_id": "Patient",
    "scan_id": "Scan",
    "kind": "Kind",
    # Told by the kind.
    "ht": None,
    "probability": st.column_config.NumberColumn("Predicted risk"),
    "p_ht_image": st.column_config.NumberColumn(
        "True risk", format="%.0f%%", help="Given the image alone, as the simulator knows it."
    ),
    "age": st.column_config.NumberColumn("Age, years", format="%.0f"),
    "sex": "Sex",
    "onset_to_ct_h": st.column_config.NumberColumn("Onset to scan, h", format="%.1f"),
    "thickness_mm": st.column_config.NumberColumn("Thickness, mm", format="%.2f"),
    "tilt_deg": st.column_config.NumberColumn("Tilt, degrees"),
    "lesion_volume_ml": st.column_config.NumberColumn("True lesion, mL", format="%.1f"),
    "predicted_lesion_ml": st.column_config.NumberColumn("Lesion seen by the model, mL", format="%.1f"),
    "lesion_side": "Side",
}


_OF_A_MISTAKE = ("picture", "scan_id", "probability", "p_ht_image", "patient_id", "lesion_volume_ml")
"""The columns of the two narrow tables: what kind their scans are, their titles say."""
_NARROW: dict[str, Any] = {
    "probability": st.column_config.NumberColumn("Risk", width=65, help="As the model predicts it."),
    "p_ht_image": st.column_config.NumberColumn(
        "True risk", format="%.0f%%", width=85, help="Given the image alone, as the simulator knows it."
    ),
    "lesion_volume_ml": st.column_config.NumberColumn(
        "Lesion, mL", format="%.1f", width=90, help="True volume of the lesion, as the simulator knows it."
    ),
}
"""Their shorter headings."""
_CHOSEN = "htcore.cohort.chosen-"


def draw_cases(cohort: Cohort, measured: Measured, point: OperatingPoint, filters: tuple[str, ...]) -> None:
    """The mistakes first, then every scan; a chosen one of a simulated validation set can be opened."""
    cases = case_table(measured.table, point.threshold)
    _draw_mistakes(cohort, cases, point.threshold)
    _draw_all(cases, cohort, measured, point.threshold, filters)


def _draw_mistakes(cohort: Cohort, cases: pd.DataFrame, threshold: float) -> None:
    missed, false = confident_mistakes(cases)
    st.subheader("The most confident mistakes")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Bled, though the risk was low**")
        _table(
            missed,
            "cohort-missed",
            "No scan that bled lies below the threshold.",
            cohort,
            threshold,
            _OF_A_MISTAKE,
        )
    with right:
        st.markdown("**Did not bleed, though the risk was high**")
        _table(
            false,
            "cohort-false",
            "No scan without HT lies above the threshold.",
            cohort,
            threshold,
            _OF_A_MISTAKE,
        )
    st.caption(
        (
            "The pictures are of simulated scans, with the patient's right on the left. "
            if cohort.pictures
            else "The model stores predictions, not images: there are no thumbnails. "
        )
        + (
            "Choose a row, then “Open” above its table: the scan is simulated again and scored."
            if _can_be_simulated(cohort)
            else "A scan can be looked at only where its files are."
        )
    )


def _draw_all(
    cases: pd.DataFrame, cohort: Cohort, measured: Measured, threshold: float, filters: tuple[str, ...]
) -> None:
    st.subheader("All scans")
    recall(_KINDS_KEY, KINDS)
    kinds = keep(
        _KINDS_KEY,
        st.pills(
            "Show",
            KINDS,
            selection_mode="multi",
            format_func=lambda kind: f"{_KIND_WORDS[kind]} ({int((cases['kind'] == kind).sum())})",
            key=_KINDS_KEY,
        ),
    )
    chosen = cases[cases["kind"].isin(kinds)]
    rows = chosen.iloc[(chosen["probability"] - threshold).abs().argsort(kind="stable")[::-1]]
    _table(rows.head(_MOST_ROWS), "cohort-cases", "No scan is of the kinds chosen.", cohort, threshold)
    cut = f" The {_MOST_ROWS} farthest from it are shown; the file has all." if len(rows) > _MOST_ROWS else ""
    low, high = _ends(cohort)
    st.caption(
        f"{len(rows)} scans, farthest from the threshold first; click a column's head to sort by it. No predicted risk "
        f"is shown beyond {low:.0%} and {high:.0%}, more than the calibration supports; the file has them as they "
        f"are.{cut}"
    )
    st.download_button(
        "Download these scans (CSV)",
        partial(cases_csv, rows, cohort, measured, threshold, filters),
        file_name="cohort-cases.csv",
        mime="text/csv",
        icon=":material/download:",
        key="download-cases",
        on_click="ignore",
    )


def _table(
    rows: pd.DataFrame,
    key: str,
    empty: str,
    cohort: Cohort,
    threshold: float,
    columns: tuple[str, ...] | None = None,
) -> None:
    if rows.empty:
        st.write(empty)
        return
    options: dict[str, Any] = {"hide_index": True, "width": "stretch", "column_config": _COLUMNS, "key": key}
    if columns is not None:
        options |= {"column_order": columns, "column_config": _COLUMNS | _NARROW}
    if cohort.pictures is not None:
        options["row_height"] = _ROW_HEIGHT
    # Sorts by the number and shows the words: no risk is told beyond what the calibration supports.
    formats: dict[Any, Any] = {"probability": partial(_cell, limits=_ends(cohort))}
    if "tilt_deg" in rows.columns:
        formats["tilt_deg"] = _degrees
    shown = _shown(rows, cohort).style.format(formats)
    if not _can_be_simulated(cohort):
        st.dataframe(shown, **options)
        return
    # Above the table, where it is seen.
    above = st.container()
    _choose_again(rows, key)
    chosen = st.dataframe(shown, on_select="rerun", selection_mode="single-row", **options)["selection"]["rows"]
    with above:
        if chosen and chosen[0] < len(rows):
            st.session_state[_CHOSEN + key] = (_scans(rows)[chosen[0]], chosen[0])
            draw_opening(rows.iloc[chosen[0]], key, threshold)
        else:
            st.session_state.pop(_CHOSEN + key, None)
            draw_no_opening(key)


def _choose_again(rows: pd.DataFrame, key: str) -> None:
    """Choose the scan that was chosen last, whichever row it is now: over another threshold and another page."""
    if _CHOSEN + key not in st.session_state:
        return
    scan, before = st.session_state[_CHOSEN + key]
    if key in st.session_state and list(st.session_state[key]["selection"]["rows"]) != [before]:
        return  # by now another row was clicked
    scans = _scans(rows)
    now = [scans.index(scan)] if scan in scans else []
    if key not in st.session_state or now != [before]:
        st.session_state[key] = {"selection": {"rows": now, "columns": [], "cells": []}}


def _scans(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Which scan each row is."""
    return list(zip(rows["patient_id"].astype(str), rows["scan_id"].astype(str), strict=True))


def _can_be_simulated(cohort: Cohort) -> bool:
    """Whether a case can be made again, to be looked at; nobody knows by what a file's scans were made."""
    return cohort.model is not None and cohort.simulated is True and "lesion_volume_ml" in cohort.table.columns


def _shown(rows: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    """The rows as a table shows them: risks in percent, and each scan's picture before the rest."""
    shown = rows.assign(probability=100 * rows["probability"])
    if "p_ht_image" in rows.columns:
        shown["p_ht_image"] = 100 * rows["p_ht_image"].clip(1 - SURE, SURE)
    if cohort.pictures is not None:
        shown.insert(0, "picture", [f"{cohort.pictures}/{row}.png" for row in rows["stored_row"]])
    return shown.drop(columns="stored_row", errors="ignore")


def _cell(percent: float, limits: Limits) -> str:
    """A risk as a cell shows it: 62%, or >93% beyond the limits."""
    value, beyond = as_shown(percent / 100, limits)
    return f"{beyond}{value:.0%}"


def _degrees(tilt_deg: float) -> str:
    """A tilt as a cell shows it: 12.5, −15.5."""
    return f"{tilt_deg:.1f}".replace("-", "−") if math.isfinite(tilt_deg) else NONE


def _ends(cohort: Cohort) -> Limits:
    """Beyond which no predicted risk is shown."""
    return as_shown(0.0, cohort.limits)[0], as_shown(1.0, cohort.limits)[0]
