"""All figures of one model on one validation set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htcore.evaluation import metrics
from htcore.evaluation.bootstrap import Bootstrap
from htcore.evaluation.curves import Reliability, reliability
from htcore.evaluation.subgroups import Subgroup, subgroups
from htcore.evaluation.validation import ValidationSet
from htcore.evaluation.values import Confusion, Interval

SCHEMA = "htcore.evaluation/1"
METRICS = (
    "auc",
    "auprc",
    "f1",
    "sensitivity",
    "specificity",
    "accuracy",
    "balanced_accuracy",
    "ppv",
    "npv",
    "lr_positive",
    "lr_negative",
    "brier",
    "calibration_slope",
    "calibration_intercept",
)


@dataclass(frozen=True)
class Oracle:
    """What a perfect reader of the simulator's truth reaches on each patient's first scan: the ceiling.

    Attributes
    ----------
    image_auc, full_auc : float or None
        AUC of the true probability given the image alone, and given everything the outcome was drawn from.
    model_auc : float
        The model's own AUC on the same first scans.
    """

    image_auc: float | None
    full_auc: float | None
    model_auc: float


@dataclass(frozen=True)
class Evaluation:
    """Every figure with its 95% interval over resampled patients.

    Attributes
    ----------
    metrics : name → Interval
        The names in ``METRICS``.
    groups : Reliability
        The calibration curve.
    calibration : name → Interval
        The Brier score's parts and the expected calibration error over these groups.
    """

    n_patients: int
    n_scans: int
    n_events: int
    threshold: float
    confusion: Confusion
    metrics: Mapping[str, Interval]
    oracle: Oracle | None
    subgroups: tuple[Subgroup, ...]
    groups: Reliability
    calibration: Mapping[str, Interval]


def evaluate(
    validation: ValidationSet,
    threshold: float,
    n_resamples: int | None = None,
    seed: int = 0,
    *,
    bootstrap: Bootstrap | None = None,
) -> Evaluation:
    """Measure predictions against outcomes.

    Parameters
    ----------
    validation
        The labelled predictions.
    threshold
        Probability in [0, 1] from which on a scan is called positive.
    n_resamples, seed
        Of the bootstrap over patients.
    bootstrap
        One drawn before for the same ``validation``; then the two above are not used.

    Raises
    ------
    UsageError
        If the threshold is no probability or there is no resample.
    """
    bootstrap = bootstrap or Bootstrap(validation, n_resamples, seed)
    found = {**bootstrap.fixed, **bootstrap.at_threshold(threshold)}
    return Evaluation(
        validation.n_patients,
        validation.n_scans,
        validation.n_events,
        threshold,
        Confusion.at(validation.labels, validation.probability, threshold),
        {name: found[name] for name in METRICS},
        oracle(validation),
        subgroups(validation, bootstrap),
        reliability(validation),
        bootstrap.calibration_parts,
    )


def oracle(validation: ValidationSet) -> Oracle | None:
    """The simulator's ceiling, or ``None`` where the truth is unknown.

    Only first scans count: a repeated scan carries the truth of its patient's first.
    """
    first = validation.first_scans
    labels = validation.labels[first]

    def area(scores: NDArray[np.float64] | None) -> float | None:
        if scores is None or not np.isfinite(scores[first]).all():
            return None
        value = float(metrics.auc(labels, scores[first], np.ones((1, first.size)))[0])
        return value if math.isfinite(value) else None

    image, full = area(validation.columns.get("p_ht_image")), area(validation.columns.get("p_ht"))
    own = area(validation.probability)
    return None if own is None or (image is None and full is None) else Oracle(image, full, own)


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain values for a JSON file, schema ``htcore.evaluation/1``; undefined figures become null."""
    ceiling = evaluation.oracle
    return {
        "schema": SCHEMA,
        "n_patients": evaluation.n_patients,
        "n_scans": evaluation.n_scans,
        "n_events": evaluation.n_events,
        "threshold": evaluation.threshold,
        "metrics": {name: _plain(interval) for name, interval in evaluation.metrics.items()},
        "oracle": None if ceiling is None else dict(vars(ceiling)),
        "calibration": {
            "groups": _groups(evaluation.groups),
            **{name: _plain(interval) for name, interval in evaluation.calibration.items()},
        },
        "subgroups": [{**vars(part), "auc": _plain(part.auc)} for part in evaluation.subgroups],
    }


def _groups(groups: Reliability) -> list[dict[str, float | int]]:
    """One entry a group of the calibration curve, lowest risk first."""
    names = ("n_scans", "predicted", "observed", "low", "high")
    columns = (getattr(groups, name).tolist() for name in names)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(interval: Interval) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in vars(interval).items()}
