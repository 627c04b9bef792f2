"""Resampled patients, drawn once, so that every figure and every threshold is measured on the same resamples."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from htcore.errors import UsageError
from htcore.evaluation import metrics
from htcore.evaluation.validation import ValidationSet
from htcore.evaluation.values import Interval

_CALIBRATION_RESAMPLES = 500
_BAND_RESAMPLES = 500
_EDGE = 1e-6


class Bootstrap:
    """Percentile intervals over resampled patients: all scans of a drawn patient come along.

    Parameters
    ----------
    validation
        The labelled predictions.
    n_resamples
        How often to draw; calibration and the ROC band use at most the first 500, being dearer.
    seed
        Of the draws: the same seed gives the same intervals.

    Raises
    ------
    UsageError
        If ``n_resamples`` is below 1.
    """

    def __init__(self, validation: ValidationSet, n_resamples: int = 2000, seed: int = 0) -> None:
        if n_resamples < 1:
            raise UsageError("At least one resample is needed: raise the number of resamples.")
        self.validation = validation
        n = validation.n_patients
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
        # Row 0 is the set itself, so that the figure and its resamples come out of one computation.
        self._weights = np.ones((n_resamples + 1, validation.n_scans))
        self._weights[1:] = drawn[:, validation.patient]
        self._areas: dict[bytes, Interval] = {}

    def auc(self, mask: NDArray[np.bool_] | None = None) -> Interval:
        """AUC of all scans, or of those in ``mask`` (scans,): NaN where a class is absent."""
        chosen = np.ones(self.validation.n_scans, dtype=bool) if mask is None else mask
        if not chosen.any():
            return Interval(float("nan"), float("nan"), float("nan"))
        # No threshold moves an AUC: a page that follows a slider asks for the same masks again.
        key = chosen.tobytes()
        if key not in self._areas:
            labels, probability = self.validation.labels[chosen], self.validation.probability[chosen]
            self._areas[key] = _interval(metrics.auc(labels, probability, self._weights[:, chosen]))
        return self._areas[key]

    @cached_property
    def fixed(self) -> dict[str, Interval]:
        """The figures that no threshold moves: auc, auprc, brier, calibration slope and intercept."""
        labels, probability = self.validation.labels, self.validation.probability
        log_odds = logit(np.clip(probability, _EDGE, 1 - _EDGE))
        slope, intercept = metrics.calibration(labels, log_odds, self._weights[: _CALIBRATION_RESAMPLES + 1])
        return {
            "auc": self.auc(),
            "auprc": _interval(metrics.auprc(labels, probability, self._weights)),
            "brier": _interval(metrics.brier(labels, probability, self._weights)),
            "calibration_slope": _interval(slope),
            "calibration_intercept": _interval(intercept),
        }

    def at_threshold(self, threshold: float) -> dict[str, Interval]:
        """F1, sensitivity, specificity, accuracy, PPV, NPV at ``threshold``; cheap enough to follow a slider.

        Raises
        ------
        UsageError
            If the threshold is no probability.
        """
        if not 0.0 <= threshold <= 1.0:
            raise UsageError("The threshold is a probability: give a number between 0 and 1.")
        validation = self.validation
        found = metrics.at_threshold(validation.labels, validation.probability, threshold, self._weights)
        return {name: _interval(values) for name, values in found.items()}

    def roc_band(self, false_positive_rate: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """95% band of the sensitivity at each false-positive rate: low and high, shaped like the argument."""
        labels, probability = self.validation.labels, self.validation.probability
        order = np.argsort(-probability, kind="stable")
        ranked = probability[order]
        ends = np.concatenate((np.flatnonzero(ranked[1:] != ranked[:-1]), [ranked.size - 1]))
        rows = []
        for weights in self._weights[1 : _BAND_RESAMPLES + 1, order]:
            found = np.concatenate(([0.0], np.cumsum(weights * labels[order])[ends]))
            false = np.concatenate(([0.0], np.cumsum(weights * ~labels[order])[ends]))
            if found[-1] > 0 and false[-1] > 0:
                rows.append(np.interp(false_positive_rate, false / false[-1], found / found[-1]))
        if not rows:
            nothing = np.full(false_positive_rate.shape, np.nan)
            return nothing, nothing
        low, high = np.percentile(np.stack(rows), [2.5, 97.5], axis=0)
        return low, high


def _interval(values: NDArray[np.float64]) -> Interval:
    return Interval.from_resamples(float(values[0]), values[1:])
