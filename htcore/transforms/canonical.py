"""From a scan as acquired to the network's grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.brain import BONE_HU, HEIGHT_MM, brain_mask
from htcore.channels import BRAIN
from htcore.errors import RefusedError
from htcore.limits import checkpoint
from htcore.transforms.channels import make_channels, normalise
from htcore.transforms.sampling import AIR_HU, SliceStack, stack_from
from htcore.transforms.symmetry import FURTHEST_DEG, MidsagittalPlane, find_midsagittal
from htcore.types import CanonicalGrid, FloatArray, ModelInput, Volume

VERSION = "2"
"""Changes whenever a scan would give other channels: a bundle states the version it was trained with."""
EARLIER = ("1",)
"""Versions whose channels are nearly the first of today's: their weights are worth starting a training from."""

SHAPE = (30, 48, 40)
SLICE_MM, PIXEL_MM = 5.0, 4.0
_COARSE_MM = 3.0
_BOX_MM = (135.0, 150.0, 200.0)  # half of the largest region in which the head is looked for
_HEAD_MM = (100.0, 120.0, 100.0)  # no head reaches further from the median of its bone
_MIN_BRAIN_ML = 250.0  # a quarter of a small adult brain: less is no head, or hardly covered
_VERTEX_MARGIN_MM = 5.0
_NOT_TISSUE_HU = 110.0  # bone and calcium that the 3 mm mask still holds


def prepare(volume: Volume) -> ModelInput:
    """Find the brain, turn the head upright, resample along the true slice positions, make the channels.

    Raises
    ------
    RefusedError
        With code ``no_brain`` where less than 250 mL of tissue lies inside bone, ``head_turned`` where no plane is
        found across which left and right are alike.
    """
    scanned = np.maximum(volume.hu, np.int16(AIR_HU))  # padding must not pull its neighbours down
    stack = stack_from(scanned, volume, pixel_mm=2.0, slice_mm=2.5)
    checkpoint()
    hu, origin = _scanner_grid(stack)
    brain = brain_mask(hu, _COARSE_MM)
    brain_ml = float(brain.sum()) * _COARSE_MM**3 / 1000.0
    if brain_ml < _MIN_BRAIN_ML:
        raise RefusedError(
            f"At least {_MIN_BRAIN_ML:.0f} mL of brain inside a skull were expected, {brain_ml:.0f} mL were found: "
            "choose a plain head CT that covers the brain.",
            code="no_brain",
        )
    checkpoint()
    plane = find_midsagittal(hu, brain, origin, _COARSE_MM)
    if not plane.found:
        raise RefusedError(
            f"A head turned by less than {FURTHEST_DEG:.0f}°, its left and right alike, was expected; across the best "
            f"plane, turned by {max(abs(plane.yaw_deg), abs(plane.roll_deg)):.0f}°, they differ by "
            f"{plane.difference_hu:.0f} HU: give a scan of a head that lay still with the face straight up.",
            code="head_turned",
        )
    grid = _canonical_grid(plane, brain, origin)
    checkpoint()
    fine = _sample_grid(stack, grid)
    fine_brain = _carry_mask(brain, origin, grid) & (fine < _NOT_TISSUE_HU)
    checkpoint()
    normalised, shift = normalise(fine, fine_brain)
    channels = make_channels(normalised, fine_brain, PIXEL_MM / 2)
    return ModelInput(
        channels=channels,
        brain=channels[:, BRAIN] > 0.5,
        grid=grid,
        steps=(
            f"brain mask {brain_ml:.0f} mL on a {_COARSE_MM:g} mm grid",
            f"mid-sagittal alignment: yaw {plane.yaw_deg:.1f}°, roll {plane.roll_deg:.1f}°",
            f"resampled to {SHAPE[0]} slices of {SLICE_MM:g} mm with {PIXEL_MM:g} mm pixels",
            f"HU shifted by {shift:+.1f}",
        ),
    )


