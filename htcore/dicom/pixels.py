"""Stored pixels → Hounsfield units, slice by slice into one array."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames

from htcore.dicom.codecs import COMPRESSED, NATIVE, check, decode, unsupported
from htcore.dicom.instance import Instance, missing
from htcore.dicom.planes import Plane
from htcore.dicom.rescale import USUAL_INTERCEPTS, confirmed_intercept
from htcore.dicom.threads import each
from htcore.errors import ReadError
from htcore.settings import Settings

# Below this there is no matter: padding that rescales to less cannot pass for tissue and is kept as stored.
_VACUUM_HU = -1024
_INT16 = np.iinfo(np.int16)
_SEQUENCE_END = b"\xfe\xff\xdd\xe0"
# After the pixels only padding may follow, (FFFC,FFFC), and it is short.
_TAIL = 1 << 16
# About so many slices are asked whether their values are HU.
_CONFIRMING_SLICES = 8

Stored = NDArray[Any]


def hounsfield(planes: list[Plane], settings: Settings) -> tuple[NDArray[np.int16], float | None]:
    """HU of ``planes``, in their order; int16, shape (slices, rows, columns); and the intercept where it was inferred.

    HU = slope × stored + intercept, each plane with its own (PS3.3 C.11.1.1.2). Values beyond int16 are clipped.
    Declared padding that would pass for tissue becomes −1024. Where every file is silent on the rescale, the one
    usual intercept with which air, soft tissue and bone lie where they belong is taken, and returned.

    Raises
    ------
    ReadError
        Codes ``truncated``, ``missing_tag``, ``missing_rescale``, ``bad_tag``, ``unsupported_pixels``,
        ``unsupported_syntax``, ``undecodable``, ``too_large``.
    """
    rows, columns = planes[0].instance.shape
    if rows < 1 or columns < 1 or len(planes) * rows * columns * 2 > settings.max_volume_bytes:
        message = f"The images declare a size outside 1 pixel … {settings.max_volume_bytes >> 20} MiB: export again."
        raise ReadError(message, code="too_large")
    pixels = _Pixels(planes)
    inferred = None
    if any(plane.slope is None or plane.intercept is None for plane in planes):
        planes, inferred = _with_inferred_rescale(planes, pixels)
    out = np.empty((len(planes), rows, columns), dtype=np.int16)
    each(lambda k: _rescale(pixels.stored(planes[k]), planes[k], out[k]), len(planes))
    return out, inferred


class _Pixels:
    """Stored values of planes; compressed frames are parted once an instance, since several planes can share one."""

    def __init__(self, planes: list[Plane]) -> None:
        self._encoded: dict[int, list[bytes]] = {}
        for instance in {id(plane.instance): plane.instance for plane in planes}.values():
            _check(instance)
            if instance.pixels_length == -1:
                self._encoded[id(instance)] = _frames(instance)
            else:
                _check_length(instance)

    def stored(self, plane: Plane) -> Stored:
        """Stored values of one plane, shape (rows, columns)."""
        encoded = self._encoded.get(id(plane.instance))
        if encoded is None:
            return _native(plane.instance, plane.frame)
        return _decoded(plane.instance, encoded[plane.frame])


def _with_inferred_rescale(planes: list[Plane], pixels: _Pixels) -> tuple[list[Plane], float]:
    """Planes with the rescale that their values confirm, and its intercept."""
    slopes, intercepts = {plane.slope for plane in planes}, {plane.intercept for plane in planes}
    if len(slopes) == len(intercepts) == 1:
        slope, known = slopes.pop(), intercepts.pop()
        slope = 1.0 if slope is None else slope
        sample = planes[:: max(1, len(planes) // _CONFIRMING_SLICES)]
        values = np.stack([pixels.stored(plane) for plane in sample])
        intercept = confirmed_intercept(values, slope, USUAL_INTERCEPTS if known is None else (known,))
        if intercept is not None:
            return [replace(plane, slope=slope, intercept=intercept) for plane in planes], intercept
    message = (
        "(0028,1052) Rescale Intercept or (0028,1053) Rescale Slope is missing, and air and bone do not confirm that "
        "the values are Hounsfield units: export the original CT series."
    )
    raise ReadError(message, code="missing_rescale")


def _check(instance: Instance) -> None:
    if instance.syntax is not None and instance.syntax not in NATIVE | COMPRESSED:
        raise unsupported()
    if (instance.syntax in COMPRESSED) != (instance.pixels_length == -1):
        # Read as what it is not, a compressed frame would pass for noise in HU.
        message = "The pixels are not stored as the file's transfer syntax says: export the study again."
        raise ReadError(message, code="undecodable")
    if instance.whole("SamplesPerPixel") != 1:
        raise ReadError("The images are in colour: export the original CT series.", code="unsupported_pixels")
    if instance.pixels_at is None:
        raise ReadError("(7FE0,0010) Pixel Data is missing: export the series again.", code="truncated")
    bits = instance.whole("BitsAllocated")
    if bits not in (8, 16):
        raise ReadError(f"{bits} bits a pixel are not read: export the original CT.", code="unsupported_pixels")


def _frames(instance: Instance) -> list[bytes]:
    """The encoded frames (PS3.5, A.4)."""
    start = instance.pixels_at or 0
    try:
        frames = list(generate_frames(instance.content[start:], number_of_frames=instance.n_frames))
    except Exception as error:  # pydicom raises many kinds on damaged fragments
        raise ReadError("An image is cut short or damaged: export the study again.", code="undecodable") from error
    if len(frames) != instance.n_frames or _SEQUENCE_END not in instance.content[-_TAIL:]:
        raise ReadError("An image is cut short or damaged: export the study again.", code="undecodable")
    for frame in frames:
        check(instance.syntax, frame, instance.shape)
    return frames


def _check_length(instance: Instance) -> None:
    rows, columns = instance.shape
    needed = instance.n_frames * rows * columns * (instance.whole("BitsAllocated") // 8)
    if min(len(instance.content) - (instance.pixels_at or 0), instance.pixels_length) < needed:
        message = "An image is cut short: its pixels are not all there. Copy or export the study again."
        raise ReadError(message, code="truncated")


def _native(instance: Instance, frame: int) -> Stored:
    """Stored values of one uncompressed frame, (rows, columns); a view of the file where nothing is to be done."""
    signed = instance.whole("PixelRepresentation") == 1
    dtype = np.dtype(
        f"{'>' if instance.big_endian else '<'}{'i' if signed else 'u'}{instance.whole('BitsAllocated') // 8}"
    )
    rows, columns = instance.shape
    start, size = instance.pixels_at or 0, rows * columns * dtype.itemsize
    values = np.frombuffer(instance.content, dtype, rows * columns, start + frame * size)
    return _unpack(values, instance, signed).reshape(rows, columns)


def _decoded(instance: Instance, frame: bytes) -> Stored:
    values = decode(instance.syntax, frame, instance.shape, instance.whole("BitsAllocated"))
    signed = instance.whole("PixelRepresentation") == 1
    return _unpack(values.view(values.dtype.str.replace("u", "i")) if signed else values, instance, signed)


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


def _rescale(stored: Stored, plane: Plane, target: NDArray[np.int16]) -> None:
    slope, intercept = plane.slope, plane.intercept
    if slope is None or intercept is None:
        raise missing("RescaleIntercept")
    if slope == 0:
        raise ReadError("(0028,1053) Rescale Slope is 0: export the original CT series.", code="bad_tag")
    if slope == 1 and intercept.is_integer() and _fits(stored, int(intercept)):
        np.add(stored.astype(np.int16, copy=False), np.int16(intercept), out=target)
    else:
        target[...] = np.clip(np.rint(stored * slope + intercept), _INT16.min, _INT16.max)
    _blank_padding(stored, plane.instance, target)


def _fits(stored: Stored, intercept: int) -> bool:
    """Whether stored values, the intercept and their sums all are int16."""
    low, high = int(stored.min()), int(stored.max())
    values = (low, high, intercept, low + intercept, high + intercept)
    return _INT16.min <= min(values) and max(values) <= _INT16.max


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
