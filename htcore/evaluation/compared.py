"""Other models' scores of the same scans, beside the model's own."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from htcore.errors import CohortError
from htcore.evaluation.curves import RocCurve, roc_curve
from htcore.evaluation.delong import AucDifference, delong_difference, delong_interval
from htcore.evaluation.values import Interval

_RESTORE = "restore the model's folder from its source"


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """Another model on the scans that it scored.

    Attributes
    ----------
    curve : RocCurve
        Of all these scans.
    n_patients, n_events : int
        Whose first scans, where it scored them, the rest is of; and how many of these have HT.
    auc, own_auc : Interval
        Its AUC and that of the model of the page, with DeLong's intervals.
    difference : AucDifference
        The model of the page minus this one.
    """

    name: str
    curve: RocCurve
    n_patients: int
    n_events: int
    auc: Interval
    own_auc: Interval
    difference: AucDifference


def compared_models(content: bytes, table: pd.DataFrame) -> tuple[ComparedModel, ...]:
    """Read a bundle's ``baselines.csv`` and measure its models on the scans of ``table``.

    Parameters
    ----------
    content
        UTF-8, comma-separated: ``scan_id``, then one column a model, headed by its name in words; its cells are scores
        (higher: more risk), empty where it scored none.
    table
        As ``ValidationSet.from_frame`` takes it.

    Raises
    ------
    CohortError
        If the file cannot be used, or too few of its scans are in ``table``.
    """
    scores = _read(content)
    known = scores.reindex(table["scan_id"].astype(str))
    labels = table["ht"].to_numpy(dtype=np.float64) == 1.0
    own = table["probability"].to_numpy(dtype=np.float64)
    first = ~table["patient_id"].duplicated().to_numpy()
    return tuple(_compared(str(name), known[name].to_numpy(), labels, own, first) for name in scores.columns)


def _compared(
    name: str,
    scores: NDArray[np.float64],
    labels: NDArray[np.bool_],
    own: NDArray[np.float64],
    first: NDArray[np.bool_],
) -> ComparedModel:
    scored = np.isfinite(scores)
    once = scored & first
    # First: it says so where a class is missing.
    difference = delong_difference(labels[once], own[once], scores[once])
    return ComparedModel(
        name,
        roc_curve(labels[scored], scores[scored]),
        int(once.sum()),
        int(labels[once].sum()),
        delong_interval(labels[once], scores[once]),
        delong_interval(labels[once], own[once]),
        difference,
    )


def _read(content: bytes) -> pd.DataFrame:
    """One column a model, float, by ``scan_id``; NaN where it scored none."""
    try:
        raw = pd.read_csv(io.BytesIO(content), dtype=str, encoding="utf-8-sig", keep_default_na=False, index_col=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise CohortError(f"The table of compared models is no comma-separated UTF-8 table: {_RESTORE}.") from error
    raw.columns = raw.columns.str.strip()
    if "scan_id" not in raw.columns or raw.shape[1] < 2 or raw.empty:
        raise CohortError(f"The table of compared models lacks scan_id, or has no model or no scan: {_RESTORE}.")
    raw["scan_id"] = raw["scan_id"].str.strip()
    if raw["scan_id"].duplicated().any():
        raise CohortError(f"The table of compared models has a scan twice: {_RESTORE}.")
    cells = raw.set_index("scan_id").apply(lambda column: column.str.strip())
    scores: pd.DataFrame = cells.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    if not (np.isfinite(scores) | (cells == "")).all(axis=None):
        raise CohortError(f"The table of compared models holds a score that is no number: {_RESTORE}.")
    return scores
