"""Clips, coils and fillings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from htcore.quality import thresholds as at
from htcore.quality.head import Head, grown, next_slices, where_mm
from htcore.types import Finding, FloatArray, Volume


def metal(volume: Volume, head: Head) -> Iterator[Finding]:
    """A warning where something inside the skull is denser than any bone."""
    places, amount = _dense_places(volume, head)
    if amount >= at.MIN_METAL_MM3:
        middle = places.mean(axis=0)
        message = (
            "There is metal inside the skull: its streaks can hide or mimic changes of the brain, and blood is not "
            "looked for in its slices."
        )
        yield Finding("metal", "warn", message, (float(middle[0]), float(middle[1]), float(middle[2])))


def streaked_slices(volume: Volume, head: Head) -> NDArray[np.bool_]:
    """Slices of the head's grid that metal's streaks reach; shape (slices,)."""
    out = np.zeros(head.hu.shape[0], dtype=np.bool_)
    places, amount = _dense_places(volume, head)
    if amount >= at.MIN_METAL_MM3:
        out[head.to_grid(places)[:, 0]] = True
    return next_slices(out)


def _dense_places(volume: Volume, head: Head) -> tuple[FloatArray, float]:
    """Places in mm of pixels inside the skull denser than bone, and their volume in cubic millimetres."""
    near = grown(head.brain, 6.0, head.pixel_mm)
    dense, amount = [], 0.0
    for k, places in where_mm(volume, lambda hu: hu >= at.METAL_HU):
        dense.append(places[near[tuple(head.to_grid(places).T)]])
        amount += float(volume.thickness_mm[k]) * len(dense[-1])
    rows_mm, columns_mm = volume.pixel_spacing_mm
    return np.concatenate(dense), amount * rows_mm * columns_mm
