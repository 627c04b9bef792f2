"""Planes → order along the slice normal, one affine a slice, thickness."""

from __future__ import annotations

import numpy as np

from htcore.dicom.planes import Plane
from htcore.types import FloatArray

# Two planes closer than this show the same slice: positions are written with at most a few digits, and no CT
# reconstructs slices this close.
SAME_POSITION_MM = 0.05


def sort_planes(planes: list[Plane]) -> list[Plane]:
    """Planes from the feet to the head by their position along the normal (never by number, name or slice location)."""
    normal = planes[0].normal
    return sorted(planes, key=lambda plane: float(plane.position @ normal))


def same_position(first: Plane, second: Plane) -> bool:
    """Whether two planes of one orientation show the same slice."""
    return abs(float((second.position - first.position) @ first.normal)) < SAME_POSITION_MM


def affines_of(planes: list[Plane]) -> FloatArray:
    """One affine a plane, (column, row, w, 1) → LPS mm (PS3.3 C.7.6.2.1.1); shape (slices, 4, 4)."""
    out = np.zeros((len(planes), 4, 4))
    for affine, plane in zip(out, planes, strict=True):
        between_rows, between_columns = plane.spacing_mm
        affine[:3, 0] = plane.column_axis * between_columns
        affine[:3, 1] = plane.row_axis * between_rows
        affine[:3, 2] = plane.normal
        affine[:3, 3] = plane.position
        affine[3, 3] = 1.0
    return out


def thickness_of(declared_mm: list[float | None], affines: FloatArray) -> FloatArray:
    """Declared thickness, else the distance to the nearest neighbour, else (a single slice) 1 mm; shape (slices,)."""
    positions = affines[:, :3, 3] @ affines[0, :3, 2]
    steps = np.diff(positions)
    nearest = np.minimum(np.append(steps, np.inf), np.insert(steps, 0, np.inf)) if steps.size else np.ones(1)
    return np.array([gap if mm is None else mm for mm, gap in zip(declared_mm, nearest, strict=True)])
