"""Measured features of a prepared scan: what the network has to beat.

Two tables: ``radiomics`` asks no network where the infarct is; ``lesion_factors`` measures a given map of it (the
network's own, or the true one). Sides are never features: left and right are alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.channels import CHANNELS, REFERENCE_HU, channel

_STROKE, _ARTERY = channel("stroke window"), channel("dense artery")
_SMOOTHED, _DIFFERENCE = channel("smoothed tissue"), channel("mirrored difference")
_LEVELS_HU = (-2.0, -4.0, -6.0)
_QUARTERS = 4
_CSF_SHARE = 0.05  # of the stroke window: below 22 HU
_DENSE = (0.25, 0.5)
_RIM_VOXELS = 2

Features = dict[str, float]


def radiomics(channels: NDArray[np.floating], brain: NDArray[np.bool_], voxel_ml: float) -> Features:
    """First-order, asymmetry, size and texture features.

    Parameters
    ----------
    channels : shape (slices, channels, rows, columns)
        As ``htcore.transforms.make_channels`` gives them.
    brain : bool, shape (slices, rows, columns)
    voxel_ml : float
        Volume of a voxel.
    """
    values = channels.astype(np.float32)
    smooth, difference = _in_hu(values)
    known = brain & (values[:, _SMOOTHED] != 0)
    out: Features = {"brain_ml": float(brain.sum()) * voxel_ml}
    out.update(_distribution("tissue_hu", smooth[known]))
    out.update(_distribution("asymmetry_hu", np.abs(difference[known])))
    for quarter, part in enumerate(np.array_split(np.flatnonzero(brain.any(axis=(1, 2))), _QUARTERS)):
        inside = known[part]
        # The darker half of each pair is the one that may have infarcted.
        out.update(_distribution(f"quarter_{quarter}_darker_hu", np.minimum(difference[part], 0.0)[inside]))
    for level in _LEVELS_HU:
        dark = known & (difference < level)
        largest = _largest(dark)
        out[f"below_{-level:g}_ml"] = float(dark.sum()) * voxel_ml
        out[f"largest_below_{-level:g}_ml"] = float(largest.sum()) * voxel_ml
        out[f"largest_below_{-level:g}_hu"] = float(difference[largest].mean()) if largest.any() else 0.0
    artery = values[:, _ARTERY]
    for level in _DENSE:
        halves = [
            (artery[..., half] > level).sum()
            for half in (slice(0, artery.shape[2] // 2), slice(artery.shape[2] // 2, None))
        ]
        out[f"dense_artery_{level:g}"] = float(max(halves))
        out[f"dense_artery_{level:g}_asymmetry"] = float(abs(int(halves[0]) - int(halves[1])))
    stroke = values[:, _STROKE]
    csf = brain & (stroke < _CSF_SHARE)
    out["csf_share"] = float(csf.sum()) / max(float(brain.sum()), 1.0)
    out["csf_asymmetry_ml"] = abs(float(csf[..., ::-1][brain].sum()) - float(csf[brain].sum())) * voxel_ml
    rows, columns = np.gradient(stroke, axis=(1, 2))
    out.update(_distribution("gradient", np.hypot(rows, columns)[known]))
    return out


def lesion_factors(
    channels: NDArray[np.floating], brain: NDArray[np.bool_], lesion: NDArray[np.floating], voxel_ml: float
) -> Features:
    """Volume, depth, cortical share, dense artery and dark white matter elsewhere, given where the infarct is.

    ``lesion`` is a share or probability 0–1 of shape (slices, rows, columns); else as `radiomics`.
    """
    values = channels.astype(np.float32)
    smooth, difference = _in_hu(values)
    weight = lesion.astype(np.float64) * brain
    total = float(weight.sum())
    rim = brain & ~ndimage.binary_erosion(brain, iterations=_RIM_VOXELS)
    elsewhere = brain & (lesion < 0.1) & (lesion[..., ::-1] < 0.1) & (values[:, _SMOOTHED] != 0)

    def mean(field: NDArray[Any]) -> float:
        return float((weight * field).sum() / total) if total > 0 else 0.0

    return {
        "log_volume": float(np.log1p(total * voxel_ml)),
        "depth_hu": -mean(difference),
        "darkness_hu": REFERENCE_HU - mean(smooth) if total > 0 else 0.0,
        "cortical_share": mean(rim),
        "dense_artery": float((values[:, _ARTERY] > _DENSE[1]).sum()),
        "dark_elsewhere_share": float((smooth[elsewhere] < REFERENCE_HU - 4).mean()) if elsewhere.any() else 0.0,
    }


def _in_hu(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    unit = np.float32(CHANNELS[_SMOOTHED].hu)
    return values[:, _SMOOTHED] * unit + np.float32(REFERENCE_HU), values[:, _DIFFERENCE] * unit


def _distribution(name: str, values: NDArray[np.floating]) -> Features:
    if values.size == 0:
        values = np.zeros(1)
    low, middle, high = np.percentile(values, [5, 50, 95])
    return {
        f"{name}_mean": float(values.mean()),
        f"{name}_sd": float(values.std()),
        f"{name}_p5": float(low),
        f"{name}_p50": float(middle),
        f"{name}_p95": float(high),
    }


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))
