"""How much of an infarct each channel shows by itself: what the network has to start from.

``python -m benchmarks.visibility --cohort CSV [--cache DIR] [--scans 200]``: on simulated scans, the difference from
the mirror image in HU inside the true infarct and its spread in healthy tissue, and how well each channel tells the two
kinds of voxels apart (area under the ROC curve within a scan, mean over scans), plain and smoothed.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from htcore.channels import CHANNELS, channel
from htcore.training.cache import PreparedScan, prepare_scans
from htcore.training.cohort import read_cohort

DIFFERENCE = channel("mirrored difference")
HU = CHANNELS[DIFFERENCE].hu
DARK_WHERE_ILL = (
    "stroke window",
    "smoothed tissue",
    "mirrored difference",
    "bright tissue",
    "mirrored difference of bright tissue",
    "mirrored difference of dark tissue",
)
SMOOTHED_VOXELS = 2.0
LEAST = 20  # voxels of infarct


def told_apart(values: np.ndarray, known: np.ndarray, ill: np.ndarray, healthy: np.ndarray) -> tuple[float, float]:
    """AUC of darker voxels being infarct, plain and after smoothing over known tissue."""
    weight = np.maximum(ndimage.gaussian_filter(known.astype(np.float32), SMOOTHED_VOXELS), 0.05)
    smooth = ndimage.gaussian_filter(np.where(known, values, 0.0), SMOOTHED_VOXELS) / weight
    labels = np.r_[np.ones(ill.sum()), np.zeros(healthy.sum())]
    plain, far = (roc_auc_score(labels, -np.r_[field[ill], field[healthy]]) for field in (values, smooth))
    return float(plain), float(far)


def measure(entry: PreparedScan) -> dict[str, tuple[float, float]] | None:
    """By channel; ``None`` where the infarct is smaller than ``LEAST`` voxels."""
    arrays = entry.arrays()
    if arrays.lesion is None:
        return None
    channels, lesion = arrays.channels.astype(np.float32), arrays.lesion.astype(np.float32)
    known = channels[:, channel("smoothed tissue")] != 0
    known &= known[..., ::-1]
    ill, healthy = known & (lesion > 0.5), known & (lesion < 0.05) & (lesion[..., ::-1] < 0.05)
    if ill.sum() < LEAST:
        return None
    difference = channels[:, DIFFERENCE] * HU
    found = {"HU": (float(difference[ill].mean()), float(difference[healthy].std()))}
    for name in DARK_WHERE_ILL:
        found[name] = told_apart(channels[:, channel(name)], known, ill, healthy)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--scans", type=int, default=200)
    arguments = parser.parse_args()
    cache = arguments.cache or arguments.cohort.parent / "prepared"
    entries = prepare_scans(read_cohort(arguments.cohort).scans[: arguments.scans], cache)[0]
    rows = defaultdict(list)
    for entry in entries:
        for name, values in (measure(entry) or {}).items():
            rows[name].append(values)
    depth = float(np.mean([entry.scan.number("depth_hu") or np.nan for entry in entries]))
    inside, spread = np.mean(rows.pop("HU"), axis=0)
    print(f"{len(entries)} scans, infarcts {depth:.1f} HU deep on average")
    print(
        f"difference from the mirror image: {inside:+.2f} HU inside the infarct, SD {spread:.2f} HU in healthy tissue"
    )
    print(f"{'infarct told from healthy voxels, AUC':40s}{'plain':>8s}{'smoothed':>10s}")
    for name, values in rows.items():
        plain, smooth = np.mean(values, axis=0)
        print(f"{name:40s}{plain:8.3f}{smooth:10.3f}")


if __name__ == "__main__":
    main()
