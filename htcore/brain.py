"""The brain in a plain head CT, from the CT alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BONE_HU = 150.0  # between brain with fresh blood (< 100) and bone blurred by partial volume
TISSUE_HU = (-15.0, 95.0)  # CSF with noise up to fresh blood; fat lies below
HEIGHT_MM = 165.0  # vertex to foramen magnum stays below this in adults: cuts off a neck in the field
_BALL = ndimage.generate_binary_structure(3, 1)


def brain_mask(hu: NDArray[np.float32], spacing_mm: float) -> NDArray[np.bool_]:
    """Brain, CSF spaces included, inside the skull.

    Parameters
    ----------
    hu : float32, shape (slices, rows, columns)
        Isotropic grid, slices towards the head, lightly smoothed by averaging.
    spacing_mm : float
        Its spacing; about 3 mm serves well.

    Returns
    -------
    bool, same shape
        Empty where no tissue is enclosed by bone.

    Notes
    -----
    Soft tissue that bone encloses in its slice, opened by about 6 mm so that scalp, orbits and neck part from
    the brain, then the largest component, regrown inside the tissue it came from.
    """
    bone = hu > BONE_HU
    tissue = (hu > TISSUE_HU[0]) & (hu < TISSUE_HU[1]) & ~bone
    enclosed = _enclosed_by_bone(bone) & tissue
    radius = max(1, round(6.0 / spacing_mm))
    core = ndimage.binary_erosion(enclosed, _BALL, iterations=radius)
    labels, count = ndimage.label(core)
    if count == 0:
        return np.zeros(hu.shape, dtype=np.bool_)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    seed = labels == sizes.argmax()
    grown = ndimage.binary_dilation(seed, _BALL, iterations=radius + 1, mask=enclosed)
    filled = np.stack([ndimage.binary_fill_holes(section) for section in grown])
    return _within_height(filled & ~bone, spacing_mm)


def _enclosed_by_bone(bone: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that meet bone in at least seven of the eight directions of their slice: tolerant of gaps in the base."""
    votes = np.zeros(bone.shape, dtype=np.int8)
    for axis in (1, 2):
        for reverse in (False, True):
            votes += _seen_along(bone, axis, reverse)
    votes_diagonal = _seen_diagonally(bone)
    return (votes + votes_diagonal >= 7) & ~bone


def _seen_along(bone: NDArray[np.bool_], axis: int, reverse: bool) -> NDArray[np.int8]:
    ordered = np.flip(bone, axis) if reverse else bone
    seen = np.maximum.accumulate(ordered, axis=axis)
    return (np.flip(seen, axis) if reverse else seen).astype(np.int8)


def _seen_diagonally(bone: NDArray[np.bool_]) -> NDArray[np.int8]:
    votes = np.zeros(bone.shape, dtype=np.int8)
    for flip_rows in (False, True):
        for flip_columns in (False, True):
            axes = tuple(axis for axis, flip in ((1, flip_rows), (2, flip_columns)) if flip)
            seen = np.flip(bone, axes).copy() if axes else bone.copy()
            for row in range(1, seen.shape[1]):
                seen[:, row, 1:] |= seen[:, row - 1, :-1]
            votes += (np.flip(seen, axes) if axes else seen).astype(np.int8)
    return votes


def _within_height(mask: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.bool_]:
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    if slices.size == 0:
        return mask
    lowest = int(slices[-1] - HEIGHT_MM / spacing_mm)
    if lowest > 0:
        mask = mask.copy()
        mask[:lowest] = False
    return mask
