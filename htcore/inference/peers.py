"""What the validation set says about one scan: how scans that score like it ended.

It can be asked for another prevalence than that of the model's own population. Outcomes are then weighted from the
validation scans' own prevalence, risks shifted from the calibration patients': the dial and the words agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from htcore.evaluation import Interval, ValidationSet
from htcore.inference.calibrate import shift_prevalence

HALF_WIDTHS = (0.05, 0.10)
"""How far off a scan may score and still be like this one; the wider only where the narrower holds too few."""

MIN_SCANS = 20
"""Of fewer, no share is given: its interval would span more than 40 points in the middle of the scale."""

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
