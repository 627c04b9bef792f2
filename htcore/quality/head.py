"""The scan on a coarse grid turned like the patient, with brain and bone: where every question starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.brain import brain_mask
from htcore.limits import checkpoint
from htcore.quality import thresholds as at
from htcore.slices import slice_groups
from htcore.types import FloatArray, Volume

_AIR = -1000.0


@dataclass(frozen=True, eq=False)
class Head:
    """The scan's slices, thin ones averaged, on square pixels; columns run to the patient's left, rows to the back.

    Attributes
    ----------
    hu : float32, shape (slices, rows, columns)
    brain : bool, same shape
        Brain inside the skull, also where the field of view cuts the skull; empty where no bone encloses tissue.
    pixel_mm : float
    z_mm, height_mm : float64, shape (slices,)
        Position of each slice along the normal, and how far it speaks for.
    bone_nearby : float32, same shape as ``hu``
        Share of bone, 0–1, within about a centimetre.
    """

    hu: NDArray[np.float32]
    brain: NDArray[np.bool_]
    pixel_mm: float
    z_mm: FloatArray
    height_mm: FloatArray
    bone_nearby: NDArray[np.float32]
    corner_mm: FloatArray
    axes: FloatArray

    @property
    def voxel_ml(self) -> FloatArray:
        """Millilitres of a voxel of each slice; shape (slices, 1, 1)."""
        return np.asarray(self.height_mm * self.pixel_mm**2 / 1000.0)[:, None, None]

    def points_mm(self, slices: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any]) -> FloatArray:
        """LPS millimetres, shape (n, 3), of n places on the grid."""
        z = np.interp(slices, np.arange(len(self.z_mm)), self.z_mm)
        local = np.column_stack([columns * self.pixel_mm, rows * self.pixel_mm, z]) + self.corner_mm
        return np.asarray(local @ self.axes)

    def to_mm(self, slice_index: float, row: float, column: float) -> tuple[float, float, float]:
        """LPS millimetres of one place on the grid."""
        x, y, z = (float(v) for v in self.points_mm(np.array([slice_index]), np.array([row]), np.array([column]))[0])
        return x, y, z

    def to_grid(self, points_mm: FloatArray) -> NDArray[np.intp]:
        """Nearest (slice, row, column) of LPS points (n, 3), inside the grid."""
        local = points_mm @ self.axes.T - self.corner_mm
        nearest = np.searchsorted((self.z_mm[1:] + self.z_mm[:-1]) / 2, local[:, 2])
        inplane = np.rint(local[:, 1::-1] / self.pixel_mm).astype(np.intp)
        out = np.column_stack([nearest, inplane])
        return np.asarray(np.clip(out, 0, np.array(self.hu.shape) - 1))

    def millilitres(self, mask: NDArray[np.bool_]) -> float:
        """Volume of a mask on the grid."""
        return float((mask.sum(axis=(1, 2)) * self.voxel_ml[:, 0, 0]).sum())


def measure(volume: Volume) -> Head:
    """Bring ``volume`` to the grid and find brain and bone; nothing is changed."""
    axes = _patient_axes(volume)
    origins = volume.affines[:, :3, 3] @ axes.T
    steps = volume.affines[0, :3, :2].T @ axes.T  # one column and one row on, along (left, back, head)
    _, rows, columns = volume.shape
    reach = np.array([[0, 0], [columns - 1, 0], [0, rows - 1], [columns - 1, rows - 1]]) @ steps[:, :2]
    corners = origins[:, None, :2] + reach[None]
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    pixel_mm = max(at.PIXEL_MM, float((high - low).max()) / at.MAX_PIXELS)
    across, down = (int(value) + 1 for value in (high - low) / pixel_mm)
    groups = _groups(volume.positions_mm)
    hu = np.empty((len(groups), down, across), dtype=np.float32)
    for index, group in enumerate(groups):
        checkpoint()
        image = volume.hu[group].mean(axis=0, dtype=np.float32)
        hu[index] = _resampled(image, origins[group].mean(axis=0)[:2] - low, steps[:, :2], pixel_mm, (across, down))
    z = np.array([volume.positions_mm[group].mean() for group in groups])
    brain, nearby = _brain_and_bone(hu, z, pixel_mm)
    return Head(hu, brain, pixel_mm, z, _heights(z, volume), nearby, np.array([*low, 0.0]), axes)


def where_mm(
    volume: Volume, wanted: Callable[[NDArray[np.int16]], NDArray[np.bool_]]
) -> Iterator[tuple[int, FloatArray]]:
    """Of each of the scan's own slices, its index and the LPS millimetres (n, 3) of the pixels that are ``wanted``."""
    for k, section in enumerate(volume.hu):
        checkpoint()
        rows, columns = np.nonzero(wanted(section))
        pixels = np.column_stack([columns, rows, np.zeros(rows.size), np.ones(rows.size)])
        yield k, np.asarray(pixels @ volume.affines[k, :3].T)


