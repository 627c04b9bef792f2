"""Small values that evaluation hands to pages, plots and files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htcore.errors import UsageError


def outcomes(labels: ArrayLike) -> NDArray[np.bool_]:
    """Labels as booleans, so that 1 and 0 choose no rows by number.

    Raises
    ------
    UsageError
        If one is neither true, false, 1 nor 0.
    """
    given = np.asarray(labels)
    found: NDArray[np.bool_] = given == 1
    if not (found | (given == 0)).all():
        raise UsageError("outcomes are true and false, or 1 and 0")
    return found


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% interval; NaN where it is undefined (a precision where nothing was called positive)."""

    value: float
    low: float
    high: float

    @classmethod
    def from_resamples(cls, value: float, resamples: NDArray[np.float64]) -> Interval:
        """Percentile interval over the resamples in which the figure is defined; infinite ones count among them."""
        defined = resamples[~np.isnan(resamples)]
        if not np.isfinite(value) or defined.size == 0:
            return cls(float("nan"), float("nan"), float("nan"))
        if np.isfinite(defined).all():
            low, high = np.percentile(defined, [2.5, 97.5])
        else:  # between a number and infinity there is nothing to interpolate
            place = np.array([0.025, 0.975]) * (defined.size - 1)
            low, high = np.sort(defined)[[int(np.floor(place[0])), int(np.ceil(place[1]))]]
        return cls(float(value), float(low), float(high))

    def with_exact_end(self, n: int) -> Interval:
        """For a share of 0 or 1 on which every resample agrees: the exact interval of ``n`` alike.

        Resampling cannot show what was never seen: none of four is 0% to 60% (Clopper & Pearson 1934).
        """
        if self.value not in (0.0, 1.0) or self.low != self.high or n < 1:
            return self
        reach = 1.0 - 0.025 ** (1.0 / n)
        return Interval(self.value, 0.0, reach) if self.value == 0.0 else Interval(self.value, 1.0 - reach, 1.0)

    @classmethod
    def raised_by_chance(cls, value: float, resamples: NDArray[np.float64]) -> Interval:
        """For a figure of at least 0 that chance alone raises, in a resample twice: shifted to the figure's place.

        The percentile interval less the distance between the resamples' median and ``value``, cut at 0.
        """
        found = cls.from_resamples(value, resamples)
        excess = float(np.median(resamples[np.isfinite(resamples)])) - value
        return cls(found.value, max(0.0, found.low - excess), max(0.0, found.high - excess))


@dataclass(frozen=True)
class Confusion:
    """Counts of scans: outcome against call."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @classmethod
    def at(cls, labels: NDArray[np.bool_], probability: NDArray[np.float64], threshold: float) -> Confusion:
        """Counts where a probability at or above ``threshold`` is a positive call."""
        labels, called = outcomes(labels), probability >= threshold
        return cls(
            int((labels & called).sum()),
            int((~labels & called).sum()),
            int((labels & ~called).sum()),
            int((~labels & ~called).sum()),
        )
