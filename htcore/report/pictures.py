"""Slices and their maps as pictures for paper, in the viewer's window and colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htcore.transforms import reproject
from htcore.types import EVIDENCE_TOP, Assessment, FloatArray, Volume
from htcore.ui.viewer.description import SliceMarks, marks, telling_slices

Picture = NDArray[np.uint8]
"""(rows, columns, 3), RGB."""

# The viewer's stroke window and its colours (see the viewer's view.js and colours.js).
_WIDTH_HU, _CENTRE_HU = 40.0, 40.0
_BLUE = np.array([[158, 202, 225], [66, 146, 198], [8, 81, 156]], dtype=np.float64)
_ORANGE = np.array([[253, 208, 162], [253, 141, 60], [217, 72, 1]], dtype=np.float64)
_OPACITY = 0.7


@dataclass(frozen=True, eq=False)
class KeySlice:
    """One of the slices that move the model most, plain and with the evidence map over it.

    Attributes
    ----------
    index : int
        Of the original slice, from 0.
    marks : SliceMarks
        The patient's directions at the picture's borders.
    size_mm : (width, height) of the picture
    """

    index: int
    z_mm: float
    contribution: float
    plain: Picture
    mapped: Picture
    marks: SliceMarks
    size_mm: tuple[float, float]


def key_slices(assessment: Assessment) -> tuple[KeySlice, ...]:
    """The most telling slices, the strongest first; none where nothing was explained.

    The map's colours are on the one scale of all scans: ``EVIDENCE_TOP`` and what lies beyond is full colour.
    """
    volume, evidence = assessment.volume, assessment.evidence
    if evidence is None:
        return ()
    chosen = list(telling_slices(evidence))
    if not chosen:
        return ()
    part = Volume(volume.hu[chosen], volume.affines[chosen], volume.thickness_mm[chosen])
    shares = reproject(evidence.evidence_map, evidence.grid, part, step=1) / EVIDENCE_TOP
    contributions = {entry.index: entry.contribution for entry in evidence.slices}
    rows_mm, columns_mm = volume.pixel_spacing_mm
    _, rows, columns = volume.shape
    return tuple(
        KeySlice(
            index=index,
            z_mm=float(volume.centres_mm[index, 2]),
            contribution=contributions[index],
            plain=windowed(volume.hu[index]),
            mapped=overlaid(windowed(volume.hu[index]), shares[k].astype(np.float64)),
            marks=marks(volume.affines[index]),
            size_mm=(columns * columns_mm, rows * rows_mm),
        )
        for k, index in enumerate(chosen)
    )


def windowed(hu: NDArray[np.int16]) -> Picture:
    """HU, shape (rows, columns), in the stroke window."""
    grey = np.clip(((hu.astype(np.float64) - _CENTRE_HU) / _WIDTH_HU + 0.5) * 255.0, 0, 255)
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)


def overlaid(picture: Picture, share: FloatArray) -> Picture:
    """``picture`` with a map over it; ``share`` is the map over the top of its scale, -1 to 1."""
    alpha = (_OPACITY * np.abs(np.clip(share, -1, 1)) ** 0.7)[..., None]
    mixed = picture * (1 - alpha) + colours(share) * alpha
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def colours(share: FloatArray) -> FloatArray:
    """Blue below 0 and orange above, darker with the size; (...) → (..., 3) in 0–255."""
    size = np.clip(np.abs(share), 0, 1)
    stops = np.linspace(0, 1, len(_BLUE))
    blue, orange = (
        np.stack([np.interp(size, stops, scale[:, channel]) for channel in range(3)], axis=-1)
        for scale in (_BLUE, _ORANGE)
    )
    return np.where((share < 0)[..., None], blue, orange)


def colour_bar(width: int = 200, height: int = 12) -> Picture:
    """The map's colour scale on black, from -1 on the left to 1."""
    share = np.repeat(np.linspace(-1, 1, width)[None], height, axis=0)
    return overlaid(np.full((height, width, 3), 70, dtype=np.uint8), share)
