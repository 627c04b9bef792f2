"""What the validation set says about one scan: how scans that score like it ended, and what its call is worth.

All of it can be asked for another prevalence than that of the model's own population. Outcomes are then weighted from
the validation scans' own prevalence, risks shifted from the calibration patients': the dial and the words agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htcore.errors import UsageError
from htcore.evaluation import Interval, ValidationSet
from htcore.evaluation.metrics import at_threshold, ratio
from htcore.inference.calibrate import shift_prevalence

HALF_WIDTHS = (0.05, 0.10)
"""How far off a scan may score and still be like this one; the wider only where the narrower holds too few."""

MIN_SCANS = 20
"""Of fewer, no share is given: its interval would span more than 40 points in the middle of the scale."""

_RESAMPLES = 1000
_Z = 1.959963984540054  # two-sided 95% of the normal distribution


@dataclass(frozen=True)
class Peers:
    """Validation scans that score like one scan.

    Attributes
    ----------
    low, high : float
        The range of risk that they share, at the asked prevalence, in [0, 1].
    n_scans, n_patients, n_events : int
        How many, as they are in the validation set.
    share : Interval or None
        Share with hemorrhagic transformation at the asked prevalence; ``None`` where there are too few scans.
    """

    low: float
    high: float
    n_scans: int
    n_patients: int
    n_events: int
    share: Interval | None


@dataclass(frozen=True)
class PredictiveValues:
    """What a call at the threshold is worth at a prevalence; shares in [0, 1] with their 95% intervals."""

    ppv: Interval
    npv: Interval
    sensitivity: Interval
    specificity: Interval
    prevalence: float


def find_peers(validation: ValidationSet, probability: float, before: float, after: float) -> Peers:
    """How validation scans ended whose risk lies near ``probability``.

    Parameters
    ----------
    validation
        Predictions at the model's own prevalence.
    probability
        The scan's risk at the model's own prevalence.
    before, after
        The model's own prevalence and the asked one, in (0, 1). Where both are the same, the share is as observed.

    Notes
    -----
    The interval is Wilson's (1927) with the patients counted, not the scans: scans of one patient are alike.
    """
    for half_width in HALF_WIDTHS:
        near = np.abs(validation.probability - probability) <= half_width
        if near.sum() >= MIN_SCANS:
            break
    low, high = max(1e-6, probability - half_width), min(1 - 1e-6, probability + half_width)
    n_scans, n_events = int(near.sum()), int(validation.labels[near].sum())
    n_patients = len(np.unique(validation.patient[near]))
    share = None
    if n_scans >= MIN_SCANS:
        found = (n_events / n_scans, *wilson(n_events / n_scans, n_patients))
        observed = validation.n_events / validation.n_scans
        share = Interval(*(found if before == after else (shift_prevalence(value, observed, after) for value in found)))
    return Peers(
        shift_prevalence(low, before, after),
        shift_prevalence(high, before, after),
        n_scans,
        n_patients,
        n_events,
        share,
    )


def wilson(share: float, count: int) -> tuple[float, float]:
    """95% interval of a share found in ``count`` draws (Wilson 1927)."""
    centre = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    reach = _Z * np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return max(0.0, float(centre - reach)), min(1.0, float(centre + reach))


def predictive_values(
    validation: ValidationSet, threshold: float, prevalence: float, rng: np.random.Generator
) -> PredictiveValues:
    """PPV and NPV at a prevalence from the validation set's sensitivity and specificity (Altman & Bland 1994).

    Parameters
    ----------
    validation
        Predictions at the model's own prevalence.
    threshold
        The decision threshold at the model's own prevalence; it divides the same scans at any other.
    prevalence
        Share of patients with hemorrhagic transformation, in (0, 1).
    rng
        Draws patients for the intervals: all scans of a drawn patient come along.

    Raises
    ------
    UsageError
        If the prevalence is no share between 0 and 1.
    """
    if not 0 < prevalence < 1:
        raise UsageError("The prevalence must lie between 0 and 1, both excluded.")
    n = validation.n_patients
    weights = np.ones((_RESAMPLES + 1, validation.n_scans))
    weights[1:] = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)[:, validation.patient]
    found = at_threshold(validation.labels, validation.probability, threshold, weights)
    sensitivity, specificity = found["sensitivity"], found["specificity"]
    hits, misses = sensitivity * prevalence, (1 - sensitivity) * prevalence
    cleared, alarms = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
    return PredictiveValues(
        ppv=_interval(ratio(hits, hits + alarms)),
        npv=_interval(ratio(cleared, cleared + misses)),
        sensitivity=_interval(sensitivity),
        specificity=_interval(specificity),
        prevalence=prevalence,
    )


def _interval(values: NDArray[np.float64]) -> Interval:
    return Interval.from_resamples(float(values[0]), values[1:])
