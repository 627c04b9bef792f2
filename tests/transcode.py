"""DICOM instances rewritten in other transfer syntaxes by imagecodecs; ``test_codecs`` uses other encoders too."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

NATIVE: dict[str, UID] = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big_endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}
# pydicom writes RLE itself; the others need imagecodecs.
LOSSLESS: dict[str, UID] = {
    "rle": RLELossless,
    "jpeg_lossless_p14": JPEGLossless,
    "jpeg_lossless_sv1": JPEGLosslessSV1,
    "jpeg_ls": JPEGLSLossless,
    "jpeg_2000": JPEG2000Lossless,
    "htj2k": HTJ2KLossless,
}
Pixels = NDArray[Any]


def _encoders() -> dict[UID, Callable[[Pixels], bytes]]:
    import imagecodecs

    return {
        # Process 14 allows any predictor, selection value 1 only the first.
        JPEGLossless: lambda p: imagecodecs.jpeg8_encode(
            p.view(np.uint16), lossless=True, predictor=4, bitspersample=16
        ),
        JPEGLosslessSV1: lambda p: imagecodecs.jpeg8_encode(
            p.view(np.uint16), lossless=True, predictor=1, bitspersample=16
        ),
        JPEGLSLossless: lambda p: imagecodecs.jpegls_encode(p.view(np.uint16), level=0),
        JPEG2000Lossless: lambda p: imagecodecs.jpeg2k_encode(p, codecformat="J2K", reversible=True, level=0),
        HTJ2KLossless: lambda p: imagecodecs.htj2k_encode(p, reversible=True),
        HTJ2K: lambda p: imagecodecs.htj2k_encode(p, reversible=False),
        JPEGBaseline8Bit: lambda p: imagecodecs.jpeg8_encode(p.astype(np.uint8), level=95),
        JPEGExtended12Bit: lambda p: imagecodecs.jpeg8_encode(p.astype(np.uint16), level=100, bitspersample=12),
    }


def frames_of(dataset: Dataset) -> Pixels:
    """Stored values of an uncompressed little-endian instance, shape (frames, rows, columns)."""
    kind = "i" if dataset.PixelRepresentation else "u"
    values = np.frombuffer(dataset.PixelData, f"<{kind}{dataset.BitsAllocated // 8}")
    return values.reshape(-1, dataset.Rows, dataset.Columns)


def transcode(dataset: Dataset, syntax: UID) -> bytes:
    """The file of ``dataset`` (uncompressed, little endian) in ``syntax``; the argument is left as it was."""
    # A Dataset made of another shares its elements, but forgets the byte order, which pydicom would not let change.
    out = Dataset(copy.deepcopy(dataset))
    out.file_meta = copy.deepcopy(dataset.file_meta)
    if syntax == RLELossless:
        out.compress(syntax, generate_instance_uid=False)
        out.save_as(stream := io.BytesIO(), enforce_file_format=True)
        return stream.getvalue()
    out.file_meta.TransferSyntaxUID = syntax
    if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        encode = _encoders()[syntax]
        out.PixelData = encapsulate([encode(np.ascontiguousarray(frame)) for frame in frames_of(dataset)])
        out["PixelData"].VR = "OB"
        out["PixelData"].is_undefined_length = True
    elif not syntax.is_little_endian:
        out.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        out["PixelData"].VR = "OW"
    stream = io.BytesIO()
    out.save_as(
        stream, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian, enforce_file_format=True
    )
    return stream.getvalue()
