"""What calling at one threshold means: counts, figures with intervals, and net benefit against calling all or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from htcore.errors import UsageError
from htcore.evaluation import metrics
from htcore.evaluation.bootstrap import Bootstrap, interval
from htcore.evaluation.curves import RocCurve
from htcore.evaluation.values import Confusion, Interval
from htcore.types import FloatArray

_CURVE_THRESHOLDS = np.linspace(0.01, 0.99, 99)


@dataclass(frozen=True)
class OperatingPoint:
    """Every figure that the threshold moves.

    Attributes
    ----------
    prevalence : float
        Of the population that ``ppv`` and ``npv`` hold for; the other figures are of the scans as they are.
    figures : name → Interval
        The figures of `metrics.of_cells` and ``net_benefit`` (true positives a scan).
    """

    threshold: float
    prevalence: float
    confusion: Confusion
    figures: Mapping[str, Interval]


def operating_point(bootstrap: Bootstrap, threshold: float, prevalence: float | None = None) -> OperatingPoint:
    """Measure calls at ``threshold``.

    Parameters
    ----------
    threshold
        Probability in [0, 1] from which on a scan is called positive.
    prevalence
        Share of events in (0, 1) where the model is used; that of the scans themselves if not given.

    Raises
    ------
    UsageError
        If the threshold is no probability or the prevalence lies not between 0 and 1.
    """
    validation = bootstrap.validation
    figures = bootstrap.at_threshold(threshold)
    tp, fp, events, others = (part.reshape(len(part), -1)[:, 0] for part in bootstrap.called(np.array([threshold])))
    figures["net_benefit"] = interval(metrics.net_benefit(tp, fp, events + others, threshold))
    own = validation.n_events / validation.n_scans
    if prevalence is not None:
        if not 0.0 < prevalence < 1.0:
            raise UsageError("The prevalence must lie between 0 and 1, both excluded.")
        sensitivity, specificity = metrics.ratio(tp, events), metrics.ratio(others - fp, others)
        ppv, npv = metrics.predictive_values(sensitivity, specificity, prevalence)
        figures.update(ppv=interval(ppv), npv=interval(npv))
        _widen(figures, prevalence)
    counts = Confusion(*(int(part[0]) for part in (tp, fp, events - tp, others - fp)))
    return OperatingPoint(threshold, own if prevalence is None else prevalence, counts, figures)


def _widen(figures: dict[str, Interval], prevalence: float) -> None:
    """Predictive values on which every resample agrees, as the ends of sensitivity's and specificity's intervals."""
    sensitivity, specificity = figures["sensitivity"], figures["specificity"]
    values = metrics.predictive_values(
        np.array([sensitivity.low, sensitivity.high]), np.array([specificity.low, specificity.high]), prevalence
    )
    for name, bounds in zip(("ppv", "npv"), values, strict=True):
        found = figures[name]
        if found.value in (0.0, 1.0) and found.low == found.high and np.isfinite(bounds).all():
            figures[name] = Interval(found.value, float(bounds.min()), float(bounds.max()))


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit, in true positives a scan, of calling by the model, of calling every scan, and (0) of calling none.

    Attributes
    ----------
    thresholds, model, low, high, treat_all : (points,)
        ``low`` and ``high`` bound the model's 95% interval.
    """

    thresholds: FloatArray
    model: FloatArray
    low: FloatArray
    high: FloatArray
    treat_all: FloatArray


def decision_curve(bootstrap: Bootstrap, thresholds: FloatArray = _CURVE_THRESHOLDS) -> DecisionCurve:
    """Net benefit at each of ``thresholds``, each in (0, 1): 1% to 99% where not given."""
    tp, fp, events, others = bootstrap.called(thresholds)
    total = (events + others)[:, None]
    model = metrics.net_benefit(tp, fp, total, thresholds)
    everyone = metrics.net_benefit(events[:1, None], others[:1, None], total[:1], thresholds)[0]
    low, high = np.percentile(model[1:], [2.5, 97.5], axis=0)
    return DecisionCurve(thresholds, model[0], low, high, everyone)


def youden_threshold(curve: RocCurve) -> float:
    """Threshold of the largest sensitivity + specificity − 1; the lowest wins a tie (Youden 1950)."""
    gain = curve.sensitivity - curve.false_positive_rate
    return _midway(curve, int(np.flatnonzero(gain == gain.max())[-1]))


def sensitivity_threshold(curve: RocCurve, at_least: float) -> float:
    """The highest threshold whose sensitivity on these scans reaches ``at_least``."""
    return _midway(curve, int(np.argmax(curve.sensitivity >= at_least)))


def cost_threshold(missed_over_false: float) -> float:
    """Threshold of least expected cost where a missed event costs so many times a false alarm.

    For a calibrated probability it is 1 / (1 + ratio), whatever the cohort (Pauker and Kassirer 1975,
    10.1056/NEJM197507312930501); a probability holds at one prevalence, and ``shift_prevalence`` moves it to another.

    Raises
    ------
    UsageError
        If the ratio is not above 0.
    """
    if not missed_over_false > 0:
        raise UsageError("The cost ratio must be above 0: say how many false alarms one missed event is worth.")
    return 1.0 / (1.0 + missed_over_false)


def _midway(curve: RocCurve, at: int) -> float:
    """Between a point's score and the next lower one, so that rounding moves no scan to the other side."""
    scores = curve.thresholds
    if at == 0:
        return 1.0
    return float(scores[at] if at + 1 == scores.size else (scores[at] + scores[at + 1]) / 2)
