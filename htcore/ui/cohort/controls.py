"""What a person sets on the cohort page: which predictions, which scans, from which risk on a scan is called."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from htcore.errors import HtcoreError
from htcore.evaluation import (
    MAX_ROWS,
    RocCurve,
    TableError,
    ValidationSet,
    cost_threshold,
    read_predictions,
    sensitivity_threshold,
    youden_threshold,
)
from htcore.inference.calibrate import shift_prevalence
from htcore.ui import session
from htcore.ui.cohort.data import Cohort, keep_own, own_cohort
from htcore.ui.kept import keep, recall
from htcore.ui.server import forget_uploads
from htcore.ui.words import plain

ROC_KEY = "cohort-roc"
_SENSITIVITY, _START_COSTS = 0.90, 3.0
_MOST_MB = 100
"""Of a table: the most rows that it may have, of 500 bytes each."""
_GENERATION = "htcore.cohort.uploads"
_PROBLEM = "htcore.cohort.problem"
_SECTION, _COSTS = "cohort-section", "cost-ratio"
_TABLE_POPOVER, _TAKEN = "own-predictions", "htcore.cohort.taken"
# Column, label, step of the slider.
_RANGES = (
    ("age", "Age, years", 1.0),
    ("thickness_mm", "Slice thickness, mm", 0.5),
    ("lesion_volume_ml", "True lesion volume, mL", 1.0),
    ("onset_to_ct_h", "Onset to scan, h", 0.5),
)


def draw_threshold(cohort: Cohort, curve: RocCurve, own_prevalence: float) -> float:
    """The one threshold of the page, in [0, 1], with its presets; it is kept when the page is left.

    ``own_prevalence`` is the share with HT among the scans on the page.
    """
    exact, slider = _keys(cohort)
    st.session_state.setdefault(exact, cohort.threshold)
    if slider not in st.session_state:
        st.session_state[slider] = round(100 * st.session_state[exact], 1)
    st.slider(
        "Threshold: call a scan positive from this risk on",
        min_value=0.0,
        max_value=100.0,
        step=0.1,
        format="%.1f%%",
        key=slider,
        on_change=_follow_slider,
        args=(exact, slider),
    )
    choose = partial(_choose, exact, slider)
    youden, sensitive = youden_threshold(curve), sensitivity_threshold(curve, _SENSITIVITY)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        own = "Model's own" if cohort.model is not None else "50%"
        st.button(own, key="preset-own", on_click=choose, args=(cohort.threshold,), help="Where the page starts.")
        st.button(
            "Youden",
            key="preset-youden",
            on_click=choose,
            args=(youden,),
            help="Largest sensitivity + specificity on these very scans: it flatters them.",
        )
        st.button(
            f"Sensitivity ≥ {_SENSITIVITY:.0%}",
            key="preset-sensitivity",
            on_click=choose,
            args=(sensitive,),
            help="The highest threshold that reaches it on these very scans.",
        )
        recall(_COSTS, _START_COSTS)
        costs = keep(
            _COSTS,
            st.number_input(
                "A missed HT costs as many false alarms as", 0.1, 100.0, step=0.5, format="%.1f", key=_COSTS, width=290
            ),
        )
        st.button(
            "By cost",
            key="preset-cost",
            on_click=choose,
            args=(_by_cost(costs, own_prevalence),),
            help="A risk of 1 / (1 + ratio) where the model is used: moved from the share with HT that is set there to "
            "that among these scans. Right where the risks are calibrated.",
        )
    if st.session_state[exact] in (youden, sensitive):
        st.caption("This threshold was chosen on these very scans: what rests on it flatters the model.")
    if (used_at := session.prevalence()) is not None:
        st.caption(
            f"By cost: the threshold is {cost_threshold(costs):.1%} where {used_at:.1%} have HT. Of these scans "
            f"{own_prevalence:.1%} have HT, so the same findings weigh more or less: there it is "
            f"{_by_cost(costs, own_prevalence):.1%}."
        )
    return float(st.session_state[exact])


def _by_cost(ratio: float, own_prevalence: float) -> float:
    used_at = session.prevalence()
    found = cost_threshold(ratio)
    return found if used_at is None else shift_prevalence(found, used_at, own_prevalence)


def draw_nothing_measured(error: HtcoreError, mask: NDArray[np.bool_] | None, filters: tuple[str, ...]) -> None:
    """Why there are no figures, and what to do."""
    st.error(str(error), icon=":material/error:")
    if mask is None:
        st.write("This page shows how well a model does on scans it was not trained on, once a model is installed.")
    else:
        st.write(f"Filter: {plain('; '.join(filters))}. It leaves {int(mask.sum())} of {mask.size} scans.")


def draw_sections(names: Sequence[str]) -> dict[str, Any]:
    """A tab for each; the open one stays over a visit to another page."""
    recall(_SECTION)
    tabs = st.tabs(names, key=_SECTION, on_change="rerun")
    keep(_SECTION, st.session_state[_SECTION])
    return dict(zip(names, tabs, strict=True))


def choose_by_roc(cohort: Cohort) -> None:
    """Take the threshold of the point of the ROC curve that was clicked; a callback of the chart."""
    points = st.session_state[ROC_KEY]["selection"]["points"]
    cuts = [_number(point.get("customdata")) for point in points]
    if cuts and cuts[0] is not None:
        _choose(*_keys(cohort), cuts[0])


def _number(value: Any) -> float | None:
    """A point's ``customdata``, which comes alone or in a list."""
    value = value[0] if isinstance(value, list | tuple) and value else value
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None


