"""Fewer points for a curve that a screen cannot show in full."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_POINTS = 600
"""A curve is some 500 pixels wide: more points cost the browser time and show nothing."""


def thinned(x: NDArray[np.float64], y: NDArray[np.float64], most: int = MOST_POINTS) -> NDArray[np.intp]:
    """Indices of at most ``most`` points, first and last among them, evenly spaced along the curve (points,)."""
    if x.size <= most:
        return np.arange(x.size, dtype=np.intp)
    length = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))))
    wanted = np.searchsorted(length, np.linspace(0.0, length[-1], most - 1))
    return np.unique(np.append(np.minimum(wanted, x.size - 1), x.size - 1)).astype(np.intp)
