"""DeLong's interval of an AUC and of a difference of two: Sun and Xu's fast form (10.1109/LSP.2014.2337313)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from htcore.errors import CohortError
from htcore.evaluation.values import Interval, outcomes


def delong_variance(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> tuple[float, float]:
    """AUC and its variance.

    Parameters
    ----------
    labels, scores : (scans,)
        Taken as independent: repeated scans of a patient make the variance too small.

    Raises
    ------
    CohortError
        Code ``one_class``, if there are fewer than two scans of either outcome.
    """
    of_positives, of_negatives = _placements(labels, scores)
    variance = of_positives.var(ddof=1) / of_positives.size + of_negatives.var(ddof=1) / of_negatives.size
    return float(of_positives.mean()), float(variance)


def delong_interval(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> Interval:
    """AUC with DeLong's 95% interval, cut to [0, 1]; see `delong_variance` for arguments and errors.

    An AUC of 0 or 1 has no variance: it has `Interval.with_exact_end`, counting pairs that share no scan.
    """
    value, variance = delong_variance(labels, scores)
    half = float(norm.ppf(0.975)) * variance**0.5
    found = Interval(value, max(0.0, value - half), min(1.0, value + half))
    events = int(np.count_nonzero(labels))
    return found.with_exact_end(min(events, len(labels) - events))


@dataclass(frozen=True)
class AucDifference:
    """AUC of the first score minus that of the second, with 95% interval, and the two-sided p of no difference."""

    difference: Interval
    p_value: float


def delong_difference(
    labels: NDArray[np.bool_], first: NDArray[np.float64], second: NDArray[np.float64]
) -> AucDifference:
    """Two scores of the same scans compared (DeLong et al. 1988, 10.2307/2531595, section 3).

    Parameters
    ----------
    labels, first, second : (scans,)
        Taken as independent scans: give one scan a patient.

    Raises
    ------
    CohortError
        Code ``one_class``, if there are fewer than two scans of either outcome.
    """
    parts = [_placements(labels, scores) for scores in (first, second)]
    by_event = parts[0][0] - parts[1][0]
    by_other = parts[0][1] - parts[1][1]
    value = float(by_event.mean())
    deviation = float((by_event.var(ddof=1) / by_event.size + by_other.var(ddof=1) / by_other.size) ** 0.5)
    half = float(norm.ppf(0.975)) * deviation
    if deviation > 0:
        p_value = 2 * float(norm.sf(abs(value) / deviation))
    else:
        p_value = 1.0 if value == 0 else 0.0
    return AucDifference(Interval(value, max(-1.0, value - half), min(1.0, value + half)), p_value)


def _placements(
    labels: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each event the share of others it exceeds, for each other the share of events that exceed it."""
    events = outcomes(labels)
    positives, negatives = scores[events], scores[~events]
    m, n = positives.size, negatives.size
    if min(m, n) < 2:
        raise CohortError("An interval needs at least two scans of each outcome: add scans.", code="one_class")
    among_all = rankdata(np.concatenate((positives, negatives)))
    of_positives = (among_all[:m] - rankdata(positives)) / n
    of_negatives = 1 - (among_all[m:] - rankdata(negatives)) / m
    return of_positives, of_negatives
