"""Where the regions of a stroke report lie in a prepared scan.

Drawn in MNI152 millimetres with simple shapes and laid on the scan by the extent of its brain; no atlas is read.
Accuracy is that of a sketch, a centimetre or so: the names say about where, not which gyrus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.types import CanonicalGrid, FloatArray

ASPECTS = ("C", "L", "IC", "I", "M1", "M2", "M3", "M4", "M5", "M6")
"""Caudate, lentiform nucleus, internal capsule, insular ribbon, cortical fields of the middle cerebral artery: M1–M3
at the level of the basal ganglia, M4–M6 above (Barber et al., Lancet 2000, 10.1016/S0140-6736(00)02237-6)."""
REGIONS = (*ASPECTS, "ACA", "PCA", "cerebellum", "brainstem")
"""With the territories that ASPECTS leaves out; the thalamus counts to PCA."""

OUTSIDE = -1

# The inside of the skull of the MNI152 head, MNI mm, at the percentiles that `_extent` takes.
_MNI_HALF_WIDTH, _MNI_BACK, _MNI_FRONT, _MNI_TOP = 71.0, -101.0, 69.0, 81.0
_UPPER_MM = 90.0  # below the vertex: deeper the outline depends on how far down the scan goes
_GANGLIA_TOP = 22.0  # MNI z above which M4–M6 begin, "immediately rostral to the basal ganglia"


@dataclass(frozen=True)
class HeadFit:
    """How the scan's brain lies in MNI space: millimetres of the head for one of MNI along each axis, and two origins.

    The pitch of the head is not found: a head that nods by ten degrees moves the front and the back of the brain by
    about a centimetre up or down against the drawing.
    """

    scale: tuple[float, float, float]
    row_mm_of_zero: float
    slice_mm_of_zero: float


def region_labels(brain: NDArray[np.bool_], grid: CanonicalGrid) -> NDArray[np.int8]:
    """The index in ``REGIONS`` of each voxel of the brain or of its mirror image, ``OUTSIDE`` elsewhere.

    Parameters
    ----------
    brain : bool, shape (slices, rows, columns)

    Returns
    -------
    int8, same shape
        Equal to its own mirror image: the half tells the side. What no shape covers counts to the nearest one.
    """
    either = brain | brain[..., ::-1]
    if not either.any():
        return np.full(brain.shape, OUTSIDE, dtype=np.int8)
    drawn = _mirrored(draw(*_mni_coordinates(brain.shape, grid, fit_head(either, grid))))
    nearest = ndimage.distance_transform_edt(
        drawn == OUTSIDE, sampling=_spacing(grid), return_distances=False, return_indices=True
    )
    return np.where(either, _mirrored(drawn[tuple(nearest)]), OUTSIDE).astype(np.int8)


def fit_head(brain: NDArray[np.bool_], grid: CanonicalGrid) -> HeadFit:
    """Scale by the width and the length of the brain's upper part and place by its vertex; height takes their mean.

    The lower end of a scan is where the field of view ends, so that it says nothing about the head's height.
    """
    slice_mm, row_mm, column_mm = _spacing(grid)
    k, j, i = np.nonzero(brain)
    up, back = k * slice_mm, j * row_mm
    lateral = np.abs(i - (brain.shape[2] - 1) / 2) * column_mm
    top = float(np.percentile(up, 99.9)) + slice_mm / 2
    upper = up > top - _UPPER_MM
    half_width = float(np.percentile(lateral[upper], 99.5)) + column_mm / 2
    front, rear = np.percentile(back[upper], [0.5, 99.5]) + np.array([-0.5, 0.5]) * row_mm
    wide, long = half_width / _MNI_HALF_WIDTH, float(rear - front) / (_MNI_FRONT - _MNI_BACK)
    high = float(np.sqrt(wide * long))
    return HeadFit((wide, long, high), float(front) + long * _MNI_FRONT, top - high * _MNI_TOP)


def _mni_coordinates(
    shape: tuple[int, ...], grid: CanonicalGrid, fit: HeadFit
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distance from the midline, y to the front and z upwards in MNI mm, shaped to broadcast over the grid."""
    slice_mm, row_mm, column_mm = _spacing(grid)
    slices, rows, columns = shape
    i, j, k = (np.arange(n, dtype=np.float64) for n in (columns, rows, slices))
    lateral = np.abs(i - (columns - 1) / 2) * column_mm / fit.scale[0]
    y = (fit.row_mm_of_zero - j * row_mm) / fit.scale[1]
    z = (k * slice_mm - fit.slice_mm_of_zero) / fit.scale[2]
    return lateral[None, None, :], y[None, :, None], z[:, None, None]


