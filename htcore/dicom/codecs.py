"""Compressed frames → stored values: for each transfer syntax the fastest exact decoder that is well kept."""

from __future__ import annotations

from typing import Any

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from htcore.errors import ReadError

JPEG = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1})
JPEG_LS = frozenset({JPEGLSLossless, JPEGLSNearLossless})
JPEG_2000 = frozenset({JPEG2000, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL})
NATIVE = frozenset(
    {ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian}
)
COMPRESSED = JPEG | JPEG_LS | JPEG_2000 | {RLELossless}

Stored = NDArray[Any]

_SIZ = b"\xff\x4f\xff\x51"
_SIGNED = 0x80
# Two bytes of a run stand for up to 128 (PS3.5, G.3.1).
_RLE_RATIO = 64
_UNDECODABLE = "An image cannot be decompressed: it is damaged or not of the size it declares. Export it again."
_END_OF_IMAGE = b"\xff\xd9"
# Start-of-frame markers: SOF0 … SOF15 without the tables among them (T.81, table B.1), and JPEG-LS (T.87).
_SOF = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
# Markers without a length (T.81, B.1.1.3).
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})

# OpenCV remarks that a JPEG 2000 codestream names no colour space: it never does.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_FATAL)


def decode(syntax: str | None, frame: bytes, shape: tuple[int, int], bits: int) -> Stored:
    """One frame's stored values as bit patterns: unsigned, ``bits`` (8 or 16) wide, ``shape`` (rows, columns).

    Raises
    ------
    ReadError
        Codes ``unsupported_syntax``, ``undecodable``.
    """
    check(syntax, frame, shape)
    dtype = np.dtype(f"<u{bits // 8}")
    try:
        if syntax == RLELossless:
            values = np.frombuffer(imagecodecs.dicomrle_decode(frame, dtype), dtype)
        else:
            values = _decode_image(str(syntax), frame)
        return values.reshape(shape).astype(dtype, casting="unsafe", copy=False)
    except Exception as error:  # every decoder raises its own kinds
        raise ReadError(_UNDECODABLE, code="undecodable") from error


def check(syntax: str | None, frame: bytes, shape: tuple[int, int]) -> None:
    """Whether ``frame`` can be of ``shape``, before any memory is taken: a decoder takes what the stream declares.

    Raises
    ------
    ReadError
        Codes ``unsupported_syntax``, ``undecodable``.
    """
    if syntax not in COMPRESSED:
        raise unsupported()
    try:
        if syntax == RLELossless:
            possible = shape[0] * shape[1] <= _RLE_RATIO * len(frame)
        else:
            possible = _declared_shape(frame, syntax in JPEG_2000) == shape
    except (ValueError, IndexError) as error:
        raise ReadError(_UNDECODABLE, code="undecodable") from error
    if not possible:
        raise ReadError(_UNDECODABLE, code="undecodable")


def unsupported() -> ReadError:
    """The error for a transfer syntax that is not read."""
    message = "(0002,0010) Transfer Syntax UID names a way of storing pixels that is not read: export uncompressed."
    return ReadError(message, code="unsupported_syntax")


def _decode_image(syntax: str, frame: bytes) -> Stored:
    if syntax in JPEG:
        # libjpeg fills up a stream that is cut short and says nothing; the padding to even length is a zero.
        if not frame.rstrip(b"\0").endswith(_END_OF_IMAGE):
            raise ValueError
        return np.asarray(imagecodecs.jpeg8_decode(frame))
    if syntax in JPEG_LS:
        return np.asarray(imagecodecs.jpegls_decode(frame))
    return _jpeg_2000(frame)


def _jpeg_2000(frame: bytes) -> Stored:
    """By OpenCV, which decodes several frames at once; it takes no signed components.

    A signed component differs from an unsigned one only in that the decoder adds no level shift of half the range
    (T.800, G.1). So the sign bit of the SIZ marker is cleared, and the shift taken off again.
    """
    start = frame.index(_SIZ)
    depth_at = start + 40
    depth = frame[depth_at]
    plain = np.frombuffer(frame, dtype=np.uint8)[start:].copy()
    plain[40] = depth & ~_SIGNED
    values = cv2.imdecode(plain, cv2.IMREAD_UNCHANGED)
    if values is None:
        return np.asarray(imagecodecs.jpeg2k_decode(frame))
    shift = 1 << (depth & ~_SIGNED) if depth & _SIGNED else 0
    return np.asarray(values).astype(np.uint16) - np.uint16(shift) if shift else np.asarray(values)


def _declared_shape(frame: bytes, jpeg_2000: bool) -> tuple[int, int]:
    """(rows, columns) that the stream's own header declares."""
    if jpeg_2000:
        start = frame.index(_SIZ)
        width, height, left, top = (int.from_bytes(frame[start + k : start + k + 4], "big") for k in (8, 12, 16, 20))
        return height - top, width - left
    at = 2
    while at + 9 < len(frame):
        if frame[at] != 0xFF:
            raise ValueError
        marker = frame[at + 1]
        if marker in _SOF:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        bare = marker in _BARE or marker == 0xFF
        at += (1 if marker == 0xFF else 2) if bare else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    raise ValueError
