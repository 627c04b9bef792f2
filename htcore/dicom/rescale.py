"""Stored values without a rescale: are they Hounsfield units, or offset by 1024? Air, brain and bone have to agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What scanners write: HU as they are (signed), or with 1024 added so that nothing is negative.
USUAL_INTERCEPTS = (0.0, -1024.0)
# Share of the pixels that must read as air, soft tissue and bone: in a head CT about 50, 25 and 7%.
_AIR_HU, _MIN_AIR = (-1050, -900), 0.05
_SOFT_HU, _MIN_SOFT = (0, 80), 0.08
_BONE_HU, _MIN_BONE = (300, 3000), 0.005


def confirmed_intercept(stored: NDArray[Any], slope: float, candidates: Sequence[float]) -> float | None:
    """The intercept with which air, soft tissue and bone lie where they belong; ``None`` unless exactly one does so.

    Parameters
    ----------
    stored
        Stored values of some slices through the head, any shape.
    slope
        (0028,1053) where the files have it, else 1.
    candidates
        (0028,1052) where the files have it, else ``USUAL_INTERCEPTS``.
    """
    values = stored.astype(np.float64) * slope
    fitting = [intercept for intercept in candidates if _plausible(values + intercept)]
    return fitting[0] if len(fitting) == 1 else None


def _plausible(hu: NDArray[np.float64]) -> bool:
    return all(
        float(((hu >= low) & (hu <= high)).mean()) >= least
        for (low, high), least in ((_AIR_HU, _MIN_AIR), (_SOFT_HU, _MIN_SOFT), (_BONE_HU, _MIN_BONE))
    )
