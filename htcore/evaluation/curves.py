"""Curves as numbers: ROC, and observed against predicted risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htcore.evaluation import metrics
from htcore.evaluation.bootstrap import Bootstrap
from htcore.evaluation.validation import ValidationSet
from htcore.evaluation.values import outcomes

Curve = NDArray[np.float64]
_BAND_POINTS = 101
_Z = 1.959964


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Sensitivity against false-positive rate, both rising from 0 to 1.

    Attributes
    ----------
    false_positive_rate, sensitivity, thresholds : (points,)
        The first threshold is infinite: nothing is called.
    auc : float
    band : (3, 101) or None
        False-positive rate, and low and high end of the sensitivity's 95% band there.
    """

    false_positive_rate: Curve
    sensitivity: Curve
    thresholds: Curve
    auc: float
    band: Curve | None = None


def roc_curve(labels: NDArray[np.bool_], scores: Curve, bootstrap: Bootstrap | None = None) -> RocCurve:
    """ROC curve of ``scores`` (scans,), with a band where the ``bootstrap`` of the same scans is given."""
    labels = outcomes(labels)
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.concatenate((np.flatnonzero(ranked[1:] != ranked[:-1]), [ranked.size - 1]))
    found = np.concatenate(([0], np.cumsum(labels[order])[ends])) / max(1, int(labels.sum()))
    false = np.concatenate(([0], np.cumsum(~labels[order])[ends])) / max(1, int((~labels).sum()))
    area = float(metrics.auc(labels, scores, np.ones((1, scores.size)))[0])
    band = None
    if bootstrap is not None:
        grid = np.linspace(0, 1, _BAND_POINTS)
        band = np.stack([grid, *bootstrap.roc_band(grid)])
    return RocCurve(false, found, np.concatenate(([np.inf], ranked[ends])), area, band)


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Precision against sensitivity (recall), from the highest threshold to the lowest; nothing interpolated.

    Attributes
    ----------
    sensitivity, precision, thresholds : (points,)
    base_rate : float
        Share of events: the precision of calling every scan.
    """

    sensitivity: Curve
    precision: Curve
    thresholds: Curve
    base_rate: float


def precision_recall_curve(labels: NDArray[np.bool_], scores: Curve) -> PrecisionRecallCurve:
    """One point a distinct score; equal scores are called together."""
    curve = roc_curve(labels, scores)
    events = int(np.count_nonzero(labels))
    others = labels.size - events
    found, false = curve.sensitivity[1:] * events, curve.false_positive_rate[1:] * others
    return PrecisionRecallCurve(
        curve.sensitivity[1:], found / (found + false), curve.thresholds[1:], events / labels.size
    )


@dataclass(frozen=True, eq=False)
class Reliability:
    """Observed share of events in groups of like prediction, lowest first.

    Attributes
    ----------
    predicted, observed, low, high : (groups,) in [0, 1]
        Mean prediction, observed share and its 95% Wilson interval (scans taken as independent).
    n_scans : (groups,)
    """

    predicted: Curve
    observed: Curve
    low: Curve
    high: Curve
    n_scans: NDArray[np.intp]


def reliability(validation: ValidationSet, n_groups: int = metrics.RISK_GROUPS) -> Reliability:
    """Group the scans into at most ``n_groups`` of about equal size; equal predictions stay together."""
    probability, labels = validation.probability, validation.labels
    group = metrics.risk_groups(probability, n_groups)
    n = np.bincount(group)
    observed = np.bincount(group, weights=labels) / n
    centre = (observed + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(observed * (1 - observed) / n + _Z**2 / (4 * n**2))
    predicted = np.bincount(group, weights=probability) / n
    return Reliability(predicted, observed, np.clip(centre - half, 0, observed), np.clip(centre + half, observed, 1), n)