def around_brain(head: Head, margin_mm: float = 8.0) -> Head:
    """The same, cut to the brain and a margin; unchanged where there is no brain."""
    if not head.brain.any():
        return head
    margin = round(margin_mm / head.pixel_mm)
    window = []
    for axis, extra in ((0, 1), (1, margin), (2, margin)):
        held = np.flatnonzero(head.brain.any(axis=tuple(other for other in range(3) if other != axis)))
        window.append(slice(max(0, int(held[0]) - extra), int(held[-1]) + extra + 1))
    cut = tuple(window)
    shift = np.array([window[2].start, window[1].start, 0.0]) * head.pixel_mm
    return Head(
        head.hu[cut],
        head.brain[cut],
        head.pixel_mm,
        head.z_mm[cut[0]],
        head.height_mm[cut[0]],
        head.bone_nearby[cut],
        head.corner_mm + shift,
        head.axes,
    )


def disk(radius_mm: float, pixel_mm: float) -> NDArray[np.uint8]:
    """A round structuring element of at least one pixel."""
    radius = max(1, round(radius_mm / pixel_mm))
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), dtype=np.uint8)


def grown(mask: NDArray[np.bool_], radius_mm: float, pixel_mm: float) -> NDArray[np.bool_]:
    """``mask`` grown within each slice."""
    element = disk(radius_mm, pixel_mm)
    return np.stack([cv2.dilate(section.view(np.uint8), element) for section in mask]).astype(np.bool_)


def shrunk(mask: NDArray[np.bool_], radius_mm: float, pixel_mm: float) -> NDArray[np.bool_]:
    """``mask`` shrunk within each slice."""
    element = disk(radius_mm, pixel_mm)
    return np.stack([cv2.erode(section.view(np.uint8), element) for section in mask]).astype(np.bool_)


