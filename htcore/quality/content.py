"""Is it a head, with its skull, and is the brain covered?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.quality import thresholds as at
from htcore.quality.head import Head
from htcore.types import Finding, Volume


def content(volume: Volume, head: Head) -> Iterator[Finding]:
    """What the picture shows."""
    body = np.stack([_largest(section > at.BODY_HU) for section in head.hu])
    bone = float(np.count_nonzero(body & (head.hu > at.BONE_HU))) / max(float(np.count_nonzero(body)), 1.0)
    short, long = _extents(body, head.pixel_mm)
    if short < at.MIN_EXTENT_MM or long > at.MAX_EXTENT_MM:
        message = (
            f"The body measures {short:.1f} × {long:.1f} mm, a head has {at.MIN_EXTENT_MM:.0f} to "
            f"{at.MAX_EXTENT_MM:.0f} mm: give a head CT."
        )
        yield Finding("not_a_head", "refuse", message)
    elif bone > at.MAX_BONE_FRACTION:
        yield Finding("not_a_head", "refuse", f"{bone:.0%} of the body is bone: give a head CT in HU.")
    if bone < at.MIN_BONE_FRACTION or head.millilitres(head.brain) < _least_brain_ml(head):
        message = "No closed skull surrounds the brain: give the CT as acquired, with skull, in Hounsfield units."
        yield Finding("skull_missing", "refuse", message)
    else:
        yield from _coverage(volume, head)


def _least_brain_ml(head: Head) -> float:
    """Of a scan that is too short for a whole brain, only its share; coverage is another question."""
    covered = float(head.height_mm.sum())
    return at.MIN_BRAIN_ML * min(1.0, covered / at.GOOD_COVERAGE_MM)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))


def _extents(body: NDArray[np.bool_], pixel_mm: float) -> tuple[float, float]:
    """Shorter and longer side in mm of the largest slice of the body."""
    k = int(body.sum(axis=(1, 2)).argmax())
    sides = [float(np.count_nonzero(body[k].any(axis=1 - axis))) * pixel_mm for axis in (0, 1)]
    return min(sides), max(sides)


def _coverage(volume: Volume, head: Head) -> Iterator[Finding]:
    inside = np.flatnonzero(head.brain.sum(axis=(1, 2)) * head.pixel_mm**2 > at.BRAIN_SLICE_MM2)
    extent = 0.0
    if inside.size:
        ends = head.z_mm[inside[[0, -1]]]
        nearest = np.abs(volume.positions_mm[:, None] - ends).argmin(axis=0)
        extent = float(ends[1] - ends[0] + volume.thickness_mm[nearest].mean())
    if extent < at.MIN_COVERAGE_MM:
        message = f"Only {extent:.1f} mm of brain are covered, at least {at.MIN_COVERAGE_MM:.0f} mm are needed."
        yield Finding("brain_not_covered", "refuse", f"{message} Give the whole head.")
    elif extent < at.GOOD_COVERAGE_MM:
        message = f"{extent:.1f} mm of brain are covered; a whole brain takes {at.GOOD_COVERAGE_MM:.0f} mm and more."
        yield Finding("brain_not_covered", "warn", message)
