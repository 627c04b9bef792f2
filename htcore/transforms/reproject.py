"""Between the canonical grid, the original slices, and a uniform grid that any viewer can overlay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.transforms.sampling import AIR_HU, stack_from
from htcore.types import CanonicalGrid, FloatArray, Volume


def reproject(grid_map: NDArray[np.float32], grid: CanonicalGrid, volume: Volume, step: int = 4) -> NDArray[np.float32]:
    """A map of the canonical grid on the original slices, at every ``step``-th pixel.

    Returns
    -------
    float32, shape (slices, ceil(rows / step), ceil(columns / step))
        Sampled at the pixels (0, step, 2 step, …); zero outside the grid.
    """
    slices, rows, columns = volume.shape
    j, i = np.meshgrid(np.arange(0, rows, step), np.arange(0, columns, step), indexing="ij")
    pixels = np.stack([i, j, np.zeros_like(i), np.ones_like(i)], axis=-1).astype(np.float64)
    out = np.empty((slices, *i.shape), dtype=np.float32)
    for index in range(slices):
        points = pixels @ volume.affines[index, :3].T
        out[index] = sample_grid_map(grid_map, grid, points)
    return out


def sample_grid_map(grid_map: NDArray[np.float32], grid: CanonicalGrid, points_mm: FloatArray) -> NDArray[np.float32]:
    """Trilinear values of a grid map at LPS points of shape (..., 3); zero outside."""
    coordinates = np.moveaxis(grid.to_grid(points_mm)[..., ::-1], -1, 0)
    return np.asarray(
        ndimage.map_coordinates(grid_map, coordinates, order=1, mode="constant", cval=0.0), dtype=np.float32
    )


def mask_to_grid(mask: NDArray[np.bool_], volume: Volume, grid: CanonicalGrid) -> NDArray[np.float32]:
    """Share of each canonical voxel that a mask on the volume's pixels covers, 0–1; shape of the grid."""
    stack = stack_from(mask.astype(np.float32), volume, pixel_mm=2.0, slice_mm=2.5)
    slices, rows, columns = grid.shape
    total = np.zeros(grid.shape, dtype=np.float32)
    offsets = (-0.25, 0.25)
    for dk in offsets:
        for dj in offsets:
            for di in offsets:
                k, j, i = np.meshgrid(
                    np.arange(slices) + dk, np.arange(rows) + dj, np.arange(columns) + di, indexing="ij"
                )
                total += stack.sample(grid.to_mm(np.stack([i, j, k], axis=-1)), 0.0)
    return total / np.float32(8.0)


@dataclass(frozen=True, eq=False)
class UniformGrid:
    """An axis-aligned grid in LPS: ``affine @ (column, row, slice, 1)`` is a position in mm."""

    shape: tuple[int, int, int]
    affine: FloatArray

    def points_mm(self, slice_index: int) -> FloatArray:
        """LPS positions of one slice's voxels; shape (rows, columns, 3)."""
        _, rows, columns = self.shape
        j, i = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        indices = np.stack([i, j, np.full_like(i, slice_index)], axis=-1).astype(np.float64)
        return np.asarray(indices @ self.affine[:3, :3].T + self.affine[:3, 3])


def uniform_grid(volume: Volume, pixel_mm: float = 1.0) -> UniformGrid:
    """The smallest axis-aligned grid that holds the scan; slices at its median spacing, at least 1 mm."""
    _, rows, columns = volume.shape
    pixels = np.array([[c, r, 0.0, 1.0] for c in (0, columns - 1) for r in (0, rows - 1)])
    corners = np.concatenate([pixels @ affine[:3].T for affine in volume.affines])
    low, high = corners.min(axis=0), corners.max(axis=0)
    gaps = np.diff(volume.positions_mm)
    slice_mm = max(1.0, float(np.median(gaps))) if gaps.size else 1.0
    spacing = np.array([pixel_mm, pixel_mm, slice_mm])
    counts = np.maximum(np.ceil((high - low) / spacing).astype(int) + 1, 1)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = low
    return UniformGrid((int(counts[2]), int(counts[1]), int(counts[0])), affine)


def volume_on(volume: Volume, grid: UniformGrid) -> NDArray[np.int16]:
    """The scan's HU on a uniform grid; air where it was not scanned."""
    stack = stack_from(volume.hu, volume)
    sections = [stack.sample(grid.points_mm(index), AIR_HU) for index in range(grid.shape[0])]
    return np.round(np.stack(sections)).astype(np.int16)


def map_on(grid_map: NDArray[np.float32], canonical: CanonicalGrid, grid: UniformGrid) -> NDArray[np.float32]:
    """A canonical map on a uniform grid."""
    return np.stack([sample_grid_map(grid_map, canonical, grid.points_mm(index)) for index in range(grid.shape[0])])