def next_slices(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``mask`` together with that of the slices above and below."""
    out = mask.copy()
    out[1:] |= mask[:-1]
    out[:-1] |= mask[1:]
    return out


def _patient_axes(volume: Volume) -> FloatArray:
    """Unit vectors towards the patient's left and back within the slices, and their normal; shape (3, 3)."""
    column, row = (volume.affines[0, :3, k] / np.linalg.norm(volume.affines[0, :3, k]) for k in (0, 1))
    if abs(column[0]) < abs(row[0]):
        column, row = row, column
    left = column * (np.sign(column[0]) or 1.0)
    back = row * (np.sign(row[1]) or 1.0)
    return np.stack([left, back, volume.normal])


def _groups(positions: FloatArray) -> list[slice]:
    """Slices that are averaged together, as ranges."""
    n = len(positions)
    step = max(float(np.median(np.diff(positions))), 1e-3) if n > 1 else at.SLICE_MM
    size = max(1, round(at.SLICE_MM / step)) if step < 0.75 * at.SLICE_MM else 1
    return slice_groups(positions, size)


def _heights(z: FloatArray, volume: Volume) -> FloatArray:
    """Half-way to the neighbours on both sides."""
    if len(z) < 2:
        return np.asarray(volume.thickness_mm[:1], dtype=np.float64)
    edges = np.diff(z, prepend=2 * z[0] - z[1], append=2 * z[-1] - z[-2])
    return np.asarray((edges[:-1] + edges[1:]) / 2)


def _resampled(
    image: NDArray[np.float32], origin_mm: FloatArray, steps: FloatArray, pixel_mm: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """One slice on the grid: whole pixels averaged first, then read between them."""
    rows, columns = image.shape
    lengths = np.linalg.norm(steps, axis=1)  # of a column, of a row
    by_column, by_row = (max(1, round(pixel_mm / length - 0.3)) for length in lengths)
    by_column, by_row = min(by_column, columns), min(by_row, rows)
    wide, high = columns // by_column, rows // by_row
    np.clip(image, _AIR, 3071.0, out=image)
    if by_column > 1 or by_row > 1:
        whole = image[: high * by_row, : wide * by_column]
        image = np.asarray(cv2.resize(whole, (wide, high), interpolation=cv2.INTER_AREA), dtype=np.float32)
    # (left, back) mm of a pixel of the image = origin + matrix @ (column, row)
    matrix = steps.T * np.array([by_column, by_row])
    first = origin_mm + steps.T @ np.array([(by_column - 1) / 2, (by_row - 1) / 2])
    back = np.linalg.inv(matrix)
    warp = np.column_stack([back * pixel_mm, -back @ first])
    return np.asarray(
        cv2.warpAffine(
            image,
            warp,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=_AIR,
        )
    )


def _brain_and_bone(
    hu: NDArray[np.float32], z: FloatArray, pixel_mm: float
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Brain and share of bone nearby, found on an even grid and brought back to the slices."""
    n, rows, columns = hu.shape
    step = max(at.MASK_MM, pixel_mm)
    down, across = max(1, int(rows * pixel_mm / step)), max(1, int(columns * pixel_mm / step))
    small = np.stack([cv2.resize(image, (across, down), interpolation=cv2.INTER_AREA) for image in hu])
    levels = np.arange(z[0], z[-1] + 1e-6, step)
    even = _between(small, np.interp(levels, z, np.arange(n)))
    brain = brain_mask(_closed_at_the_border(even), step)[:, 1:-1, 1:-1]
    solid = (even > at.SOLID_HU).astype(np.float32)
    nearby = ndimage.gaussian_filter(solid, at.BONE_REACH_MM / step, truncate=3.0)
    index = (z - z[0]) / step
    nearest = np.clip(np.rint(index).astype(np.intp), 0, len(levels) - 1)
    mask = np.stack(
        [cv2.resize(brain[k].view(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST) for k in nearest]
    ).astype(np.bool_)
    shares = np.stack([cv2.resize(image, (columns, rows)) for image in _between(nearby, index)])
    return mask, shares


def _between(stack: NDArray[np.float32], index: FloatArray) -> NDArray[np.float32]:
    """Linear interpolation along the first axis."""
    if len(stack) == 1:
        return np.repeat(stack, len(index), axis=0)
    low = np.clip(index.astype(np.intp), 0, len(stack) - 2)
    share = (index - low).astype(np.float32)[:, None, None]
    return np.asarray(stack[low] * (1 - share) + stack[low + 1] * share)


def _closed_at_the_border(even: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bone put around the picture where the field of view cuts the body: what lies behind is skull, not air."""
    out = np.pad(even, ((0, 0), (1, 1), (1, 1)), mode="edge")
    for border in (out[:, 0], out[:, -1], out[:, :, 0], out[:, :, -1]):
        border[...] = np.where(border > at.BODY_HU, 1000.0, _AIR)
    return out
