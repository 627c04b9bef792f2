"""Which neighbouring slices are averaged where they are thinner than needed."""

from __future__ import annotations

import numpy as np

from htcore.types import FloatArray

_EVEN_MM = 0.1  # steps that differ by less are rounding of positions


def slice_groups(positions_mm: FloatArray, size: int) -> list[slice]:
    """Ranges of slices that together are as thick as ``size`` slices of the usual step.

    Parameters
    ----------
    positions_mm : shape (slices,), ascending
    size : int
        At least 1.

    Notes
    -----
    In an even stack these are ``size`` slices each, and a rest of fewer is left out. In an uneven one, thin slices over
    the base and thick ones above, the millimetres are counted: nothing is averaged across a wider step, and a rest
    makes a group of its own.
    """
    n = len(positions_mm)
    steps = np.diff(positions_mm)
    size = min(size, n)
    if size == 1 or np.ptp(steps) <= _EVEN_MM:
        return [slice(start, start + size) for start in range(0, n - size + 1, size)]
    most_mm = size * float(np.median(steps)) + _EVEN_MM
    starts = [0]
    for k in range(1, n):
        if positions_mm[k] - positions_mm[starts[-1]] + steps[k - 1] > most_mm:
            starts.append(k)
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], n], strict=True)]
