"""Damage at random to the files of a study, and what the damaged files still say by readers that are not ours."""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Iterator

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEGLossless, JPEGLosslessSV1

from tests.uploads import saved

Slice = tuple[NDArray[np.float64], NDArray[np.int16]]
_INT16 = np.iinfo(np.int16)


def spoil(files: list[bytes], rng: np.random.Generator) -> list[bytes]:
    """The files in any order, one to three of them hurt; a fifth of the times one is lost or there twice."""
    out = [files[int(k)] for k in rng.permutation(len(files))]
    if rng.random() < 0.1 and len(out) > 1:
        del out[0]
    elif rng.random() < 0.1:
        out.append(out[0])
    for _ in range(int(rng.integers(1, 4))):
        k = int(rng.integers(len(out)))
        out[k] = _hurt(out[k], rng)
    return out


def _hurt(content: bytes, rng: np.random.Generator) -> bytes:
    if len(content) < 2:
        return content
    kind = int(rng.integers(7))
    out = bytearray(content)
    at = int(rng.integers(len(out)))
    if kind == 0:
        del out[at:]
    elif kind == 1:
        del out[at : at + int(rng.integers(1, 40))]
    elif kind == 2:
        out[at:at] = rng.bytes(int(rng.integers(1, 40)))
    elif kind == 3:
        out[at] = int(rng.integers(256))
    elif kind == 4:
        # The header, where a flip does most.
        for place in rng.integers(min(1400, len(out)), size=8):
            out[int(place)] ^= 1 << int(rng.integers(8))
    elif kind == 5:
        return _without_a_tag(content, rng)
    else:
        start = int(rng.integers(len(out)))
        piece = bytes(out[start : start + int(rng.integers(1, 200))])
        out[at : at + len(piece)] = piece
    return bytes(out)


def _without_a_tag(content: bytes, rng: np.random.Generator) -> bytes:
    """An element removed or emptied, also inside sequences; what is not DICOM loses a byte."""
    try:
        dataset = dcmread(io.BytesIO(content))
        nested: list[Dataset] = [dataset]
        for part in nested:
            nested.extend(item for element in part if element.VR == "SQ" for item in element.value)
        part = nested[int(rng.integers(len(nested)))]
        tags = list(part.keys())
        tag = tags[int(rng.integers(len(tags)))]
        if rng.random() < 0.5:
            del part[tag]
        else:
            part[tag].value = None
        return saved(dataset)
    except Exception:  # noqa: BLE001 - whatever pydicom finds wrong, the damage is then another
        return content[:-1]


def said_by_dicom(content: bytes) -> Iterator[Slice]:
    """Each frame's affine and HU by pydicom's own reading; nothing where pydicom cannot."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(io.BytesIO(content), force=True)
            # Elements that pydicom wants and that HU and millimetres do not hang on.
            dataset.PhotometricInterpretation = "MONOCHROME2"
            dataset.BitsStored = dataset.get("BitsStored") or dataset.BitsAllocated
            dataset.HighBit = dataset.BitsStored - 1
            for stored in _readings(dataset):
                for k, frame in enumerate(stored.reshape(-1, *stored.shape[-2:])):
                    yield _place(dataset, k), _hu(dataset, k, frame)
    except Exception:  # noqa: BLE001 - damaged files fail in every way
        return


def _readings(dataset: Dataset) -> Iterator[NDArray[np.generic]]:
    """Stored values by pydicom's decoders, and by libjpeg-turbo.

    The entropy code of JPEG has no checksum: most damage passes every decoder, and each fills its own values in.
    """
    try:
        yield np.asarray(pixel_array(dataset, raw=True))
    except RuntimeError:
        pass
    if dataset.file_meta.TransferSyntaxUID in (JPEGLossless, JPEGLosslessSV1):
        import imagecodecs

        (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
        yield np.asarray(imagecodecs.jpeg8_decode(frame))


def stored_in(hu: NDArray[np.int16], content: bytes) -> bool:
    """Whether the slice's values stand, uncompressed, in the file where pixels may stand.

    For files that pydicom refuses for an element of no weight. Frame n of an Enhanced object has intercept −1024 − n.
    """
    for tag, order in ((b"\xe0\x7f\x10\x00", "<"), (b"\x7f\xe0\x00\x10", ">")):
        at = content.find(tag)
        while at >= 0:
            for start in (at + 8, at + 12):
                block = content[start : start + (len(content) - start) // (2 * hu.size) * 2 * hu.size]
                frames = np.frombuffer(block, f"{order}u2").reshape(-1, *hu.shape).astype(int)
                for n in range(8):
                    values = np.clip(frames - 1024 - n, _INT16.min, _INT16.max)
                    if (values == hu).all(axis=(1, 2)).any():
                        return True
            at = content.find(tag, at + 1)
    return False


def _element(dataset: Dataset, frame: int, keyword: str) -> list[float]:
    groups = [dataset]
    for name, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        if name in dataset:
            items = dataset[name].value[index]
            groups.extend(element.value[0] for element in items if element.VR == "SQ" and element.value)
    value = next(group[keyword].value for group in [*groups[1:], groups[0]] if keyword in group)
    return [float(part) for part in np.atleast_1d(value)]


def _place(dataset: Dataset, frame: int) -> NDArray[np.float64]:
    axes = np.array(_element(dataset, frame, "ImageOrientationPatient")).reshape(2, 3)
    rows_mm, columns_mm = _element(dataset, frame, "PixelSpacing")
    out = np.zeros((3, 3))
    out[:, 0] = axes[0] / np.linalg.norm(axes[0]) * columns_mm
    out[:, 1] = axes[1] / np.linalg.norm(axes[1]) * rows_mm
    out[:, 2] = _element(dataset, frame, "ImagePositionPatient")
    return out


def _hu(dataset: Dataset, frame: int, stored: NDArray[np.generic]) -> NDArray[np.int16]:
    (slope,), (intercept,) = _element(dataset, frame, "RescaleSlope"), _element(dataset, frame, "RescaleIntercept")
    bits = int(dataset.BitsStored) if "BitsStored" in dataset else int(dataset.BitsAllocated)
    values = stored.astype(np.int64) & ((1 << bits) - 1)
    if dataset.PixelRepresentation == 1:
        values = np.where(values >> (bits - 1), values - (1 << bits), values)
    return np.clip(np.rint(values * slope + intercept), _INT16.min, _INT16.max).astype(np.int16)


def said_by_nifti(content: bytes) -> NDArray[np.float64] | None:
    """The values that nibabel reads, as HU, sorted; ``None`` where it cannot."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            kind = nibabel.Nifti2Image if content[4:8] == b"n+2\0" else nibabel.Nifti1Image
            values = np.asarray(kind.from_bytes(content).dataobj)
            values = np.clip(np.rint(values.astype(float)), _INT16.min, _INT16.max)
    except Exception:  # noqa: BLE001 - damaged files fail in every way
        return None
    return np.sort(values.ravel())