def _scanner_grid(stack: SliceStack) -> tuple[NDArray[np.float32], FloatArray]:
    """The scan on an isotropic grid along LPS, and the position of its first voxel."""
    _, rows, columns = stack.values.shape
    corners = []
    for origin in (stack.origins_mm[0], stack.origins_mm[-1]):
        for row in (0, rows - 1):
            for column in (0, columns - 1):
                corners.append(origin + row * stack.row_step + column * stack.column_step)
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    # A head is smaller than 270 mm: a larger field of view holds air, and an absurd one must not fill the memory.
    half = np.minimum((high - low) / 2, _BOX_MM)
    middle = _box_middle(stack, low, high)
    # Even about the middle: a mirrored scan must meet the mirrored grid.
    counts = np.floor(half / _COARSE_MM).astype(int)
    axes = [middle[a] + _COARSE_MM * np.arange(-counts[a], counts[a] + 1) for a in range(3)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    hu = stack.sample(np.stack([x, y, z], axis=-1), AIR_HU)
    return hu, np.array([axes[0][0], axes[1][0], axes[2][0]])


def _box_middle(stack: SliceStack, low: FloatArray, high: FloatArray) -> FloatArray:
    """Middle of the field from ``low`` to ``high``; along an axis that will be cut, moved as little as the head asks.

    The head is where most bone lies, within its height from the top: a body's shoulders lie further down.
    """
    middle = (low + high) / 2
    larger = high - low > 2 * np.array(_BOX_MM)
    if not larger.any():
        return middle
    slices, rows, columns = np.nonzero(stack.values > BONE_HU)
    if slices.size == 0:
        return middle
    bone = stack.origins_mm[slices] + rows[:, None] * stack.row_step + columns[:, None] * stack.column_step
    top = float(np.percentile(bone[:, 2], 99.9))
    x, y = np.median(bone[bone[:, 2] > top - HEIGHT_MM, :2], axis=0)
    head = np.array([x, y, top - HEIGHT_MM / 2])
    room = np.array(_BOX_MM) - _HEAD_MM
    return np.asarray(np.where(larger, np.clip(middle, head - room, head + room), middle))


def _canonical_grid(plane: MidsagittalPlane, brain: NDArray[np.bool_], origin: FloatArray) -> CanonicalGrid:
    """The mid-sagittal plane in the middle, the brain centred from front to back, its top near the last slice."""
    rotation = plane.rotation
    points = np.argwhere(brain)[:, ::-1] * _COARSE_MM + origin
    head = (points - np.array(plane.centre_mm)) @ rotation
    top = float(np.percentile(head[:, 2], 99.9)) + _VERTEX_MARGIN_MM
    upper = head[head[:, 2] > top - 90.0, 1]
    middle = float(np.mean(np.percentile(upper, [1.0, 99.0])))
    slices, rows, columns = SHAPE
    first = np.array(
        [-(columns - 1) / 2 * PIXEL_MM, middle - (rows - 1) / 2 * PIXEL_MM, top - (slices - 0.5) * SLICE_MM]
    )
    affine = np.eye(4)
    affine[:3, :3] = rotation * np.array([PIXEL_MM, PIXEL_MM, SLICE_MM])
    affine[:3, 3] = np.array(plane.centre_mm) + rotation @ first
    return CanonicalGrid(SHAPE, affine)


def _sample_grid(stack: SliceStack, grid: CanonicalGrid) -> NDArray[np.float32]:
    """HU at half the pixel size, each slice averaged over its thickness; shape (slices, 2 rows, 2 columns)."""
    halves = [stack.sample(_fine_points(grid, offset), AIR_HU) for offset in (-0.25, 0.25)]
    return np.asarray((halves[0] + halves[1]) / 2, dtype=np.float32)


def _carry_mask(brain: NDArray[np.bool_], origin: FloatArray, grid: CanonicalGrid) -> NDArray[np.bool_]:
    points = (_fine_points(grid, 0.0) - origin) / _COARSE_MM
    coordinates = np.moveaxis(points[..., ::-1], -1, 0)
    return np.asarray(ndimage.map_coordinates(brain.astype(np.float32), coordinates, order=1) > 0.5)


def _fine_points(grid: CanonicalGrid, slice_offset: float) -> FloatArray:
    slices, rows, columns = grid.shape
    k = np.arange(slices) + slice_offset
    j = (np.arange(2 * rows) - 0.5) / 2
    i = (np.arange(2 * columns) - 0.5) / 2
    kk, jj, ii = np.meshgrid(k, j, i, indexing="ij")
    return grid.to_mm(np.stack([ii, jj, kk], axis=-1))
