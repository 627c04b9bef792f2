"""Two ways of calling the same patients, compared: McNemar's exact test (10.1007/BF02295996)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom


@dataclass(frozen=True)
class McNemar:
    """Where two models disagree.

    Attributes
    ----------
    only_first, only_second : int
        Scans that only the first, only the second called right.
    p_value : float
        Two-sided, exact, of both being right equally often.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(labels: NDArray[np.bool_], first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Calls of the same scans compared.

    Parameters
    ----------
    labels, first, second : (scans,)
        Outcome and both calls, taken as independent scans: give one scan a patient.
    """
    right, other = first == labels, second == labels
    gained, lost = int((right & ~other).sum()), int((~right & other).sum())
    p_value = min(1.0, 2 * float(binom.cdf(min(gained, lost), gained + lost, 0.5))) if gained + lost else 1.0
    return McNemar(gained, lost, p_value)
