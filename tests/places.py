"""Asking a volume for its values by place in the patient, so that no pixel order or slice order matters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htcore.types import Volume


def pixel_centres_mm(
    volume: Volume, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """LPS mm, shape (count, 3), of randomly drawn pixels and the HU there, shape (count,)."""
    k, row, column = (rng.integers(0, n, count) for n in volume.shape)
    pixels = np.stack([column, row, np.zeros_like(k), np.ones_like(k)], axis=1).astype(float)
    return np.einsum("nij,nj->ni", volume.affines[k], pixels)[:, :3], volume.hu[k, row, column]


def hu_at(volume: Volume, points_mm: NDArray[np.float64], tolerance: float = 1e-3) -> NDArray[np.int16]:
    """HU at LPS mm, shape (n, 3) → (n,); each point must be a pixel's centre, within ``tolerance`` pixels or mm."""
    off_plane = np.abs((points_mm[:, None] - volume.affines[None, :, :3, 3]) @ volume.normal)
    k = off_plane.argmin(axis=1)
    inverse = np.linalg.inv(volume.affines)[k]
    pixels = np.einsum("nij,nj->ni", inverse[:, :3, :3], points_mm) + inverse[:, :3, 3]
    column, row = np.rint(pixels[:, 0]).astype(int), np.rint(pixels[:, 1]).astype(int)
    assert np.abs(pixels - np.stack([column, row, np.zeros_like(row)], axis=1)).max() < tolerance
    return volume.hu[k, row, column]
