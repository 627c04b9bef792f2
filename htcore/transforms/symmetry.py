"""The head's mid-sagittal plane: where left and right agree best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from htcore.limits import checkpoint
from htcore.types import FloatArray

_CAP_HU = 60.0  # a difference beyond this counts no more: an infarct or a bleed must not steer the plane
FURTHEST_DEG = 45.0  # a head turned further is no ordinary scan: its left and right could be mistaken
_USUAL_DEG, _ALL_DEG = (25.0, 25.0), (95.0, 55.0)  # yaw, roll
_MAX_SHIFT_MM = 20.0
_SAMPLES = 4000
_STEPS = np.array([3.0, 3.0, 2.0])  # degrees, degrees, mm
# Left and right differ by 6 to 12 HU across the right plane, by 14 and more across a wrong one.
_ALIKE_HU, _UNLIKE_HU = 12.0, 15.0
_BETTER_HU = 0.3  # less is two searches that end at one place
_NEAR_DEG = 1.0  # of the usual limit: the search may have been held there


@dataclass(frozen=True)
class MidsagittalPlane:
    """Head pose: turned by ``yaw_deg`` about z and ``roll_deg`` about y; the plane passes through ``centre_mm``.

    ``difference_hu`` is by how much left and right differ across it, in and around the brain.
    """

    yaw_deg: float
    roll_deg: float
    centre_mm: tuple[float, float, float]
    difference_hu: float

    @property
    def rotation(self) -> FloatArray:
        """Columns are the head's left, posterior and cranial axes in LPS; shape (3, 3)."""
        return pose_rotation(self.yaw_deg, self.roll_deg)

    @property
    def found(self) -> bool:
        """Whether left and right are alike across it, with the head turned by less than `FURTHEST_DEG`."""
        return self.difference_hu < _UNLIKE_HU and max(abs(self.yaw_deg), abs(self.roll_deg)) < FURTHEST_DEG


def pose_rotation(yaw_deg: float, roll_deg: float) -> FloatArray:
    """Rotation about z by ``yaw_deg``, after one about y by ``roll_deg``; shape (3, 3)."""
    yaw, roll = np.radians([yaw_deg, roll_deg])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    return np.asarray(about_z @ about_y)


def find_midsagittal(
    hu: NDArray[np.float32], brain: NDArray[np.bool_], origin_mm: FloatArray, spacing_mm: float
) -> MidsagittalPlane:
    """The plane across which brain and skull mirror each other best.

    Parameters
    ----------
    hu, brain : shape (slices, rows, columns)
        On an isotropic grid whose axes are those of LPS.
    origin_mm : float64, shape (3,)
        LPS position of voxel (0, 0, 0).
    spacing_mm : float

    Notes
    -----
    A coarse search over yaw and roll on a fixed sample of points in and around the brain, then Nelder-Mead from either
    side. Only where that ends at its limits or at sides that are not alike, all planes are tried.
    Nothing is random and nothing favours a side: the mirror image of a scan has the mirror image of its plane.
    """
    image = ndimage.gaussian_filter(np.clip(hu, -100.0, 150.0), 1.0)
    head = ndimage.binary_dilation(brain, iterations=max(1, round(9.0 / spacing_mm)))
    points: FloatArray = _sample(head)[:, ::-1].astype(np.float64) * spacing_mm
    centre: FloatArray = np.argwhere(brain).mean(axis=0)[::-1] * spacing_mm
    here = _at(image, points, spacing_mm)

    def cost(pose: FloatArray, widest_deg: tuple[float, float] = _USUAL_DEG) -> float:
        yaw, roll, shift = pose
        left = pose_rotation(yaw, roll)[:, 0]
        distance = (points - centre) @ left - shift
        mirrored: FloatArray = points - 2.0 * distance[:, None] * left
        difference = np.minimum(np.abs(here - _at(image, mirrored, spacing_mm)), _CAP_HU)
        beyond = max(0.0, abs(yaw) - widest_deg[0], abs(roll) - widest_deg[1], abs(shift) - _MAX_SHIFT_MM)
        return float(difference.mean()) + float(beyond)

    best, difference = _refined(cost, _coarse(cost))
    if difference > _ALIKE_HU or max(abs(best[:2])) > min(_USUAL_DEG) - _NEAR_DEG:
        checkpoint()
        far = partial(cost, widest_deg=_ALL_DEG)
        other, other_difference = _refined(far, _coarse_far(far))
        if other_difference < difference - _BETTER_HU:
            best, difference = other, other_difference
    left = pose_rotation(best[0], best[1])[:, 0]
    x, y, z = centre + best[2] * left + origin_mm
    return MidsagittalPlane(float(best[0]), float(best[1]), (float(x), float(y), float(z)), difference)


def _sample(head: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Some ``_SAMPLES`` of the voxels of ``head``, the same of either side; (n, 3)."""
    indices = np.argwhere(head)
    # Counted outwards from the middle column: a voxel and its mirror image have the same number.
    outwards = np.abs(2 * indices[:, 2] - (head.shape[2] - 1)) // 2
    stride = max(1, len(indices) // _SAMPLES)
    chosen: NDArray[np.int64] = indices[(7 * indices[:, 0] + 3 * indices[:, 1] + outwards) % stride == 0]
    return chosen


def _coarse(cost: Callable[[FloatArray], float]) -> FloatArray:
    """Best of a grid over yaw, then roll at that yaw, then yaw once more."""
    angles = np.arange(-18.0, 19.0, 6.0)
    pose = np.zeros(3)
    for axis in (0, 1, 0, 2):
        steps = angles if axis < 2 else np.arange(-9.0, 10.0, 3.0)
        trials = [np.where(np.arange(3) == axis, step, pose) for step in steps]
        pose = min(trials, key=cost)
    return pose


def _coarse_far(cost: Callable[[FloatArray], float]) -> FloatArray:
    """Best of a grid over yaw and roll together: far from the right one of them the other cannot be told."""
    yaws, rolls = np.arange(-90.0, 91.0, 6.0), np.arange(-48.0, 49.0, 6.0)
    return min((np.array([yaw, roll, 0.0]) for yaw, roll in product(yaws, rolls)), key=cost)


def _refined(cost: Callable[[FloatArray], float], start: FloatArray) -> tuple[FloatArray, float]:
    """The pose of least cost near ``start``, and that cost."""
    ends = [
        optimize.minimize(
            cost,
            start,
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": 0.1, "fatol": 0.005, "maxfev": 90},
        )
        for simplex in (np.array([start, *(start + np.diag(side * _STEPS))]) for side in (1.0, -1.0))
    ]
    best = min(ends, key=lambda end: float(end.fun))
    return np.asarray(best.x, dtype=np.float64), float(best.fun)


def _at(image: NDArray[np.float32], points: FloatArray, spacing_mm: float) -> NDArray[np.float32]:
    coordinates = points[:, ::-1].T / spacing_mm
    return np.asarray(ndimage.map_coordinates(image, coordinates, order=1, mode="nearest"))
