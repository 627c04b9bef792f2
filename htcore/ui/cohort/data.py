"""Which predictions the cohort page is about, measured once.

The bundle's own are shared by all sessions. Somebody's file lives in their session alone, and so do filtered parts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from htcore import services
from htcore.errors import CohortError
from htcore.evaluation import (
    MIN_PATIENTS,
    Bootstrap,
    ComparedModel,
    DecisionCurve,
    Oracle,
    PrecisionRecallCurve,
    Reliability,
    RocCurve,
    Subgroup,
    ValidationSet,
    are_simulated,
    compared_models,
    decision_curve,
    oracle,
    part_of,
    precision_recall_curve,
    reliability,
    roc_curve,
    subgroups,
)
from htcore.inference.calibrate import supported
from htcore.types import SURE, Limits, ModelIdentity
from htcore.ui.case_pictures import publish

if TYPE_CHECKING:
    from htcore.bundle import Bundle

_OWN = "htcore.cohort.own"
_PART = "htcore.cohort.part"
_UPLOAD_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class Cohort:
    """Labelled predictions and where they come from.

    Attributes
    ----------
    key : str
        Of the content: the same for the same table and model.
    model : the bundle's, or ``None`` for somebody's own file.
    stored : bool
        Whether these are the bundle's own predictions; somebody's own live in their session alone.
    simulated : bool or None
        Whether the scans are; ``None`` where nobody can know.
    baselines : bytes or None
        The bundle's scores of other models, as `compared_models` reads them.
    part : str or None
        The part that the patients had in the model's training, as `part_of`; ``None`` where nobody can know.
    threshold : float
        What the page starts with: the bundle's own.
    limits : (float, float)
        The lowest and the highest risk that the model's calibration supports.
    pictures : str or None
        Below which address the scans' pictures lie, as ``STORED_ROW.png`` of the table; ``None`` where there are none.
    """

    table: pd.DataFrame
    key: str
    model: ModelIdentity | None
    part: str | None
    threshold: float
    baselines: bytes | None = None
    stored: bool = True
    simulated: bool | None = None
    limits: Limits = (1.0 - SURE, SURE)
    pictures: str | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """What no threshold moves, computed once for a set of predictions; ``table`` has a row for each of its scans."""

    table: pd.DataFrame
    validation: ValidationSet
    bootstrap: Bootstrap
    curve: RocCurve
    oracle_curve: RocCurve | None
    oracle: Oracle | None
    groups: Reliability
    precision_recall: PrecisionRecallCurve
    decision: DecisionCurve
    subgroups: tuple[Subgroup, ...]
    compared: tuple[ComparedModel, ...] = ()
    compared_problem: str | None = None


def bundle_cohort(bundle: Bundle) -> Cohort:
    """The bundle's stored predictions on patients that did not train it."""
    table, _ = services.validation_predictions(bundle)
    baselines = bundle.measurement("baselines.csv")
    key = _content(table, baselines or b"")
    model, threshold = bundle.identity, bundle.calibration.threshold
    return Cohort(
        table,
        key,
        model,
        part_of(table),
        threshold,
        baselines,
        simulated=are_simulated(table),
        limits=supported(bundle.calibration),
        pictures=publish(bundle),
    )


def own_cohort() -> Cohort | None:
    """The predictions that somebody loaded in this session."""
    found: Cohort | None = st.session_state.get(_OWN)
    return found


def keep_own(table: pd.DataFrame | None) -> None:
    """Show a checked table from now on in this session, or the bundle's again with ``None``."""
    st.session_state.pop(_PART, None)
    if table is None:
        st.session_state.pop(_OWN, None)
    else:
        # That no scan's true risk is known does not make them real.
        simulated = True if are_simulated(table) else None
        st.session_state[_OWN] = Cohort(
            table, _content(table), None, None, _UPLOAD_THRESHOLD, stored=False, simulated=simulated
        )


