"""Reading a scan at points given in millimetres, whatever its slices' geometry."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.slices import slice_groups
from htcore.types import FloatArray, Volume

AIR_HU = -1000.0


@dataclass(frozen=True, eq=False)
class SliceStack:
    """Parallel slices that can be sampled anywhere in space.

    Attributes
    ----------
    values : float32, shape (slices, rows, columns)
    origins_mm : float64, shape (slices, 3)
        LPS position of pixel (0, 0) of each slice.
    positions_mm : float64, shape (slices,)
        Position along ``normal``, ascending.
    column_step, row_step : float64, shape (3,)
        Millimetres from one column (row) to the next.
    normal : float64, shape (3,)
    reach_mm : float
        How far beyond the first and last slice centre a slice still speaks (half its thickness).
    """

    values: NDArray[np.float32]
    origins_mm: FloatArray
    positions_mm: FloatArray
    column_step: FloatArray
    row_step: FloatArray
    normal: FloatArray
    reach_mm: float

    def sample(self, points_mm: FloatArray, outside: float) -> NDArray[np.float32]:
        """Trilinear values at LPS ``points_mm`` of shape (..., 3); ``outside`` beyond the scan.

        Between two slices the grid is sheared along the line that joins equal pixels, so that a tilted stack, several
        slabs and gaps are exact.
        """
        points = points_mm.reshape(-1, 3)
        along = points @ self.normal
        first, last = self.positions_mm[0], self.positions_mm[-1]
        slice_index = np.interp(along, self.positions_mm, np.arange(len(self.positions_mm), dtype=float))
        offset = points - self._origin_at(along)
        column = offset @ self.column_step / (self.column_step @ self.column_step)
        row = offset @ self.row_step / (self.row_step @ self.row_step)
        values = ndimage.map_coordinates(
            self.values, [slice_index, row, column], order=1, mode="constant", cval=outside, prefilter=False
        )
        beyond = (along < first - self.reach_mm) | (along > last + self.reach_mm)
        values[beyond] = outside
        return np.asarray(values.reshape(points_mm.shape[:-1]), dtype=np.float32)

    def _origin_at(self, along: FloatArray) -> FloatArray:
        columns = [np.interp(along, self.positions_mm, self.origins_mm[:, axis]) for axis in range(3)]
        return np.stack(columns, axis=-1)


def stack_from(
    values: NDArray[np.generic], volume: Volume, *, pixel_mm: float | None = None, slice_mm: float | None = None
) -> SliceStack:
    """A stack of ``values`` given on the pixels of ``volume``.

    Parameters
    ----------
    values : array, shape of ``volume.hu``
    volume : Volume
        Gives the geometry.
    pixel_mm, slice_mm : float, optional
        Average whole pixels (whole slices) together up to about this size; as acquired where not given.
    """
    origins = volume.affines[:, :3, 3]
    positions = volume.positions_mm
    column_step, row_step = volume.affines[0, :3, 0], volume.affines[0, :3, 1]
    stack = np.asarray(values)
    if slice_mm is not None:
        stack, origins, positions = _average_slices(stack, origins, positions, slice_mm)
    if pixel_mm is not None:
        by_row = _factor(pixel_mm, float(np.linalg.norm(row_step)))
        by_column = _factor(pixel_mm, float(np.linalg.norm(column_step)))
        stack = _average_pixels(stack, by_row, by_column)
        origins = origins + (by_column - 1) / 2 * column_step + (by_row - 1) / 2 * row_step
        column_step, row_step = column_step * by_column, row_step * by_row
    reach = float(np.median(volume.thickness_mm)) / 2
    return SliceStack(
        stack.astype(np.float32, copy=False), origins, positions, column_step, row_step, volume.normal, reach
    )


def _factor(wanted_mm: float, spacing_mm: float) -> int:
    return max(1, round(wanted_mm / spacing_mm))


def _average_pixels(stack: NDArray[np.generic], by_row: int, by_column: int) -> NDArray[np.float32]:
    if by_row == by_column == 1:
        return stack.astype(np.float32)
    rows, columns = stack.shape[1] // by_row, stack.shape[2] // by_column
    out = np.empty((stack.shape[0], rows, columns), dtype=np.float32)
    for index, image in enumerate(stack):
        whole = image[: rows * by_row, : columns * by_column].astype(np.float32)
        out[index] = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    return out


def _average_slices(
    stack: NDArray[np.generic], origins: FloatArray, positions: FloatArray, slice_mm: float
) -> tuple[NDArray[np.generic], FloatArray, FloatArray]:
    if len(positions) < 2:
        return stack, origins, positions
    group = max(1, int(slice_mm / max(float(np.median(np.diff(positions))), 1e-3)))
    if group == 1:
        return stack, origins, positions
    groups = slice_groups(positions, group)
    values = np.stack([stack[one].mean(axis=0, dtype=np.float32) for one in groups])
    mean_origins = np.stack([origins[one].mean(axis=0) for one in groups])
    mean_positions = np.array([positions[one].mean() for one in groups])
    return values, mean_origins, mean_positions
