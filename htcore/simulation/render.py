"""The inner loop of the scanner: a person's head sampled on tilted slices, in compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

ENVELOPE, TISSUE, LESION, SKULL, SKIN, FACE = range(6)
"""Channels of the fields given to :func:`render_slices`."""


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _corner(value: float, size: int) -> tuple[int, float]:
    value = min(max(value, 0.0), size - 1.001)
    low = int(value)
    return low, value - low


@njit(cache=True, nogil=True, fastmath=True)
def _sample(fields: Any, x: float, y: float, z: float, out: Any) -> None:
    """All channels of ``fields`` (x, y, z, channel) at one point, trilinear, into ``out``."""
    i, fx = _corner(x, fields.shape[0])
    j, fy = _corner(y, fields.shape[1])
    k, fz = _corner(z, fields.shape[2])
    for c in range(fields.shape[3]):
        low = (fields[i, j, k, c] * (1 - fx) + fields[i + 1, j, k, c] * fx) * (1 - fy) + (
            fields[i, j + 1, k, c] * (1 - fx) + fields[i + 1, j + 1, k, c] * fx
        ) * fy
        high = (fields[i, j, k + 1, c] * (1 - fx) + fields[i + 1, j, k + 1, c] * fx) * (1 - fy) + (
            fields[i, j + 1, k + 1, c] * (1 - fx) + fields[i + 1, j + 1, k + 1, c] * fx
        ) * fy
        out[c] = low * (1 - fz) + high * fz


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _ramp(value: float) -> float:
    """0 below -0.5 mm, 1 above +0.5 mm."""
    return min(max(value + 0.5, 0.0), 1.0)


@njit(cache=True, nogil=True, fastmath=True)
def _hounsfield(v: Any, gap: float, rim_hu: float, rim_mm: float) -> float:
    """HU from the channels of one point: brain, skull with diploë, scalp, air."""
    outside_brain = v[0] - gap
    skull = max(v[3], 0.5)
    brain = v[1] + rim_hu * np.exp(min(outside_brain, 0.0) / rim_mm)
    depth = outside_brain / skull
    bone = 1500.0
    if skull > 4.0:
        bone = 700.0 + 1000.0 * min(1.0, (2.3 * (depth - 0.5)) ** 2)
    soft = v[5]
    if v[4] > -2.0:
        soft = 35.0
    head = brain + (bone - brain) * _ramp(outside_brain)
    head = head + (soft - head) * _ramp(outside_brain - skull)
    if outside_brain > skull - 0.5:
        head = head + (-1000.0 - head) * _ramp(v[4])
    return float(head)


@njit(cache=True, nogil=True, fastmath=True)
def render_slices(
    fields: NDArray[np.float32],
    warp: NDArray[np.float32],
    warp_step: float,
    voxel_mm: float,
    to_grid: NDArray[np.float64],
    offsets_mm: NDArray[np.float64],
    rows: int,
    columns: int,
    gap_mm: float,
    rim_hu: float,
    rim_mm: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """HU and the infarct's share, each float32 (slices, rows, columns).

    ``to_grid`` (slices, 3, 4) takes (column, row, mm off the slice, 1) to atlas voxels; ``offsets_mm`` (slices,
    samples) are the sub-slices averaged for partial volume.
    """
    n = to_grid.shape[0]
    hu = np.full((n, rows, columns), np.float32(-1000.0))
    share = np.zeros((n, rows, columns), dtype=np.float32)
    values = np.zeros(fields.shape[3])
    move = np.zeros(3)
    sx, sy, sz = fields.shape[0], fields.shape[1], fields.shape[2]
    for k in range(n):
        m = to_grid[k]
        for r in range(rows):
            for c in range(columns):
                total, lesion = 0.0, 0.0
                for s in range(offsets_mm.shape[1]):
                    w = offsets_mm[k, s]
                    x = m[0, 0] * c + m[0, 1] * r + m[0, 2] * w + m[0, 3]
                    y = m[1, 0] * c + m[1, 1] * r + m[1, 2] * w + m[1, 3]
                    z = m[2, 0] * c + m[2, 1] * r + m[2, 2] * w + m[2, 3]
                    if x < 0 or y < 0 or x > sx - 1 or y > sy - 1 or z > sz - 1:
                        total += -1000.0
                        continue
                    _sample(warp, x / warp_step, y / warp_step, z / warp_step, move)
                    _sample(fields, x + move[0] / voxel_mm, y + move[1] / voxel_mm, z + move[2] / voxel_mm, values)
                    if values[4] > 2.0 and values[0] > 3.0:
                        total += -1000.0
                        continue
                    total += _hounsfield(values, gap_mm, rim_hu, rim_mm)
                    lesion += values[2]
                hu[k, r, c] = total / offsets_mm.shape[1]
                share[k, r, c] = lesion / offsets_mm.shape[1]
    return hu, share
