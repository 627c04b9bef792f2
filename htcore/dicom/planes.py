"""Image planes: what one frame of one instance needs to become a slice of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from htcore.dicom.header import Header, name_of
from htcore.dicom.instance import Instance, first_items, missing
from htcore.errors import ReadError
from htcore.types import FloatArray

# Direction cosines come rounded to 5 or 6 digits; a matrix further than this from orthonormal has no one meaning.
_ORTHONORMAL_TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class Plane:
    """One frame.

    Attributes
    ----------
    position : float64, shape (3,)
        LPS mm of the centre of the first pixel, (0020,0032).
    column_axis, row_axis : float64, shape (3,)
        Perpendicular unit vectors along which the column index and the row index grow, (0020,0037).
    normal : float64, shape (3,)
        Unit normal, towards the head (for a plane that stands upright: towards the larger coordinate).
    spacing_mm : (between rows, between columns), (0028,0030).
    thickness_mm, slope, intercept : ``None`` where the file is silent.
    """

    instance: Instance
    frame: int
    position: FloatArray
    column_axis: FloatArray
    row_axis: FloatArray
    normal: FloatArray
    spacing_mm: tuple[float, float]
    thickness_mm: float | None
    slope: float | None
    intercept: float | None


def planes_of(instance: Instance) -> list[Plane]:
    """The planes of a classic CT (one) or of an Enhanced CT (one a frame, from the functional groups, C.7.6.16).

    Raises
    ------
    ReadError
        Code ``missing_tag`` or ``bad_tag``, naming the element.
    """
    if instance.groups is None:
        if instance.n_frames > 1:
            raise missing("PerFrameFunctionalGroupsSequence")
        return [_plane(instance, 0, _Tags([instance.header]))]
    shared, per_frame = instance.groups
    if len(per_frame) != instance.n_frames:
        message = "(0028,0008) Number of Frames and the frames' descriptions disagree: export the series again."
        raise ReadError(message, code="bad_tag")
    little = instance.header.little_endian
    common = first_items(shared, little)
    return [_plane(instance, k, _Tags(first_items([group], little) + common)) for k, group in enumerate(per_frame)]


class _Tags:
    """Looks an element up in several headers, the first that has it wins."""

    def __init__(self, headers: list[Header]) -> None:
        self._headers = headers

    def numbers(self, keyword: str, count: int) -> tuple[float, ...]:
        values = self.optional(keyword)
        if not values:
            raise missing(keyword)
        if len(values) != count:
            message = f"{name_of(keyword)} needs {count} values: export the original series again."
            raise ReadError(message, code="bad_tag")
        return values

    def optional(self, keyword: str) -> tuple[float, ...]:
        for header in self._headers:
            values = header.numbers(keyword)
            if values:
                return values
        return ()

    def first(self, keyword: str) -> float | None:
        values = self.optional(keyword)
        return values[0] if values else None


def _plane(instance: Instance, frame: int, tags: _Tags) -> Plane:
    position = np.array(tags.numbers("ImagePositionPatient", 3))
    column_axis, row_axis, normal = _axes(tags.numbers("ImageOrientationPatient", 6))
    between_rows, between_columns = tags.numbers("PixelSpacing", 2)
    if min(between_rows, between_columns) <= 0:
        raise ReadError("(0028,0030) Pixel Spacing must be positive: export the series again.", code="bad_tag")
    thickness = tags.first("SliceThickness")
    return Plane(
        instance=instance,
        frame=frame,
        position=position,
        column_axis=column_axis,
        row_axis=row_axis,
        normal=normal,
        spacing_mm=(between_rows, between_columns),
        thickness_mm=thickness if thickness and thickness > 0 else None,
        slope=tags.first("RescaleSlope"),
        intercept=tags.first("RescaleIntercept"),
    )


@lru_cache(maxsize=64)
def _axes(cosines: tuple[float, ...]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit column axis, row axis and normal of (0020,0037), perpendicular; the slices of a series share them."""
    axes = np.array(cosines).reshape(2, 3)
    if np.abs(axes @ axes.T - np.eye(2)).max() > _ORTHONORMAL_TOLERANCE:
        message = "(0020,0037) Image Orientation (Patient) holds no two perpendicular directions: export again."
        raise ReadError(message, code="bad_tag")
    # What rounding left of the row axis along the column axis goes: a volume's axes are perpendicular.
    axes[1] -= (axes[1] @ axes[0]) / (axes[0] @ axes[0]) * axes[0]
    column_axis, row_axis = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    normal = np.cross(column_axis, row_axis)
    leading = 2 if abs(normal[2]) > 1e-3 else int(np.argmax(np.abs(normal)))
    normal = normal * np.sign(normal[leading])
    for vector in (column_axis, row_axis, normal):
        vector.flags.writeable = False
    return column_axis, row_axis, normal