def _keys(cohort: Cohort) -> tuple[str, str]:
    """Of the exact threshold and of its slider, which shows tenths; another cohort or model starts anew."""
    part = f"{cohort.model.weights_sha256[:12]}-{cohort.key[:12]}" if cohort.model else cohort.key[:24]
    return f"htcore.cohort.threshold-{part}", f"threshold-{part}"


def _follow_slider(exact: str, slider: str) -> None:
    st.session_state[exact] = st.session_state[slider] / 100


def _choose(exact: str, slider: str, threshold: float) -> None:
    st.session_state[exact] = threshold
    st.session_state[slider] = round(100 * threshold, 1)


def draw_filters(cohort: Cohort) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """Ranges of what is known of the scans: which scans remain (``None`` for all), and what was asked, in words."""
    mask, asked = np.ones(len(cohort.table), dtype=bool), []
    wholes: dict[str, tuple[float, float]] = {}
    with st.popover("Filter the scans", icon=":material/filter_alt:"):
        for column, label, step in _RANGES:
            values = _known(cohort.table, column)
            low, high = _bounds(values, step)
            if low >= high:
                continue
            key = f"filter-{column}-{cohort.key[:12]}"
            wholes[key] = (low, high)
            chosen = _range(label, (low, high), step, key)
            if chosen != (low, high):
                mask &= (values >= chosen[0]) & (values <= chosen[1])
                asked.append(
                    f"{label.partition(',')[0].lower()} {chosen[0]:g} to {chosen[1]:g}{label.partition(',')[2]}"
                )
        st.caption(
            "Everything on the page follows. Scans whose value is unknown leave with the first filter on it."
            if wholes
            else "The table holds nothing to filter by: it lacks age, thickness_mm, lesion_volume_ml and onset_to_ct_h."
        )
    if asked:
        reset = st.session_state.update
        st.button(
            "Reset filters", icon=":material/filter_alt_off:", key="reset-filters", on_click=reset, args=(wholes,)
        )
    return (mask if asked else None), tuple(asked)


def _range(label: str, whole: tuple[float, float], step: float, key: str) -> tuple[float, float]:
    """A slider of two ends, which stay over a visit to another page."""
    recall(key, whole)
    chosen: Any = st.slider(label, *whole, step=step, format="%g", key=key)
    found: tuple[float, float] = keep(key, chosen)
    return found


def _known(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    if column not in table.columns:
        return np.full(len(table), np.nan)
    return np.asarray(pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def _bounds(values: NDArray[np.float64], step: float) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 0.0
    return float(np.floor(finite.min() / step) * step), float(np.ceil(finite.max() / step) * step)


def draw_own_predictions() -> None:
    """Load a table of predictions in place of the model's own; what cannot be used is told, and the page stays."""
    if st.session_state.pop(_TAKEN, False):
        # What became of the file is said on the page, behind it.
        st.session_state[_TABLE_POPOVER] = False
    with st.popover("Your predictions", icon=":material/upload_file:", key=_TABLE_POPOVER, on_change="rerun"):
        st.write(
            "A CSV file with the columns `patient_id`, `scan_id`, `ht` (0 or 1) and `probability` (0 to 1), one row a "
            f"scan, at most {MAX_ROWS:,}. Optional: `age`, `sex`, `thickness_mm`, `onset_to_ct_h`, `tilt_deg`, "
            "`lesion_volume_ml`, `lesion_side`, `manufacturer`. It stays in this session and is forgotten with it."
        )
        generation = st.session_state.get(_GENERATION, 0)
        given = st.file_uploader(
            "Predictions (CSV)", type=["csv", "tsv", "txt"], key=f"predictions-{generation}", max_upload_size=_MOST_MB
        )
        if given is not None:
            _take(given.getvalue())
            # A new key empties the uploader, but Streamlit would keep the bytes in memory to the session's end.
            forget_uploads([given])
            st.session_state[_GENERATION] = generation + 1
            st.session_state[_TAKEN] = True
            st.rerun()
        if own_cohort() is not None:
            st.button("Back to the model's own", icon=":material/undo:", on_click=keep_own, args=(None,))


def _take(content: bytes) -> None:
    st.session_state.pop(_PROBLEM, None)
    try:
        table = read_predictions(content)
        ValidationSet.from_frame(table)
    except HtcoreError as error:
        st.session_state[_PROBLEM] = error
    else:
        keep_own(table)


def draw_problem() -> None:
    """Why the last file was not taken, by row and column, until it is dismissed or another is taken."""
    error = st.session_state.get(_PROBLEM)
    if error is None:
        return
    st.error(f"The file was not loaded; the page shows what it showed before. {error}", icon=":material/error:")
    if isinstance(error, TableError) and error.n_problems > 1:
        rows = [{"Row": p.row, "Column": p.column, "The value must": p.demand} for p in error.problems]
        st.dataframe(rows, hide_index=True)
        st.caption(f"{len(rows)} of {error.n_problems} faults. Row 1 is the first below the header.")
    st.button("Dismiss", key="dismiss-problem", on_click=lambda: st.session_state.pop(_PROBLEM, None))
