from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from htcore.dicom.codecs import COMPRESSED, decode
from htcore.errors import ReadError

SHAPE = (70, 50)


def picture(bits: int, signed: bool = False) -> NDArray[Any]:
    """Waves with noise that reach both ends of the range; int16 or uint16 of ``bits`` stored."""
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    row, column = np.mgrid[: SHAPE[0], : SHAPE[1]]
    wave = (low + high) / 2 + (high - low) / 2.2 * np.sin(column / 9) * np.cos(row / 7)
    noisy = np.clip(wave + np.random.default_rng(0).normal(0, 4, SHAPE), low, high - 1)
    noisy[0, :2] = low, high - 1
    return noisy.astype(np.int16 if signed else np.uint16)


def by_pydicom(values: NDArray[Any], syntax: str, bits: int, signed: bool) -> bytes:
    """The frame as pydicom's own encoders write it."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPInstanceUID = "1.2"
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.compress(syntax, generate_instance_uid=False)
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [9, 12, 15, 16])
def test_every_depth_comes_back_exactly(syntax: str, bits: int, signed: bool) -> None:
    values = picture(bits, signed)
    decoded = decode(syntax, by_pydicom(values, syntax, bits, signed), SHAPE, 16)
    assert decoded.dtype == np.uint16
    mask = np.uint16((1 << bits) - 1)
    np.testing.assert_array_equal(decoded & mask, values.view(np.uint16) & mask)


@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1])
@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("bits", [12, 16])
def test_lossless_jpeg_with_every_predictor(syntax: str, predictor: int, bits: int) -> None:
    values = picture(bits)
    frame = imagecodecs.jpeg8_encode(values, lossless=True, predictor=predictor, bitspersample=bits)
    np.testing.assert_array_equal(decode(syntax, frame, SHAPE, 16), values)


@pytest.mark.parametrize(
    ("syntax", "frame"),
    [
        (HTJ2KLossless, lambda: imagecodecs.htj2k_encode(picture(16))),
        (JPEG2000, lambda: imagecodecs.jpeg2k_encode(picture(16), codecformat="j2k", reversible=True)),
    ],
)
def test_other_encoders_streams(syntax: str, frame: Callable[[], bytes]) -> None:
    np.testing.assert_array_equal(decode(syntax, frame(), SHAPE, 16), picture(16))


def test_lossy_streams_come_close_to_what_was_written_and_equal_pydicom() -> None:
    smooth = (picture(8) // 2 + 40).astype(np.uint8)
    frame = imagecodecs.jpeg8_encode(smooth, level=95)
    decoded = decode(JPEGBaseline8Bit, frame, SHAPE, 8)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - smooth).mean() < 3
    reference = _with_frame(frame, JPEGBaseline8Bit)
    np.testing.assert_allclose(decoded, reference, atol=1)

    twelve = (picture(12) // 2 + 600).astype(np.uint16)
    extended = imagecodecs.jpeg8_encode(twelve, level=98, bitspersample=12)
    assert np.abs(decode(JPEGExtended12Bit, extended, SHAPE, 16).astype(int) - twelve).mean() < 6

    near = imagecodecs.jpegls_encode(picture(12), level=2)
    assert np.abs(decode(JPEGLSNearLossless, near, SHAPE, 16).astype(int) - picture(12)).max() <= 2


def _with_frame(frame: bytes, syntax: str) -> NDArray[Any]:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.Rows, dataset.Columns = SHAPE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    return np.asarray(pixel_array(dataset, raw=True))


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.102", "1.2.3", None])
def test_an_unknown_transfer_syntax_is_named_as_such(syntax: str | None) -> None:
    assert syntax not in COMPRESSED
    with pytest.raises(ReadError) as caught:
        decode(syntax, b"\0" * 100, SHAPE, 16)
    assert caught.value.code == "unsupported_syntax"


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1])
def test_a_stream_that_declares_another_size_takes_no_memory(syntax: str) -> None:
    encode = {
        JPEG2000Lossless: lambda v: imagecodecs.jpeg2k_encode(v, codecformat="j2k", reversible=True),
        JPEGLSLossless: imagecodecs.jpegls_encode,
        JPEGLosslessSV1: lambda v: imagecodecs.jpeg8_encode(v, lossless=True, bitspersample=16),
    }[syntax]
    frame = bytearray(encode(picture(16)))
    np.testing.assert_array_equal(decode(syntax, bytes(frame), SHAPE, 16), picture(16))
    if syntax == JPEG2000Lossless:
        at = frame.index(b"\xff\x4f\xff\x51") + 8
        frame[at : at + 8] = b"\0\0\xff\xff" * 2
    else:
        at = frame.index(b"\xff\xf7" if syntax == JPEGLSLossless else b"\xff\xc3") + 5
        frame[at : at + 4] = b"\xff\xff" * 2
    with pytest.raises(ReadError) as caught:
        decode(syntax, bytes(frame), SHAPE, 16)
    assert caught.value.code == "undecodable"


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless, JPEGLosslessSV1, HTJ2KLossless])
def test_a_stream_that_is_cut_short_is_undecodable(syntax: str, share: float) -> None:
    frame = {
        JPEGLosslessSV1: lambda: imagecodecs.jpeg8_encode(picture(16), lossless=True, bitspersample=16),
        HTJ2KLossless: lambda: imagecodecs.htj2k_encode(picture(16)),
    }.get(syntax, lambda: by_pydicom(picture(16), syntax, 16, False))()
    decode(syntax, frame, SHAPE, 16)
    with pytest.raises(ReadError):
        decode(syntax, frame[: int(len(frame) * share)], SHAPE, 16)


@pytest.mark.parametrize("syntax", sorted(COMPRESSED))
@pytest.mark.parametrize("frame", [b"", b"\xff\xd8\xff", b"\xff\x4f\xff\x51" + b"\0" * 60, bytes(range(256)) * 4])
def test_rubbish_is_undecodable(syntax: str, frame: bytes) -> None:
    with pytest.raises(ReadError) as caught:
        decode(syntax, frame, SHAPE, 16)
    assert caught.value.code == "undecodable"
