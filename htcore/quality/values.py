"""Are the values Hounsfield units, unclipped, and not drowned in noise?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from htcore.quality import thresholds as at
from htcore.quality.head import Head, where_mm
from htcore.types import Finding, Volume

# Pixels are counted on about this many per slice: shares and levels need no more.
_SAMPLES = 20_000


def values(volume: Volume, head: Head) -> Iterator[Finding]:
    """Windowed, wrapped around, or no HU at all."""
    sample = _sampled(volume)
    if _windowed(sample):
        message = "The values are cut off at both ends, as in a windowed picture: give the original CT, not an export."
        yield Finding("windowed", "refuse", message)
    else:
        yield from _levels(sample)
    yield from _wrapped(volume, head, sample)
    darkest = float(np.percentile(sample, 1))
    if darkest > at.AIR_HU:
        message = (
            f"The darkest pixels read {darkest:.0f} HU, air is −1000: the values are not HU. Give the original CT."
        )
        yield Finding("hu_implausible", "refuse", message)
    tissue = head.hu[head.brain & (head.hu > at.TISSUE_HU[0]) & (head.hu < at.TISSUE_HU[1])]
    if tissue.size == 0:
        return
    median = float(np.median(tissue))
    if not at.MIN_BRAIN_HU <= median <= at.MAX_BRAIN_HU:
        expected = f"{at.MIN_BRAIN_HU:.0f} to {at.MAX_BRAIN_HU:.0f}"
        message = f"Brain tissue reads {median:.1f} HU, expected {expected}: not plain CT."
        yield Finding("hu_implausible", "refuse", message)


def noise(volume: Volume, head: Head, *, told: bool) -> Iterator[Finding]:
    """Noise of single pixels tells the kernel, noise on the grid whether brain can be read.

    ``told``: the file already says that the kernel is sharp.
    """
    k = int(head.brain.sum(axis=(1, 2)).argmax())
    rows, columns = np.nonzero(head.brain[k] & (np.abs(head.hu[k] - 35.0) < 200.0))
    if rows.size < 100:
        return
    if not told:
        yield from _kernel(volume, head, k, rows, columns)
    level = _deviation(_neighbours(head.hu[k], rows, columns))
    if level > at.WARN_NOISE_HU:
        severe = level > at.REFUSE_NOISE_HU
        tail = "nothing can be read from it." if severe else "faint changes may be lost."
        message = f"Noise is {level:.1f} HU even after averaging to {head.pixel_mm:.1f} mm: {tail}"
        yield Finding("strong_noise", "refuse" if severe else "warn", message)


def _sampled(volume: Volume) -> NDArray[np.int16]:
    _, rows, columns = volume.shape
    step = max(1, round((rows * columns / _SAMPLES) ** 0.5))
    return volume.hu[:, ::step, ::step]


def _windowed(sample: NDArray[np.int16]) -> bool:
    low, high = int(sample.min()), int(sample.max())
    if low <= at.AIR_HU or low == high:
        return False
    shares = float((sample == low).mean()), float((sample == high).mean())
    return shares[0] > at.PLATEAU_LOW and shares[1] > at.PLATEAU_HIGH


def _levels(sample: NDArray[np.int16]) -> Iterator[Finding]:
    levels = np.unique(sample)
    tissue = levels[(levels >= at.TISSUE_HU[0]) & (levels <= at.TISSUE_HU[1])]
    if len(levels) < at.MIN_LEVELS or len(tissue) < 2:
        return
    step = float(np.median(np.diff(tissue)))
    if step >= at.MAX_LEVEL_STEP_HU:
        message = (
            f"Neighbouring grey levels lie {step:.0f} HU apart, as in a picture of 8 bits: give the original CT, in "
            "which they lie 1 HU apart."
        )
        yield Finding("windowed", "refuse", message)


def _wrapped(volume: Volume, head: Head, sample: NDArray[np.int16]) -> Iterator[Finding]:
    high = float((sample >= at.WRAPPED_HIGH_HU).mean())
    inside = head.brain.any() and _below_air_inside(volume, head) > at.MIN_WRAPPED_ML
    if high > at.MAX_HIGH_SHARE:
        message = (
            f"{high:.0%} of the pixels read {at.WRAPPED_HIGH_HU:.0f} HU and more: values wrapped around in 12 bits."
        )
    elif inside:
        message = "Pixels inside the head read far less than air: dense ones wrapped around."
    else:
        return
    yield Finding("wrapped", "refuse", f"{message} Export the series again.")


def _below_air_inside(volume: Volume, head: Head) -> float:
    """Millilitres inside the brain's region that read less than anything can."""
    found = 0.0
    for k, places in where_mm(volume, lambda hu: hu < at.WRAPPED_LOW_HU):
        found += float(volume.thickness_mm[k]) * np.count_nonzero(head.brain[tuple(head.to_grid(places).T)])
    rows_mm, columns_mm = volume.pixel_spacing_mm
    return found * rows_mm * columns_mm / 1000.0


def _kernel(volume: Volume, head: Head, k: int, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Iterator[Finding]:
    """Noise between neighbouring pixels as acquired, within the brain of one slice."""
    index = int(np.abs(volume.positions_mm - head.z_mm[k]).argmin())
    places = head.points_mm(np.full(rows.size, k), rows, columns)
    inverse = np.linalg.inv(volume.affines[index])
    pixels = np.rint(places @ inverse[:2, :3].T + inverse[:2, 3]).astype(np.intp)
    _, height, width = volume.shape
    own_rows, own_columns = np.clip(pixels[:, 1], 0, height - 1), np.clip(pixels[:, 0], 0, width - 3)
    level = _deviation(_neighbours(volume.hu[index].astype(np.float32), own_rows, own_columns))
    if level > at.MAX_NOISE_HU:
        message = f"Noise is {level:.0f} HU, a sharp kernel or a low dose: give the soft-tissue series if there is one."
        yield Finding("sharp_kernel", "warn", message)


def _neighbours(image: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Differences between pixels two apart: they cancel anatomy and leave noise."""
    return np.asarray(image[rows, np.minimum(columns + 2, image.shape[1] - 1)] - image[rows, columns])


def _deviation(differences: NDArray[np.float32]) -> float:
    # The median absolute deviation ignores edges; 1.4826 makes it a standard deviation, √2 for the difference.
    return 1.4826 * float(np.median(np.abs(differences - np.median(differences)))) / float(np.sqrt(2.0))
