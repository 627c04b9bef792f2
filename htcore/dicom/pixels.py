"""Stored pixels → Hounsfield units, slice by slice into one array."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels.utils import pixel_array

from htcore.dicom.instance import Instance
from htcore.dicom.planes import Plane
from htcore.errors import ReadError
from htcore.settings import Settings

# Below this there is no matter: padding that rescales to less cannot pass for tissue and is kept as stored.
_VACUUM_HU = -1024
_INT16 = np.iinfo(np.int16)

Stored = NDArray[Any]


def hounsfield(planes: list[Plane], settings: Settings) -> NDArray[np.int16]:
    """HU of ``planes``, in their order; int16, shape (slices, rows, columns).

    HU = slope × stored + intercept, each plane with its own (PS3.3 C.11.1.1.2). Values beyond int16 are clipped.
    Declared padding that would pass for tissue becomes −1024.

    Raises
    ------
    ReadError
        Codes ``truncated``, ``missing_tag``, ``bad_tag``, ``unsupported_pixels``, ``undecodable``, ``too_large``.
    """
    rows, columns = planes[0].instance.shape
    if rows < 1 or columns < 1 or len(planes) * rows * columns * 2 > settings.max_volume_bytes:
        message = f"The images declare a size outside 1 pixel … {settings.max_volume_bytes >> 20} MiB: export again."
        raise ReadError(message, code="too_large")
    out = np.empty((len(planes), rows, columns), dtype=np.int16)
    decoded: dict[int, Stored] = {}
    for target, plane in zip(out, planes, strict=True):
        instance = plane.instance
        if plane.instance.n_frames == 1:
            stored = _stored(instance, rows, columns)[0]
        else:
            if id(instance) not in decoded:
                decoded[id(instance)] = _stored(instance, rows, columns)
            stored = decoded[id(instance)][plane.frame]
        _rescale(stored, plane, target)
    return out


def _stored(instance: Instance, rows: int, columns: int) -> Stored:
    """Stored values of every frame, shape (frames, rows, columns)."""
    if instance.whole("SamplesPerPixel") != 1:
        raise ReadError("The images are in colour: export the original CT series.", code="unsupported_pixels")
    if instance.pixels_at is None:
        raise ReadError("(7FE0,0010) Pixel Data is missing: export the series again.", code="truncated")
    if instance.pixels_length == -1:
        return _decode(instance, rows, columns)
    bits = instance.whole("BitsAllocated")
    if bits not in (8, 16):
        raise ReadError(f"{bits} bits a pixel are not read: export the original CT.", code="unsupported_pixels")
    signed = instance.whole("PixelRepresentation") == 1
    dtype = np.dtype(f"{'>' if instance.big_endian else '<'}{'i' if signed else 'u'}{bits // 8}")
    count = instance.n_frames * rows * columns
    if min(len(instance.content) - instance.pixels_at, instance.pixels_length) < count * dtype.itemsize:
        message = "An image is cut short: its pixels are not all there. Copy or export the study again."
        raise ReadError(message, code="truncated")
    values = np.frombuffer(instance.content, dtype, count, instance.pixels_at)
    return _unpack(values, instance, signed).reshape(-1, rows, columns)


def _unpack(values: Stored, instance: Instance, signed: bool) -> Stored:
    """Drop what lies outside Bits Stored (old files keep overlays there) and extend the sign (PS3.5, 8.1.1)."""
    allocated = values.dtype.itemsize * 8
    bits = int(instance.number("BitsStored") or allocated)
    high = int(instance.number("HighBit") or bits - 1)
    if bits == allocated:
        return values
    if not 0 < bits <= high + 1 <= allocated:
        raise ReadError("(0028,0101) Bits Stored is impossible: export the series again.", code="bad_tag")
    native: Stored = values.astype(values.dtype.newbyteorder("="))
    up = allocated - 1 - high
    shifted: Stored = np.right_shift(np.left_shift(native, up), allocated - bits)
    return shifted if signed or bits < allocated else native


def _decode(instance: Instance, rows: int, columns: int) -> Stored:
    try:
        dataset = dcmread(io.BytesIO(instance.content), force=True)
        values = np.asarray(pixel_array(dataset, raw=True))
    except Exception as error:  # every decoder raises its own kinds
        message = "An image cannot be decompressed: it is damaged or of an unknown kind. Export it uncompressed."
        raise ReadError(message, code="undecodable") from error
    if values.size != instance.n_frames * rows * columns:
        raise ReadError("An image is not of the size it declares: export it again.", code="undecodable")
    return values.reshape(-1, rows, columns)


def _rescale(stored: Stored, plane: Plane, target: NDArray[np.int16]) -> None:
    slope, intercept = plane.slope, plane.intercept
    if slope is None or intercept is None:
        message = (
            "(0028,1052) Rescale Intercept or (0028,1053) Rescale Slope is missing, so the values cannot be told to "
            "be Hounsfield units: export the original CT series."
        )
        raise ReadError(message, code="missing_rescale")
    if slope == 0:
        raise ReadError("(0028,1053) Rescale Slope is 0: export the original CT series.", code="bad_tag")
    if slope == 1 and intercept == 0 and stored.dtype.kind == "i":
        target[...] = stored
    elif slope == 1 and intercept.is_integer():
        # numpy 2 refuses to add -1024 to unsigned values: cast first.
        target[...] = np.clip(stored.astype(np.int32) + int(intercept), _INT16.min, _INT16.max)
    else:
        target[...] = np.clip(np.rint(stored * slope + intercept), _INT16.min, _INT16.max)
    _blank_padding(stored, plane.instance, target)


def _blank_padding(stored: Stored, instance: Instance, target: NDArray[np.int16]) -> None:
    """Give declared padding no value of tissue (C.7.5.1.1.2).

    Some scanners declare a padding value that is also ordinary tissue; real padding lies outside the round field
    of view, so a corner must show it.
    """
    first = instance.number("PixelPaddingValue")
    if first is None:
        return
    last = instance.number("PixelPaddingRangeLimit")
    low, high = sorted((first, first if last is None else last))
    corners = stored[:: stored.shape[0] - 1 or 1, :: stored.shape[1] - 1 or 1]
    seen = (corners >= low) & (corners <= high)
    if seen.any() and target[:: stored.shape[0] - 1 or 1, :: stored.shape[1] - 1 or 1][seen].max() > _VACUUM_HU:
        target[(stored >= low) & (stored <= high)] = _VACUUM_HU
