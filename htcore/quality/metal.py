"""Clips, coils and fillings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from htcore.quality import thresholds as at
from htcore.quality.head import Head, grown
from htcore.quality.values import points_mm
from htcore.types import Finding, Volume


def metal(volume: Volume, head: Head) -> Iterator[Finding]:
    """A warning where something inside the skull is denser than any bone."""
    k, rows, columns = np.nonzero(volume.hu >= at.METAL_HU)
    if k.size == 0:
        return
    places = points_mm(volume, k, rows, columns)
    inside = grown(head.brain, 6.0, head.pixel_mm)[tuple(head.to_grid(places).T)]
    rows_mm, columns_mm = volume.pixel_spacing_mm
    amount = float((volume.thickness_mm[k] * inside).sum()) * rows_mm * columns_mm
    if amount >= at.MIN_METAL_MM3:
        middle = places[inside].mean(axis=0)
        place = float(middle[0]), float(middle[1]), float(middle[2])
        message = "There is metal inside the skull: its streaks can hide or mimic changes of the brain."
        yield Finding("metal", "warn", message, place)