def keep_scored(table: pd.DataFrame, bundle: Bundle, *, simulated: bool) -> None:
    """Show scans that the bundle scored in this session from now on.

    Raises
    ------
    CohortError
        If the table cannot be evaluated; then the page shows what it showed.
    """
    ValidationSet.from_frame(table)
    st.session_state.pop(_PART, None)
    st.session_state[_OWN] = Cohort(
        table,
        _content(table),
        bundle.identity,
        None,
        bundle.calibration.threshold,
        stored=False,
        simulated=simulated,
        limits=supported(bundle.calibration),
    )


def measured_cohort(cohort: Cohort, mask: NDArray[np.bool_] | None = None) -> Measured:
    """The figures of a cohort, or of the scans in ``mask`` (scans,).

    Raises
    ------
    CohortError
        If the table, or the part, cannot be evaluated.
    """
    if mask is None and cohort.stored and cohort.model is not None:
        return _shared(cohort.model.weights_sha256, cohort.key, cohort.table, cohort.baselines)
    part = b"" if mask is None else mask.tobytes()
    key = (cohort.key, hashlib.sha256(part).hexdigest())
    kept = st.session_state.get(_PART)
    if kept is None or kept[0] != key:
        with st.spinner("Measuring these scans"):
            kept = (key, _measure_part(cohort, mask))
        st.session_state[_PART] = kept
    found: Measured = kept[1]
    return found


def _measure_part(cohort: Cohort, mask: NDArray[np.bool_] | None) -> Measured:
    if mask is None:
        return measure(cohort.table, cohort.baselines)
    left = cohort.table[mask].reset_index(drop=True)
    try:
        return measure(left, cohort.baselines)
    except CohortError as error:
        if error.code != "one_class":
            raise
        raise CohortError(f"{_too_little(left)}: widen the filter.", code=error.code) from error


def _too_little(left: pd.DataFrame) -> str:
    """Why the scans that a filter leaves have no figures."""
    count, bled = len(left), int((left["ht"] == 1).sum())
    if count == 0:
        return "No scan is left"
    which = "The one scan that is left" if count == 1 else f"All {count} scans that are left"
    if bled == count:
        return f"{which} had hemorrhagic transformation"
    if bled == 0:
        none = "had no hemorrhagic transformation"
        return f"{which} {none}" if count == 1 else f"None of the {count} scans that are left {none.replace(' no', '')}"
    patients = left["patient_id"].nunique()
    return f"The {count} scans that are left are of {patients} patients; figures need at least {MIN_PATIENTS}"


@st.cache_resource(show_spinner="Measuring the validation set", max_entries=4)
def _shared(weights_sha256: str, content_sha256: str, _table: pd.DataFrame, _baselines: bytes | None) -> Measured:
    return measure(_table, _baselines)


def measure(table: pd.DataFrame, baselines: bytes | None = None) -> Measured:
    """Everything that no threshold moves; ``baselines`` as a `Cohort` has them, told where they cannot be used.

    Raises
    ------
    CohortError
        If the table cannot be evaluated.
    """
    validation = ValidationSet.from_frame(table)
    bootstrap = Bootstrap(validation)
    ceiling = oracle(validation)
    oracle_curve = None
    if ceiling is not None and ceiling.image_auc is not None:
        first = validation.first_scans
        oracle_curve = roc_curve(validation.labels[first], validation.columns["p_ht_image"][first])
    return Measured(
        table,
        validation,
        bootstrap,
        roc_curve(validation.labels, validation.probability, bootstrap),
        oracle_curve,
        ceiling,
        reliability(validation),
        precision_recall_curve(validation.labels, validation.probability),
        decision_curve(bootstrap),
        subgroups(validation, bootstrap),
        *_compared(table, baselines),
    )


def _compared(table: pd.DataFrame, baselines: bytes | None) -> tuple[tuple[ComparedModel, ...], str | None]:
    """Other models on these scans, and why there are none where the bundle has a file of them."""
    if baselines is None:
        return (), None
    try:
        return compared_models(baselines, table), None
    except CohortError as error:
        return (), str(error)


def _content(table: pd.DataFrame, extra: bytes = b"") -> str:
    content = hashlib.sha256(pd.util.hash_pandas_object(table).to_numpy().tobytes())
    content.update(",".join(map(str, table.columns)).encode())
    content.update(extra)
    return content.hexdigest()
