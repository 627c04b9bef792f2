"""Acute blood that can be seen already: clusters denser than brain is at such a place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.quality import thresholds as at
from htcore.quality.frame import Frame
from htcore.quality.head import Head, grown, next_slices
from htcore.types import Finding, FloatArray, Side

_AROUND = np.ones((3, 3, 3))
# Smoothing in mm: just above a pixel for clots, wider along the rim where a film is averaged over its area.
_CLOT_BLUR_MM, _RIM_BLUR_MM = 1.2, 3.0
# Shares of bone nearby between which the usual brightness is interpolated, and the voxels that one needs.
_SHARES = np.arange(0.0, 0.62, 0.04)
_MIN_VOXELS = 150


@dataclass(frozen=True)
class Clot:
    """What looks like acute blood: about how much, how dense, and where its largest part lies."""

    volume_ml: float
    hu: float
    place_mm: tuple[float, float, float]
    side: Side
    from_midline_mm: float


def acute_blood(head: Head, frame: Frame) -> Iterator[Finding]:
    """A refusal where blood is seen."""
    clot = find_clot(head, frame)
    if clot is None:
        return
    if clot.side == "midline":
        where = "in the midline"
    else:
        where = f"on the patient's {clot.side}, {clot.from_midline_mm:.0f} mm from the midline"
    message = (
        f"About {clot.volume_ml:.0f} mL as dense as fresh blood ({clot.hu:.0f} HU) lie {where}: acute bleeding seems "
        "to be there already, so its risk is no longer the question. Have the scan read now."
    )
    yield Finding("acute_blood", "refuse", message, clot.place_mm)


def find_clot(head: Head, frame: Frame) -> Clot | None:
    """The blood in ``head``, or ``None``.

    Notes
    -----
    Brain is compared with what the same scan shows at places with as much bone nearby, so that beam hardening and
    partial volume under the skull and at its base cancel. Two questions are asked: is there a cluster 12 HU above
    that, and is the rim under the skull 8 HU above that over an area? Blur around calcium is left out, and near the
    dural sinuses only what is larger than a sinus counts.
    """
    tissue = head.hu[frame.clean & (head.hu > at.MIN_BRAIN_HU) & (head.hu < at.MAX_BRAIN_HU)]
    if tissue.size < _MIN_VOXELS:
        return None
    reference = float(np.median(tissue))
    parts = [*_clots(head, frame, reference), *_films(head, frame, reference)]
    if not parts:
        return None
    union = np.logical_or.reduce(parts)
    largest = max(parts, key=head.millilitres)
    return _described(head, frame, union, largest)


def _clots(head: Head, frame: Frame, reference_hu: float) -> Iterator[NDArray[np.bool_]]:
    """Clusters 12 HU above the usual, calcium and its blur left out."""
    smooth = _blurred(head.hu, frame.clean, _CLOT_BLUR_MM / head.pixel_mm)
    excess = smooth - _usual(smooth, frame.clean, head.bone_nearby, reference_hu)
    calcium = next_slices(grown((head.hu > at.CALCIUM_HU) & frame.clean, at.CALCIUM_MARGIN_MM, head.pixel_mm))
    for part in _parts((excess > at.BLOOD_EXCESS_HU) & frame.clean & ~calcium, head, at.MIN_BLOOD_ML / 2):
        if _is_calcium(excess, part, head, frame):
            continue
        if _clot_ml(excess, part, head) >= _needed_ml(part, head, frame, at.MIN_BLOOD_ML):
            yield part


def _is_calcium(excess: FloatArray, part: NDArray[np.bool_], head: Head, frame: Frame) -> bool:
    """Small with a peak, or in the basal ganglia of both sides."""
    volume = head.millilitres(part)
    k, r, c = (round(float(index.mean())) for index in np.nonzero(part))
    off, back = float(frame.from_midline[k, r, c]), float(frame.back[0, r, 0])
    (near, far), (front, rear) = at.GANGLIA_OFF_MIDLINE_MM, at.GANGLIA_BACK
    ganglia = near < abs(off) < far and front < back < rear and head.bone_nearby[k, r, c] < 0.05
    small = volume < (at.GANGLIA_ONE_SIDE_ML if ganglia else at.SMALL_CALCIUM_ML)
    if small and excess[part].max() > at.CALCIUM_PEAK_HU:
        return True
    if not ganglia or volume >= at.GANGLIA_ML:
        return False
    reach = round(at.MIRROR_MM / head.pixel_mm)
    mirrored = round(c - 2 * off / head.pixel_mm)
    window = excess[max(0, k - 1) : k + 2, max(0, r - reach) : r + reach + 1, max(0, mirrored - reach) :][
        :, :, : 2 * reach + 1
    ]
    return bool((window > at.BLOOD_EXCESS_HU).any())


def _films(head: Head, frame: Frame, reference_hu: float) -> Iterator[NDArray[np.bool_]]:
    """Parts of the rim under the skull that are 8 HU above the usual rim."""
    rim = frame.clean & (frame.from_bone <= at.RIM_MM)
    smooth = _blurred(np.clip(head.hu, -20.0, 90.0), rim, _RIM_BLUR_MM / head.pixel_mm)
    excess = smooth - _usual(smooth, rim, head.bone_nearby, reference_hu)
    above_base = frame.below_vertex < at.BASE_BELOW_VERTEX_MM
    for part in _parts((excess > at.RIM_EXCESS_HU) & rim & above_base, head, at.MIN_RIM_ML):
        if head.millilitres(part) >= _needed_ml(part, head, frame, at.MIN_RIM_ML):
            yield part


def _needed_ml(part: NDArray[np.bool_], head: Head, frame: Frame, usual_ml: float) -> float:
    """How large a cluster must be where it lies."""
    needed = [usual_ml]
    for zone, amount in (
        (frame.sinus(head.bone_nearby), at.MIN_SINUS_ML),
        (frame.falx(), at.MIN_FALX_ML),
        (frame.base(head.bone_nearby), at.MIN_BASE_ML),
        (frame.artery(), at.MIN_ARTERY_ML),
    ):
        if zone[part].mean() > 0.5:
            needed.append(amount)
    return max(needed)


def _blurred(hu: NDArray[np.float32], where: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """Gaussian mean within each slice over ``where`` alone."""
    out = np.empty_like(hu)
    for k, inside in enumerate(where):
        weight = inside.astype(np.float32)
        total = cv2.GaussianBlur(hu[k] * weight, (0, 0), sigma)
        out[k] = total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
    return out


def _usual(
    smooth: NDArray[np.float32], where: NDArray[np.bool_], bone_nearby: NDArray[np.float32], reference_hu: float
) -> FloatArray:
    """The upper quartile of this scan at places with as much bone nearby; it does not fall towards bone.

    A quartile, so that blood under a quarter of the rim does not hide itself; the upper one, so that sulci with
    their fluid do not make brain look bright.
    """
    bins = np.clip((bone_nearby[where] / (_SHARES[1] - _SHARES[0])).astype(np.intp), 0, len(_SHARES) - 1)
    values = smooth[where]
    levels = np.full(len(_SHARES), np.nan)
    for index in range(len(_SHARES)):
        here = values[bins == index]
        if here.size >= _MIN_VOXELS:
            levels[index] = np.percentile(here, 75.0)
    known = np.flatnonzero(~np.isnan(levels))
    filled = np.interp(np.arange(len(_SHARES)), known, levels[known]) if known.size else levels
    rising = np.fmax(np.fmax.accumulate(filled), reference_hu + 1.0)
    return np.asarray(np.interp(bone_nearby, _SHARES + (_SHARES[1] - _SHARES[0]) / 2, rising))


def _parts(mask: NDArray[np.bool_], head: Head, min_ml: float) -> Iterator[NDArray[np.bool_]]:
    """Connected parts of at least ``min_ml``."""
    labels, count = ndimage.label(mask, _AROUND)
    weights = np.broadcast_to(head.voxel_ml, mask.shape)[mask]
    volumes = np.bincount(labels[mask], weights=weights, minlength=count + 1)
    for index in np.flatnonzero(volumes >= min_ml):
        if index:
            yield labels == index


def _clot_ml(excess: FloatArray, part: NDArray[np.bool_], head: Head) -> float:
    """Millilitres of a clot of 65 HU that would add as much."""
    weights = np.broadcast_to(head.voxel_ml, part.shape)[part]
    return float((weights * np.clip(excess[part], 0.0, 40.0)).sum()) / at.CLOT_EXCESS_HU


def _described(head: Head, frame: Frame, union: NDArray[np.bool_], largest: NDArray[np.bool_]) -> Clot:
    k, r, c = np.nonzero(largest)
    middle = np.array([k.mean(), r.mean(), c.mean()])
    # The voxel of the cluster nearest to its middle: a bent film's own middle lies outside it.
    nearest = int(np.abs(np.column_stack([k, r, c]) - middle).sum(axis=1).argmin())
    off = float(frame.from_midline[k[nearest], r[nearest], c[nearest]])
    side: Side = "midline" if abs(off) < 5.0 else "left" if off > 0 else "right"
    dense = float(np.percentile(head.hu[largest], 75.0))
    place = head.to_mm(float(k[nearest]), float(r[nearest]), float(c[nearest]))
    return Clot(head.millilitres(union), dense, place, side, abs(off))