def draw(lateral: FloatArray, y: FloatArray, z: FloatArray) -> NDArray[np.int8]:
    """The region's index at MNI places (``lateral`` without sign), ``OUTSIDE`` where none is drawn; broadcast shape.

    Territories of the anterior and posterior arteries after Tatu et al., Neurology 1998, 10.1212/WNL.50.6.1699. Where
    shapes overlap the one further up holds.
    """
    below_tent = (y < -32) & (z < -18 - 0.22 * np.maximum(0, -60 - y) + 0.1 * np.maximum(0, 30 - lateral))
    stem = (lateral < 17) & (y > -46) & (y < -10) & (z < -8)
    caudate = _near_line(lateral, y, z, (11, 20, -4), (13, 12, 12), 6.0) | _near_line(
        lateral, y, z, (13, 12, 12), (17, -12, 23), 5.5
    )
    high = (z > -6) & (z < _GANGLIA_TOP)
    capsule = high & (_near_path(lateral, y, (20, 20), (15, 2), 3.5) | _near_path(lateral, y, (15, 2), (26, -24), 4.0))
    lentiform = ((lateral - 25) / 9.5) ** 2 + ((y - 2) / 22) ** 2 + ((z - 3) / 15) ** 2 < 1
    insula = (np.abs(lateral - 38 + 0.004 * y**2) < 5.0) & (y > -22) & (y < 24) & (z > -14) & (z < 16)
    thalamus = (lateral < 21) & (y > -32) & (y < -3) & (z > -2) & (z < 18)
    medial = (lateral < 15) & (z > -14) & (y > -42 - 0.6 * np.clip(z - 30, 0, 40)) & ~((z < 28) & (y < 16))
    posterior = (y < -58 - 0.1 * (z - 20)) & (lateral < 36) & (z < 34)
    inferior = (z < -8) & (y < -22) & (lateral < 44)
    precuneus = (lateral < 15) & (y < -42)
    cortex = lateral > 12
    low, front, rear = z < _GANGLIA_TOP, y > 16, y < -24
    shapes = {
        "brainstem": stem,
        "cerebellum": below_tent,
        "C": caudate,
        "IC": capsule,
        "L": lentiform,
        "I": insula,
        "PCA": thalamus | posterior | inferior,
        "ACA": medial,
        "M1": cortex & low & front,
        "M3": cortex & low & rear,
        "M2": cortex & low,
        "M4": cortex & ~low & (y > 10) & (lateral > 15),
        "M6": cortex & ~low & (y < -28) & (lateral > 15),
        "M5": cortex & ~low & (lateral > 15),
    }
    shapes["PCA"] = shapes["PCA"] | (precuneus & ~medial)
    names = list(shapes)
    index = np.select(list(np.broadcast_arrays(*shapes.values())), [REGIONS.index(name) for name in names], OUTSIDE)
    return np.asarray(index, dtype=np.int8)


def _near_line(
    x: FloatArray, y: FloatArray, z: FloatArray, start: tuple[float, ...], end: tuple[float, ...], radius: float
) -> NDArray[np.bool_]:
    a, d = np.array(start), np.subtract(end, start)
    t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1] + (z - a[2]) * d[2]) / float(d @ d), 0, 1)
    square = (x - a[0] - t * d[0]) ** 2 + (y - a[1] - t * d[1]) ** 2 + (z - a[2] - t * d[2]) ** 2
    return np.asarray(square < radius**2)


def _near_path(
    x: FloatArray, y: FloatArray, start: tuple[float, float], end: tuple[float, float], half_width: float
) -> NDArray[np.bool_]:
    a, d = np.array(start), np.subtract(end, start)
    t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / float(d @ d), 0, 1)
    return np.asarray((x - a[0] - t * d[0]) ** 2 + (y - a[1] - t * d[1]) ** 2 < half_width**2)


def _mirrored(labels: NDArray[np.int8]) -> NDArray[np.int8]:
    """The later half of the columns, and its mirror image in the earlier half."""
    half = labels.shape[2] // 2
    return np.concatenate([labels[..., : half - 1 : -1], labels[..., half:]], axis=2)


def _spacing(grid: CanonicalGrid) -> tuple[float, float, float]:
    """Millimetres between (slices, rows, columns)."""
    column, row, up = np.linalg.norm(grid.affine[:3, :3], axis=0)
    return float(up), float(row), float(column)
