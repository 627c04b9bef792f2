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
from htcore.types import FloatArray

_CALIBRATION_RESAMPLES = 500
_BAND_RESAMPLES = 500
_EDGE = 1e-6
RESAMPLES = 2000
_FEWEST_RESAMPLES = 100
_MOST_WEIGHTS = 20_000_000
"""Resamples times scans held at once, 160 MB: the more scans, the narrower the interval and the fewer draws do."""


def resamples_for(n_scans: int) -> int:
    """How often to draw: 2000, fewer where there are more than 10,000 scans."""
    return max(_FEWEST_RESAMPLES, min(RESAMPLES, _MOST_WEIGHTS // max(1, n_scans)))


class Bootstrap:
    """Percentile intervals over resampled patients: all scans of a drawn patient come along.

    Parameters
    ----------
    validation
        The labelled predictions.
    n_resamples
        How often to draw, `resamples_for` the scans where not given; calibration and the ROC band use at most the first
        500, being dearer.
    seed
        Of the draws: the same seed gives the same intervals.

    Raises
    ------
    UsageError
        If ``n_resamples`` is below 1.
    """

    def __init__(self, validation: ValidationSet, n_resamples: int | None = None, seed: int = 0) -> None:
        n_resamples = resamples_for(validation.n_scans) if n_resamples is None else n_resamples
        if n_resamples < 1:
            raise UsageError("At least one resample is needed: raise the number of resamples.")
        self.validation = validation
        self.n_resamples = n_resamples
        n = validation.n_patients
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
        # Row 0 is the set itself, so that the figure and its resamples come out of one computation.
        self._weights = np.ones((n_resamples + 1, validation.n_scans))
        self._weights[1:] = drawn[:, validation.patient]
        self._areas: dict[bytes, Interval] = {}

    def auc(self, mask: NDArray[np.bool_] | None = None) -> Interval:
        """AUC of all scans, or of those in ``mask`` (scans,): NaN where a class is absent.

        An AUC of 0 or 1 has `Interval.with_exact_end`, counting pairs that share no patient.
        """
        chosen = np.ones(self.validation.n_scans, dtype=bool) if mask is None else mask
        if not chosen.any():
            return Interval(float("nan"), float("nan"), float("nan"))
        # No threshold moves an AUC: a page that follows a slider asks for the same masks again.
        key = chosen.tobytes()
        if key not in self._areas:
            labels, probability = self.validation.labels[chosen], self.validation.probability[chosen]
            patients = self.validation.patient[chosen]
            pairs = min(np.unique(patients[labels]).size, np.unique(patients[~labels]).size)
            found = interval(metrics.auc(labels, probability, self._weights[:, chosen]))
            self._areas[key] = found.with_exact_end(pairs)
        return self._areas[key]

    @cached_property
    def fixed(self) -> dict[str, Interval]:
        """The figures that no threshold moves: auc, auprc, brier, calibration slope and intercept."""
        labels, probability = self.validation.labels, self.validation.probability
        log_odds = logit(np.clip(probability, _EDGE, 1 - _EDGE))
        slope, intercept = metrics.calibration(labels, log_odds, self._weights[: _CALIBRATION_RESAMPLES + 1])
        return {
            "auc": self.auc(),
            "auprc": interval(metrics.auprc(labels, probability, self._weights)),
            "brier": interval(metrics.brier(labels, probability, self._weights)),
            "calibration_slope": interval(slope),
            "calibration_intercept": interval(intercept),
        }

    @cached_property
    def calibration_parts(self) -> dict[str, Interval]:
        """The figures of `metrics.calibration_parts` over the groups of the calibration curve.

        Reliability, resolution and calibration error have `Interval.raised_by_chance`.
        """
        labels, probability = self.validation.labels, self.validation.probability
        found = metrics.calibration_parts(labels, probability, metrics.risk_groups(probability), self._weights)
        raised = ("brier_reliability", "brier_resolution", "expected_calibration_error")
        return {
            name: Interval.raised_by_chance(float(values[0]), values[1:]) if name in raised else interval(values)
            for name, values in found.items()
        }

    def at_threshold(self, threshold: float) -> dict[str, Interval]:
        """The figures of `metrics.of_cells` at ``threshold``; cheap enough to follow a slider.

        Shares of none or all have `Interval.with_exact_end`, counting patients.

        Raises
        ------
        UsageError
            If the threshold is no probability.
        """
        if not 0.0 <= threshold <= 1.0:
            raise UsageError("The threshold is a probability: give a number between 0 and 1.")
        tp, fp, events, others = self.called(np.array([threshold]))
        cells = (tp[:, 0], fp[:, 0], events - tp[:, 0], others - fp[:, 0])
        figures = {name: interval(values) for name, values in metrics.of_cells(*cells).items()}
        labels, called = self.validation.labels, self.validation.probability >= threshold
        shares = {"sensitivity": labels, "specificity": ~labels, "ppv": called, "npv": ~called}
        shares["accuracy"] = np.ones_like(labels)
        for name, scans in shares.items():
            if figures[name].value in (0.0, 1.0):
                figures[name] = figures[name].with_exact_end(np.unique(self.validation.patient[scans]).size)
        return figures

    def called(self, thresholds: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Weight of events and of other scans called positive at each of ``thresholds`` (cuts,), and of all of them.

        Returns
        -------
        true, false : (resamples + 1, cuts)
            The first row is the set itself.
        events, others : (resamples + 1,)
        """
        ascending, true, false = self._tallies
        # How many distinct probabilities lie at or above each threshold.
        at = ascending.size - np.searchsorted(ascending, thresholds, side="left")
        picked = (true[:, at], false[:, at], true[:, -1], false[:, -1])
        tp, fp, events, others = (part.astype(np.float64) for part in picked)
        return tp, fp, events, others

    @cached_property
    def _tallies(self) -> tuple[FloatArray, NDArray[np.float32], NDArray[np.float32]]:
        """Distinct probabilities, ascending, and the weight called when the k highest are: (resamples + 1, scores + 1).

        Whole numbers far below 2^24, which 32 bits hold exactly.
        """
        labels, probability = self.validation.labels, self.validation.probability
        order = np.argsort(-probability, kind="stable")
        ranked, positive = probability[order], labels[order]
        starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
        shape = (len(self._weights), starts.size + 1)
        true, false = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        for row, weights in enumerate(self._weights):
            ordered = weights[order]
            np.cumsum(np.add.reduceat(ordered * positive, starts), out=true[row, 1:])
            np.cumsum(np.add.reduceat(ordered * ~positive, starts), out=false[row, 1:])
        return ranked[starts][::-1], true, false

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


def interval(values: FloatArray) -> Interval:
    """The figure in row 0 with its percentile interval over the other rows."""
    return Interval.from_resamples(float(values[0]), values[1:])
