"""NIfTI → volume: RAS to LPS, slices to the head, columns to the patient's left, rows to the back."""

from __future__ import annotations

import math
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from htcore.dicom.geometry import thickness_of
from htcore.errors import ReadError
from htcore.limits import checkpoint
from htcore.settings import Settings
from htcore.types import FloatArray, Volume

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Metres, millimetres and micrometres (nifti1.h, NIFTI_UNITS).
_MM_OF_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}
_INT16 = np.iinfo(np.int16)


def read_nifti(content: bytes, settings: Settings) -> tuple[Volume, bool]:
    """A 3-D NIfTI-1 or -2 in Hounsfield units → (volume, whether the header's ``descrip`` says SIMULATED).

    Fractions of a HU are rounded; the array's axes are permuted and flipped, never resampled.

    Raises
    ------
    ReadError
        Codes ``undecodable``, ``truncated``, ``not_3d``, ``not_finite``, ``no_orientation``, ``too_large``.
    """
    image = _open(content)
    shape = image.shape
    if len(shape) < 3 or any(n != 1 for n in shape[3:]) or min(shape[:3]) < 1:
        raise ReadError("The NIfTI is not one 3-D volume: give a single volume.", code="not_3d")
    spatial = int(shape[0]), int(shape[1]), int(shape[2])
    # Python's own integers: the product of three 64-bit dimensions does not fit numpy's.
    if math.prod(spatial) * 2 > settings.max_volume_bytes:
        raise ReadError("The NIfTI declares more voxels than the limit: give one head CT.", code="too_large")
    hu, affine = _upright(_hounsfield(_stored(content, image, spatial), image), _affine(image))
    affines = _slice_affines(affine, hu.shape[0])
    volume = Volume(hu, affines, thickness_of([None] * hu.shape[0], affines))
    return volume, b"SIMULATED" in image.header["descrip"].item().upper()


def _open(content: bytes) -> nibabel.Nifti1Image:
    if content[344:348] == b"ni1\x00":
        message = "This is half of a pair of .hdr and .img files, which are not read: convert it to one .nii file."
        raise ReadError(message, code="undecodable")
    kind = nibabel.Nifti2Image if content[4:8] == b"n+2\x00" else nibabel.Nifti1Image
    try:
        return kind.from_bytes(content)
    except Exception as error:  # nibabel lets many kinds through on damaged headers
        raise ReadError("The NIfTI header is damaged: export it again.", code="undecodable") from error


def _stored(content: bytes, image: nibabel.Nifti1Image, shape: tuple[int, int, int]) -> NDArray[Any]:
    """The stored values, shape (i, j, k) as in the file; a view, so that a lie in the header takes no memory."""
    proxy: Any = image.dataobj
    dtype: np.dtype[Any] = proxy.dtype
    offset = int(proxy.offset)
    if dtype.kind not in "iuf":
        raise ReadError("The NIfTI holds no plain numbers: give the CT in Hounsfield units.", code="undecodable")
    if offset < 0 or len(content) - offset < math.prod(shape) * dtype.itemsize:
        raise ReadError("The NIfTI is cut short: copy or export it again.", code="truncated")
    return np.frombuffer(content, dtype, math.prod(shape), offset).reshape(shape, order="F")


def _hounsfield(stored: NDArray[Any], image: nibabel.Nifti1Image) -> NDArray[np.int16]:
    proxy: Any = image.dataobj
    slope, intercept = float(proxy.slope), float(proxy.inter)
    if stored.dtype.kind != "f" and (slope, intercept) == (1.0, 0.0):
        return np.asarray(
            stored if stored.dtype == np.int16 else np.clip(stored, _INT16.min, _INT16.max), dtype=np.int16
        )
    out = np.empty(stored.shape, dtype=np.int16, order="F")
    # Plane by plane: float64 of a whole volume is four times its size.
    for k in range(stored.shape[2]):
        checkpoint()
        with np.errstate(all="ignore"):
            values = stored[..., k].astype(np.float64) * slope + intercept
        if not np.isfinite(values).all():
            raise ReadError("The NIfTI holds values that are not finite: export it again.", code="not_finite")
        out[..., k] = np.clip(np.rint(values), _INT16.min, _INT16.max)
    return out


def _affine(image: nibabel.Nifti1Image) -> FloatArray:
    header = image.header
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        message = "The NIfTI says nothing about orientation, so left and right cannot be told: convert it again."
        raise ReadError(message, code="no_orientation")
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ReadError("The NIfTI affine is singular: convert the study again.", code="no_orientation")
    # The three low bits name the unit of length; any other value is as silent as 0.
    scale = _MM_OF_UNIT.get(int(header["xyzt_units"]) & 0x07, 1.0)
    return np.asarray(np.diag([scale, scale, scale, 1.0]) @ _RAS_TO_LPS @ affine)


def _upright(values: NDArray[np.int16], affine: FloatArray) -> tuple[NDArray[np.int16], FloatArray]:
    """Array (slice, row, column) and its affine over (column, row, slice), as near to +x, +y, +z as the axes allow."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    slice_axis = int(np.argmax(np.abs(directions[2])))
    in_plane = [axis for axis in range(3) if axis != slice_axis]
    column_axis = max(in_plane, key=lambda axis: abs(float(directions[0, axis])))
    row_axis = next(axis for axis in in_plane if axis != column_axis)
    if abs(float(directions[:, column_axis] @ directions[:, row_axis])) > 1e-3:
        raise ReadError("The NIfTI axes are skewed within a slice: convert the study again.", code="no_orientation")
    out = np.eye(4)
    out[:3, 3] = affine[:3, 3]
    for target, axis in enumerate((column_axis, row_axis, slice_axis)):
        step = affine[:3, axis]
        if directions[target, axis] < 0:
            out[:3, 3] += step * (values.shape[axis] - 1)
            step = -step
            values = np.flip(values, axis)
        out[:3, target] = step
    return np.ascontiguousarray(values.transpose(slice_axis, row_axis, column_axis)), out


def _slice_affines(affine: FloatArray, count: int) -> FloatArray:
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    normal = normal / np.linalg.norm(normal)
    normal = normal if normal @ affine[:3, 2] >= 0 else -normal
    out = np.tile(affine, (count, 1, 1))
    out[:, :3, 3] = affine[:3, 3] + np.arange(count)[:, None] * affine[:3, 2]
    out[:, :3, 2] = normal
    return out
