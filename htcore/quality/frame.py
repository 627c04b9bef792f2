"""Where in the head each voxel lies: skull, midline, depth, and what may be judged."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from htcore.quality import thresholds as at
from htcore.quality.head import Head, grown, next_slices, shrunk
from htcore.types import FloatArray


@dataclass(frozen=True, eq=False)
class Frame:
    """Arrays of the head's shape, or broadcasting to it; lengths in mm.

    Attributes
    ----------
    skull : bool
        Bone around the brain; calcium and dense vessels inside it are none.
    clean : bool
        Inside the skull, without what bone blurs into.
    from_bone : distance to the skull within the slice.
    from_midline : towards the patient's left of the plane half-way between the brain's two sides.
    below_vertex : from the brain's highest slice, shape (slices, 1, 1).
    upright : below the brain's highest point as the patient lies, whatever the gantry's tilt.
    back : share of the way from the brain's front to its back, shape (1, rows, 1).
    """

    skull: NDArray[np.bool_]
    clean: NDArray[np.bool_]
    from_bone: NDArray[np.float32]
    from_midline: FloatArray
    below_vertex: FloatArray
    upright: FloatArray
    back: FloatArray

    def sinus(self, bone_nearby: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Where a dural sinus may run: along bone in the midline, or at the level of the tentorium in the back.

        The level is asked for along the slices' normal and along the patient's axis: a gantry of 25° moves the back
        of the head by 30 mm against the slices, unless the head is bent by as much.
        """
        low, high = at.SINUS_BELOW_VERTEX_MM
        level = ((self.below_vertex > low) & (self.below_vertex < high)) | (
            (self.upright > low) & (self.upright < high)
        )
        near_bone = (self.from_bone < at.SINUS_DEPTH_MM) | (bone_nearby > at.NEAR_BONE)
        transverse = (self.back > at.SINUS_BACK) & level
        forehead = (self.back < at.SINUS_FOREHEAD) & (self.below_vertex > at.SINUS_FOREHEAD_BELOW_MM)
        sagittal = (np.abs(self.from_midline) < at.SINUS_MIDLINE_MM) & ~forehead
        return np.asarray(near_bone & (sagittal | transverse))

    def falx(self) -> NDArray[np.bool_]:
        """Where falx, straight sinus and great vein lie: in the midline of the back half."""
        return np.asarray((np.abs(self.from_midline) < at.FALX_MM) & (self.back > at.FALX_BACK))

    def artery(self) -> NDArray[np.bool_]:
        """Where the middle cerebral arteries run."""
        (front, back), (low, high) = at.ARTERY_FRONT, at.ARTERY_BELOW_VERTEX_MM
        level = (self.below_vertex > low) & (self.below_vertex < high)
        near = np.abs(self.from_midline) < at.ARTERY_OFF_MIDLINE_MM
        return np.asarray(level & near & (self.back > front) & (self.back < back))

    def base(self, bone_nearby: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Along the bone of the skull base."""
        return np.asarray((self.below_vertex > at.BASE_BELOW_VERTEX_MM) & (bone_nearby > at.NEAR_BONE))


def locate(head: Head, leave_out: NDArray[np.bool_] | None = None) -> Frame:
    """The frame of a head that has a brain; nothing is clean in the slices of ``leave_out``, shape (slices,)."""
    pixel = head.pixel_mm
    solid = head.hu > at.SOLID_HU
    skull = solid & ~shrunk(head.brain, 6.0, pixel)
    inside = grown(head.brain, 2 * at.BONE_MARGIN_MM, pixel) & ~solid
    blurred = grown(skull, at.BONE_MARGIN_MM, pixel) | next_slices(shrunk(skull, at.BONE_ABOVE_MM, pixel))
    if leave_out is not None:
        blurred |= leave_out[:, None, None]
    away = np.stack([cv2.distanceTransform((~section).view(np.uint8), cv2.DIST_L2, 3) for section in skull])
    top = np.flatnonzero(head.brain.any(axis=(1, 2)))[-1]
    rows = np.flatnonzero(head.brain.any(axis=(0, 2)))
    return Frame(
        skull=skull,
        clean=inside & ~blurred,
        from_bone=np.minimum(away, np.float32(1e3)) * np.float32(pixel),
        from_midline=_from_midline(head),
        below_vertex=(head.z_mm[top] - head.z_mm)[:, None, None],
        upright=_upright(head),
        back=((np.arange(head.hu.shape[1]) - rows[0]) / max(1, rows[-1] - rows[0]))[None, :, None],
    )


def _upright(head: Head) -> FloatArray:
    _, rows, columns = head.hu.shape
    left, back, normal = head.axes[:, 2]
    across = left * head.pixel_mm * np.arange(columns)[None, None, :]
    down = back * head.pixel_mm * np.arange(rows)[None, :, None]
    height = across + down + normal * head.z_mm[:, None, None]
    return np.asarray(height[head.brain].max() - height)


def _from_midline(head: Head) -> FloatArray:
    n, rows, columns = head.hu.shape
    k, r = np.nonzero(head.brain.any(axis=2))
    first = head.brain.argmax(axis=2)[k, r]
    last = columns - 1 - head.brain[:, :, ::-1].argmax(axis=2)[k, r]
    wide = (last - first) * head.pixel_mm > 60.0
    if wide.sum() < 20:
        middle_column = (np.flatnonzero(head.brain.any(axis=(0, 1)))[[0, -1]]).mean()
        return np.broadcast_to((np.arange(columns) - middle_column) * head.pixel_mm, (n, rows, columns))
    points = np.column_stack([np.ones(int(wide.sum())), r[wide], head.z_mm[k[wide]]])
    middle = (first + last)[wide] / 2
    for _ in range(3):
        plane = np.linalg.lstsq(points, middle, rcond=None)[0]
        off = np.abs(points @ plane - middle)
        kept = off <= np.percentile(off, 80)
        points, middle = points[kept], middle[kept]
    at_column = plane[0] + plane[1] * np.arange(rows)[None, :, None] + plane[2] * head.z_mm[:, None, None]
    return np.asarray((np.arange(columns)[None, None, :] - at_column) * head.pixel_mm)
