"""Figures for many weightings of the same scans at once: ``weights`` is always (resamples, scans)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Weights = NDArray[np.float64]
RISK_GROUPS = 8
"""Of the calibration curve and of what is computed over its groups."""
_NEWTON_STEPS = 25
_CONVERGED = 1e-6
# Beyond this slope the outcomes are separated and the likelihood has no maximum.
_SEPARATED = 100.0


def ratio(numerator: Weights, denominator: Weights) -> Weights:
    """Quotient, NaN where the denominator is 0."""
    out = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    return np.asarray(np.divide(numerator, denominator, out=out, where=denominator > 0))


def _tied_sums(labels: NDArray[np.bool_], scores: Weights, weights: Weights) -> tuple[Weights, Weights]:
    """Weight of positives and of negatives at each distinct score, highest score first: (resamples, scores) each."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
    sorted_weights, positive = weights[:, order], labels[order]
    positives = np.add.reduceat(sorted_weights * positive, starts, axis=1)
    negatives = np.add.reduceat(sorted_weights * ~positive, starts, axis=1)
    return positives, negatives


def auc(labels: NDArray[np.bool_], scores: Weights, weights: Weights) -> Weights:
    """Area under the ROC curve, ties counted half: (resamples,), NaN where one class is absent."""
    positives, negatives = _tied_sums(labels, scores, weights)
    total = negatives.sum(axis=1)
    below = total[:, None] - np.cumsum(negatives, axis=1)
    wins = (positives * (below + 0.5 * negatives)).sum(axis=1)
    return ratio(wins, positives.sum(axis=1) * total)


def auprc(labels: NDArray[np.bool_], scores: Weights, weights: Weights) -> Weights:
    """Average precision: (resamples,), NaN without positives."""
    positives, negatives = _tied_sums(labels, scores, weights)
    found = np.cumsum(positives, axis=1)
    precision = np.nan_to_num(ratio(found, found + np.cumsum(negatives, axis=1)))
    return ratio((positives * precision).sum(axis=1), positives.sum(axis=1))


def at_threshold(
    labels: NDArray[np.bool_], probability: Weights, threshold: float, weights: Weights
) -> dict[str, Weights]:
    """The figures of `of_cells` where ``probability >= threshold`` calls: (resamples,) each."""
    called = probability >= threshold
    cells = np.stack([labels & called, ~labels & called, labels & ~called, ~labels & ~called], axis=1)
    tp, fp, fn, tn = (weights @ cells.astype(np.float64)).T
    return of_cells(tp, fp, fn, tn)


def of_cells(tp: Weights, fp: Weights, fn: Weights, tn: Weights) -> dict[str, Weights]:
    """What the four counts of a confusion matrix give, shaped like them; NaN where a figure is undefined.

    Sensitivity, specificity, F1, accuracy, balanced accuracy, PPV, NPV and both likelihood ratios; these are infinite
    where their denominator alone is 0.
    """
    sensitivity, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    return {
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "accuracy": ratio(tp + tn, tp + fp + fn + tn),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "ppv": ratio(tp, tp + fp),
        "npv": ratio(tn, tn + fn),
        "lr_positive": _likelihood_ratio(sensitivity, 1 - specificity),
        "lr_negative": _likelihood_ratio(1 - sensitivity, specificity),
    }


def _likelihood_ratio(numerator: Weights, denominator: Weights) -> Weights:
    """As `ratio`, but without end where the denominator alone is 0: a likelihood ratio has no upper bound."""
    return np.where((denominator == 0) & (numerator > 0), np.inf, ratio(numerator, denominator))


def predictive_values(sensitivity: Weights, specificity: Weights, prevalence: float) -> tuple[Weights, Weights]:
    """PPV and NPV in a population of that prevalence (Bayes; Altman and Bland 1994, 10.1136/bmj.309.6947.102)."""
    found, missed = sensitivity * prevalence, (1 - sensitivity) * prevalence
    false, cleared = (1 - specificity) * (1 - prevalence), specificity * (1 - prevalence)
    return ratio(found, found + false), ratio(cleared, cleared + missed)


def net_benefit(tp: Weights, fp: Weights, n: Weights, threshold: Weights | float) -> Weights:
    """True positives a scan, less false ones at the odds of the threshold (Vickers 2006, 10.1177/0272989X06295361)."""
    odds = ratio(np.asarray(threshold, dtype=np.float64), 1 - np.asarray(threshold, dtype=np.float64))
    return np.asarray((tp - fp * odds) / n)


