"""From the network's contributions to maps, slices and a measured lesion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htcore.errors import BundleError
from htcore.inference.predict import NetworkResult
from htcore.types import (
    CanonicalGrid,
    Evidence,
    LesionMeasure,
    ModelInput,
    RegionContribution,
    Side,
    SliceContribution,
    Volume,
)

LESION_CUTOFF = 0.5
_MIDLINE_SHARE = 0.1  # halves that differ by no more than this share of the whole are no side


def explain(
    result: NetworkResult, model_input: ModelInput, volume: Volume, regions: tuple[RegionContribution, ...] = ()
) -> Evidence:
    """Maps on the canonical grid, each original slice's share of the logit, and the lesion's measure.

    The slices' contributions and the bias add up to the logit. ``regions`` are those of
    `htcore.explain.shapley.region_contributions`, which ask the network again.

    Raises
    ------
    BundleError
        If the contributions and the bias do not add up to the logit: the weights are damaged.
    """
    share = voxel_contributions(result.contributions, model_input.grid, model_input.brain)
    total = float(share.sum()) + result.bias
    if abs(total - result.logit) > 1e-3 * max(1.0, abs(result.logit)):
        raise BundleError("The model's explanation does not add up to its score: restore the model's folder.")
    lesion = measure_lesion(result.lesion, model_input.brain, model_input.grid)
    return Evidence(
        grid=model_input.grid,
        evidence_map=(share / model_input.grid.voxel_ml).astype(np.float32),
        lesion_map=result.lesion,
        slices=slice_contributions(share, model_input.grid, volume),
        regions=regions,
        lesion=lesion,
        bias=result.bias,
        sides_disagree={lesion.side, _side(np.maximum(share, 0.0))} == {"left", "right"},
    )


def voxel_contributions(
    contributions: NDArray[np.float32], grid: CanonicalGrid, brain: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Blocks of 2 x 2 voxels shared out among their voxels inside the brain; the sum is kept.

    Parameters
    ----------
    contributions : shape (slices, rows / 2, columns / 2)

    Returns
    -------
    float64, shape of the grid
    """
    slices, rows, columns = grid.shape
    inside = brain.astype(np.float64)
    count = inside.reshape(slices, rows // 2, 2, columns // 2, 2).sum(axis=(2, 4))
    # A block at the rim may hold less than half a voxel of brain everywhere: then all four share it.
    even = np.repeat(np.repeat(count == 0, 2, axis=1), 2, axis=2)
    weight = np.where(even, 0.25, inside / np.repeat(np.repeat(np.maximum(count, 1), 2, axis=1), 2, axis=2))
    spread = np.repeat(np.repeat(contributions.astype(np.float64), 2, axis=1), 2, axis=2)
    return np.asarray(spread * weight)


def slice_contributions(
    share: NDArray[np.float64], grid: CanonicalGrid, volume: Volume
) -> tuple[SliceContribution, ...]:
    """Each canonical voxel's share goes to the original slice whose plane lies nearest (perpendicular distance)."""
    where = np.argwhere(share != 0.0)  # (n, 3) as slice, row, column
    points = grid.to_mm(where[:, ::-1].astype(np.float64))
    normals, origins = volume.affines[:, :3, 2], volume.affines[:, :3, 3]
    distance = np.abs(points @ normals.T - np.einsum("ij,ij->i", origins, normals))  # (n, original slices)
    totals = np.zeros(volume.shape[0])
    if len(where):
        np.add.at(totals, distance.argmin(axis=1), share[tuple(where.T)])
    return tuple(
        SliceContribution(index, float(volume.centres_mm[index, 2]), float(value)) for index, value in enumerate(totals)
    )


def measure_lesion(lesion: NDArray[np.float32], brain: NDArray[np.bool_], grid: CanonicalGrid) -> LesionMeasure:
    """Volume at ``LESION_CUTOFF`` inside the brain, of each side too, which holds most of it, and the peak of the map.

    The peak is that of the map averaged over 3 x 3 pixels of its slice: one noisy pixel is no peak.
    """
    found = (lesion >= LESION_CUTOFF) & brain
    volume_ml = float(found.sum()) * grid.voxel_ml
    if not found.any():
        return LesionMeasure(0.0, None, None, 0.0, 0.0)
    left_ml, right_ml = (amount * grid.voxel_ml for amount in _halves(found))
    peak_mm = _peak_mm(np.where(found, lesion, 0.0), grid)
    return LesionMeasure(volume_ml, _side(found), peak_mm, left_ml, right_ml)


def _halves(amount: NDArray[np.bool_] | NDArray[np.float64]) -> tuple[float, float]:
    """What lies on the patient's left and right; a middle column is shared."""
    columns = amount.sum(axis=(0, 1), dtype=np.float64)  # run to the patient's left
    half = len(columns) // 2
    middle = float(columns[half : len(columns) - half].sum()) / 2
    return float(columns[-half:].sum()) + middle, float(columns[:half].sum()) + middle


def _side(amount: NDArray[np.bool_] | NDArray[np.float64]) -> Side:
    left, right = _halves(amount)
    if abs(left - right) <= _MIDLINE_SHARE * (left + right):
        return "midline"
    return "left" if left > right else "right"


def _peak_mm(values: NDArray[np.floating], grid: CanonicalGrid) -> tuple[float, float, float]:
    padded = np.pad(values.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    rows, columns = values.shape[1:]
    mean = sum(padded[:, j : j + rows, i : i + columns] for j in range(3) for i in range(3)) / 9.0
    mean = np.where(values > 0, mean, -1.0)
    k, j, i = np.unravel_index(int(mean.argmax()), values.shape)
    x, y, z = grid.to_mm(np.array([float(i), float(j), float(k)]))
    return float(x), float(y), float(z)
