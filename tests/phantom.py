"""A head that can be written down: ellipsoids in millimetres, sampled on any slices."""

from __future__ import annotations

import numpy as np

from htcore.types import FloatArray, Volume


def rotation_z(angle_deg: float) -> FloatArray:
    """Rotation about the z axis; shape (3, 3)."""
    a = np.radians(angle_deg)
    return np.array([[np.cos(a), -np.sin(a), 0.0], [np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]])


def head_hu(points_mm: FloatArray, yaw_deg: float = 0.0, infarct_side: str | None = "left") -> FloatArray:
    """HU at LPS points: air, skull, brain with two ventricles, falx-like cleft and a dark blob on one side."""
    x, y, z = np.moveaxis(points_mm @ rotation_z(yaw_deg), -1, 0)
    hu = np.full(x.shape, -1000.0)
    outer = (x / 76) ** 2 + (y / 94) ** 2 + (z / 80) ** 2
    inner = (x / 69) ** 2 + (y / 87) ** 2 + (z / 73) ** 2
    hu[outer <= 1] = 1000.0
    brain = inner <= 1
    hu[brain] = 34.0
    for side in (-1, 1):
        ventricle = ((x - side * 14) / 7) ** 2 + (y / 30) ** 2 + ((z - 10) / 12) ** 2
        hu[brain & (ventricle <= 1)] = 6.0
    hu[brain & (np.abs(x) < 1.5) & (np.abs(y) > 40)] = 8.0
    if infarct_side is not None:
        sign = 1 if infarct_side == "left" else -1
        blob = ((x - sign * 42) / 16) ** 2 + ((y - 20) / 20) ** 2 + ((z - 20) / 18) ** 2
        hu[brain & (blob <= 1)] = 22.0
    return hu


def head_volume(
    *,
    tilt_deg: float = 0.0,
    yaw_deg: float = 0.0,
    infarct_side: str | None = "left",
    spacing_mm: float = 1.5,
    gaps_mm: tuple[float, ...] = (5.0,) * 33,
    flip_columns: bool = False,
) -> Volume:
    """The phantom scanned with a tilted gantry (slices stay along the table's z) and any gaps between slices."""
    rows, columns = int(210 / spacing_mm), int(180 / spacing_mm)
    tilt = np.radians(tilt_deg)
    column_axis = np.array([-1.0 if flip_columns else 1.0, 0.0, 0.0])
    row_axis = np.array([0.0, np.cos(tilt), np.sin(tilt)])
    normal = np.array([0.0, -np.sin(tilt), np.cos(tilt)])
    z_positions = np.concatenate([[0.0], np.cumsum(gaps_mm)])
    z_positions -= z_positions.mean()
    affines, slices = [], []
    for z in z_positions:
        corner = (
            np.array([0.0, 0.0, z])
            - column_axis * (columns - 1) / 2 * spacing_mm
            - row_axis * (rows - 1) / 2 * spacing_mm
        )
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1] = column_axis * spacing_mm, row_axis * spacing_mm
        affine[:3, 2], affine[:3, 3] = normal, corner
        j, i = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        points = np.stack([i, j, np.zeros_like(i), np.ones_like(i)], axis=-1) @ affine[:3].T
        affines.append(affine)
        slices.append(head_hu(points, yaw_deg, infarct_side))
    noise = np.random.default_rng(0).normal(0.0, 2.0, (len(slices), rows, columns))
    hu = np.round(np.stack(slices) + noise).astype(np.int16)
    thickness = np.full(len(slices), float(np.median(gaps_mm)))
    return Volume(hu, np.stack(affines), thickness)