def brier(labels: NDArray[np.bool_], probability: Weights, weights: Weights) -> Weights:
    """Mean squared error of the probabilities: (resamples,)."""
    return ratio(weights @ (probability - labels) ** 2, weights.sum(axis=1))


def risk_groups(probability: Weights, n_groups: int = RISK_GROUPS) -> NDArray[np.intp]:
    """Group of each scan (scans,), from 0 at the lowest risk: at most ``n_groups`` of about equal size.

    Equal predictions stay together, so that there may be fewer groups.
    """
    inner = np.quantile(probability, np.linspace(0, 1, n_groups + 1)[1:-1])
    return np.unique(np.searchsorted(inner, probability, side="right"), return_inverse=True)[1]


def calibration_parts(
    labels: NDArray[np.bool_], probability: Weights, group: NDArray[np.intp], weights: Weights
) -> dict[str, Weights]:
    """The Brier score's parts over groups of like risk (Murphy 1973, 10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2).

    Brier score = reliability − resolution + uncertainty + residue. The residue is what grouping hides: risks that
    differ within a group (Stephenson et al. 2008, 10.1175/2007WAF2006116.1).

    Parameters
    ----------
    group : (scans,)
        As `risk_groups` gives it for the whole set; resamples are measured in the same groups.

    Returns
    -------
    dict
        ``brier_reliability``, ``brier_resolution``, ``brier_uncertainty``, ``brier_residue``, and
        ``expected_calibration_error``, the mean distance between predicted and observed risk: (resamples,) each.
    """
    members = np.eye(int(group.max()) + 1)[group]
    total = weights.sum(axis=1)
    n = weights @ members
    share = ratio(n, total[:, None])
    # A group that a resample left empty counts nothing.
    predicted = np.nan_to_num(ratio((weights * probability) @ members, n))
    observed = np.nan_to_num(ratio((weights * labels) @ members, n))
    base = ratio(weights @ labels, total)
    reliability = (share * (predicted - observed) ** 2).sum(axis=1)
    resolution = (share * (observed - base[:, None]) ** 2).sum(axis=1)
    uncertainty = base * (1 - base)
    return {
        "brier_reliability": reliability,
        "brier_resolution": resolution,
        "brier_uncertainty": uncertainty,
        "brier_residue": brier(labels, probability, weights) - (reliability - resolution + uncertainty),
        "expected_calibration_error": (share * np.abs(predicted - observed)).sum(axis=1),
    }


def calibration(labels: NDArray[np.bool_], log_odds: Weights, weights: Weights) -> tuple[Weights, Weights]:
    """Slope and intercept of the logistic regression of the outcome on the predicted log-odds.

    Returns
    -------
    slope, intercept : (resamples,)
        1 and 0 for a calibrated model; NaN where the outcomes are separated or the predictions all equal.
    """
    centre, spread = float(log_odds.mean()), float(log_odds.std())
    undefined = np.full(len(weights), np.nan)
    if not spread > 0:
        return undefined, undefined
    # Standardised, and from slope 0: from slope 1 an overconfident model sends Newton's steps off to infinity.
    scores, outcome = (log_odds - centre) / spread, labels.astype(np.float64)
    slope, step = np.zeros(len(weights)), np.full(len(weights), np.inf)
    with np.errstate(all="ignore"):
        intercept = np.asarray(logit(weights @ outcome / weights.sum(axis=1)))
        for _ in range(_NEWTON_STEPS):
            expected = expit(slope[:, None] * scores + intercept[:, None])
            residual = weights * (outcome - expected)
            curvature = weights * expected * (1 - expected)
            h00, h01, h11 = curvature.sum(axis=1), curvature @ scores, curvature @ scores**2
            g0, g1 = residual.sum(axis=1), residual @ scores
            determinant = h00 * h11 - h01**2
            by_slope = (h00 * g1 - h01 * g0) / determinant
            by_intercept = (h11 * g0 - h01 * g1) / determinant
            slope, intercept = slope + by_slope, intercept + by_intercept
            step = np.abs(by_slope) + np.abs(by_intercept)
            if np.all(~(step > _CONVERGED)):
                break
    good = (step <= _CONVERGED) & (np.abs(slope / spread) < _SEPARATED)
    return np.where(good, slope / spread, np.nan), np.where(good, intercept - slope * centre / spread, np.nan)
