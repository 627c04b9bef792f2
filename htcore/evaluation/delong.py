"""DeLong's interval of an AUC: Sun and Xu's O(n log n) form (doi 10.1109/LSP.2014.2337313)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from htcore.errors import CohortError
from htcore.evaluation.values import Interval


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
    positives, negatives = scores[labels], scores[~labels]
    m, n = positives.size, negatives.size
    if min(m, n) < 2:
        raise CohortError("An interval needs at least two scans of each outcome: add scans.", code="one_class")
    among_all = rankdata(np.concatenate((positives, negatives)))
    of_positives = (among_all[:m] - rankdata(positives)) / n
    of_negatives = 1 - (among_all[m:] - rankdata(negatives)) / m
    variance = of_positives.var(ddof=1) / m + of_negatives.var(ddof=1) / n
    return float(of_positives.mean()), float(variance)


def delong_interval(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> Interval:
    """AUC with DeLong's 95% interval, cut to [0, 1]; see `delong_variance` for arguments and errors."""
    value, variance = delong_variance(labels, scores)
    half = float(norm.ppf(0.975)) * variance**0.5
    return Interval(value, max(0.0, value - half), min(1.0, value + half))
