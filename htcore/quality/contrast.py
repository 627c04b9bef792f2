"""Contrast agent that the file does not speak of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.quality import thresholds as at
from htcore.quality.frame import Frame
from htcore.quality.head import Head, grown, next_slices
from htcore.types import Finding

_AROUND = np.ones((3, 3, 3))
_MESSAGE = "are as dense as with contrast agent, though the file names none: give the plain scan."


@dataclass(frozen=True)
class Vessel:
    """A long dense piece inside the brain."""

    volume_ml: float
    length_mm: float
    place_mm: tuple[float, float, float]


def contrast_suspected(head: Head, frame: Frame) -> Iterator[Finding]:
    """A refusal where several vessels or the sagittal sinus are enhanced, a warning where one may be."""
    vessels = find_vessels(head, frame)
    above = sinus_excess_hu(head, frame)
    if len(vessels) >= at.MIN_VESSELS:
        yield Finding("contrast_suspected", "refuse", f"{len(vessels)} vessels {_MESSAGE}", vessels[0].place_mm)
    elif above is not None and above >= at.SINUS_CONTRAST_HU:
        message = f"The sagittal sinus is {above:.0f} HU denser than brain. Vessels {_MESSAGE}"
        yield Finding("contrast_suspected", "refuse", message)
    elif any(one.length_mm >= at.LONG_VESSEL_MM and one.volume_ml >= at.LONG_VESSEL_ML for one in vessels):
        message = "A long dense piece inside the brain may be a vessel with contrast agent, or calcium: look at it."
        yield Finding("contrast_suspected", "warn", message, vessels[0].place_mm)


def find_vessels(head: Head, frame: Frame) -> list[Vessel]:
    """Long dense pieces far from bone, the largest first."""
    pixel = head.pixel_mm
    whole = np.stack([ndimage.binary_fill_holes(section) for section in head.brain])
    bony = grown(frame.skull, at.VESSEL_MARGIN_MM, pixel) | next_slices(grown(frame.skull, at.BONE_MARGIN_MM, pixel))
    low, high = at.VESSEL_HU
    labels, _ = ndimage.label(whole & ~bony & (head.hu > low) & (head.hu < high), _AROUND)
    out = []
    for index, window in enumerate(ndimage.find_objects(labels), start=1):
        piece = labels[window] == index
        volume = float((piece.sum(axis=(1, 2)) * head.voxel_ml[window[0], 0, 0]).sum())
        sides = [(edge.stop - edge.start) * pixel for edge in window[1:]]
        height = float(head.z_mm[window[0].stop - 1] - head.z_mm[window[0].start])
        length = float(np.linalg.norm([height, *sides]))
        deep = float(np.median(head.bone_nearby[window][piece])) < at.VESSEL_BONE_NEARBY
        if deep and volume >= at.MIN_VESSEL_ML and length >= at.MIN_VESSEL_MM:
            out.append(Vessel(volume, length, _place(head, piece, window)))
    return sorted(out, key=lambda one: -one.volume_ml)


def sinus_excess_hu(head: Head, frame: Frame) -> float | None:
    """How much denser the sagittal sinus is than brain beside it, upper quartile over slices; ``None`` if not seen."""
    zone = (frame.from_bone > at.BONE_MARGIN_MM) & (frame.from_bone < 7.0) & grown(head.brain, 4.8, head.pixel_mm)
    zone &= (frame.back > 0.55) & (frame.below_vertex > 12.0) & (frame.below_vertex < 75.0)
    off = np.abs(frame.from_midline)
    differences = []
    for hu, sinus, beside in zip(head.hu, zone & (off < 4.5), zone & (off > 10.0) & (off < 25.0), strict=True):
        if sinus.sum() >= 4 and beside.sum() >= 10:
            differences.append(float(np.percentile(hu[sinus], 80) - np.percentile(hu[beside], 80)))
    return float(np.percentile(differences, 75)) if len(differences) >= 4 else None


def _place(head: Head, piece: NDArray[np.bool_], window: tuple[slice, ...]) -> tuple[float, float, float]:
    points = np.argwhere(piece)
    nearest = points[np.abs(points - points.mean(axis=0)).sum(axis=1).argmin()]
    k, r, c = (int(one) + edge.start for one, edge in zip(nearest, window, strict=True))
    return head.to_mm(k, r, c)
