"""Simulated scans as files: DICOM as a scanner would export them, or NIfTI. Every file says that it is simulated."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from htcore.errors import UsageError
from htcore.simulation.vendors import PLAIN, FileStyle, Packing
from htcore.types import Volume

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

_EPOCH = datetime(2020, 1, 1, 8, 0, 0)


@dataclass(frozen=True)
class Person:
    """What a simulated scan's files say of who was scanned; ``sex`` M or F, ``age`` in years."""

    patient_id: str
    age: int | None = None
    sex: str | None = None


def uniform_affine(volume: Volume) -> NDArray[np.float64]:
    """(column, row, slice) → LPS mm as one 4 x 4; sheared where the gantry was tilted, which NIfTI allows.

    Raises
    ------
    UsageError
        If the slices are not evenly spaced (two slabs): no single affine describes them.
    """
    affine: NDArray[np.float64] = volume.affines[0].copy()
    steps = np.diff(volume.affines[:, :3, 3], axis=0)
    if len(steps) and np.abs(steps - steps.mean(axis=0)).max() > 1e-3:
        raise UsageError("Slices of unequal spacing do not fit one NIfTI grid: write this scan as DICOM.")
    if len(steps):
        affine[:3, 2] = steps.mean(axis=0)
    return affine


def nifti_bytes(array: NDArray[Any], affine_lps: NDArray[np.float64]) -> bytes:
    """A gzipped NIfTI of ``array`` (slice, row, column), the same bytes every time."""
    import nibabel as nib

    image: Any = nib.nifti1.Nifti1Image(  # type: ignore[no-untyped-call]
        np.ascontiguousarray(array.transpose(2, 1, 0)), np.diag([-1.0, -1, 1, 1]) @ affine_lps
    )
    image.header["descrip"] = b"SIMULATED by htcore"
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)


def write_nifti(path: Path, volume: Volume) -> None:
    """Write ``volume`` as int16 NIfTI."""
    path.write_bytes(nifti_bytes(volume.hu, uniform_affine(volume)))


def write_mask(path: Path, mask: NDArray[np.bool_], volume: Volume) -> None:
    """Write the infarct's mask in the volume's own pixel order (slice order feet to head).

    A scan in two slabs has no single affine; the first slab's then stands in the header and pixels, not millimetres,
    match.
    """
    try:
        affine = uniform_affine(volume)
    except UsageError:
        affine = volume.affines[0].copy()
        affine[:3, 2] = volume.affines[1, :3, 3] - volume.affines[0, :3, 3]
    path.write_bytes(nifti_bytes(mask.astype(np.uint8), affine))


def write_dicom(
    folder: Path,
    volume: Volume,
    name: str,
    rng: np.random.Generator,
    style: FileStyle = PLAIN,
    person: Person | None = None,
) -> None:
    """Write ``volume`` as classic CT slices into ``folder``, which is created.

    Values that the vendor's pixels cannot hold (PS3.3 C.7.6.3.1) are clipped, as its scanners do.

    Parameters
    ----------
    name : the simulated scan's name, stored as ``SIMULATED^name``.
    rng : gives the UIDs, so that the same seed gives the same bytes.
    style : the habits to follow.
    person : whose scan it is; ``name`` stands for the patient where ``None``.
    """
    folder.mkdir(parents=True)
    uids = [f"2.25.{int.from_bytes(rng.bytes(15), 'big')}" for _ in range(3)]
    shared = {**_study(name, uids, person or Person(name)), **_equipment(volume, style)}
    slices = volume.shape[0]
    for number in range(slices):
        k = slices - 1 - number if style.vendor.head_first else number
        dataset = _slice(volume, k, number + 1, f"{uids[2]}.{number + 1}", shared, style)
        dataset.save_as(folder / style.vendor.file_name.format(number=number + 1), enforce_file_format=True)


def _slice(volume: Volume, k: int, number: int, uid: str, shared: dict[str, Any], style: FileStyle) -> FileDataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(uid)
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if style.packing == "implicit" else ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID("2.25.4746130001")
    out = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword, value in {**shared, **_place(volume, k), "SOPInstanceUID": uid, "InstanceNumber": number}.items():
        setattr(out, keyword, value)
    when = _EPOCH + timedelta(seconds=number)
    out.ContentDate, out.ContentTime = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
    out.PixelData = _stored(volume.hu[k], style).tobytes()
    out["PixelData"].VR = "OW"
    _pack(out, style.packing)
    return out


def _stored(hu: NDArray[np.int16], style: FileStyle) -> NDArray[Any]:
    vendor = style.vendor
    low, high = vendor.limits_hu
    values = np.clip(hu.astype(np.int32), low, high) - vendor.intercept
    return values.astype("<i2" if vendor.signed else "<u2")


def _pack(dataset: FileDataset, packing: Packing) -> None:
    """Compress in place; the encoder is named, so that the same bytes come out wherever the same versions are."""
    from pydicom.uid import JPEGLSLossless, RLELossless

    if packing == "rle":
        dataset.compress(RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    elif packing == "jpeg-ls":
        dataset.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)


def _study(name: str, uids: list[str], person: Person) -> dict[str, Any]:
    """What every slice says of patient and study."""
    from pydicom.uid import CTImageStorage

    return {
        "SOPClassUID": CTImageStorage,
        "StudyInstanceUID": uids[0],
        "SeriesInstanceUID": uids[1],
        "FrameOfReferenceUID": uids[2],
        "PatientName": f"SIMULATED^{name}",
        "PatientID": person.patient_id,
        "PatientIdentityRemoved": "YES",
        "PatientBirthDate": "",
        "PatientSex": person.sex or "",
        "PatientAge": "" if person.age is None else f"{person.age:03d}Y",
        "StudyDate": _EPOCH.strftime("%Y%m%d"),
        "StudyTime": _EPOCH.strftime("%H%M%S"),
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyID": "1",
        "SeriesNumber": 2,
        "AcquisitionNumber": 1,
        "StudyDescription": "SIMULATED head CT",
        "SeriesDescription": "SIMULATED plain head",
        "BodyPartExamined": "HEAD",
        "PatientPosition": "HFS",
        "PositionReferenceIndicator": "",
    }


def _equipment(volume: Volume, style: FileStyle) -> dict[str, Any]:
    """What every slice says of scanner and pixels."""
    vendor = style.vendor
    _, rows, columns = volume.shape
    out: dict[str, Any] = {
        "ImageType": [*vendor.image_type, "SIMULATED"],
        "Modality": "CT",
        "Manufacturer": vendor.manufacturer,
        "ManufacturerModelName": vendor.model,
        "KVP": "120",
        "ConvolutionKernel": style.kernel,
        "GantryDetectorTilt": _ds(vendor.tilt_sign * volume.tilt_deg),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": vendor.bits,
        "HighBit": vendor.bits - 1,
        "PixelRepresentation": int(vendor.signed),
        "RescaleIntercept": str(vendor.intercept),
        "RescaleSlope": "1",
        "RescaleType": "HU",
        "WindowCenter": "40",
        "WindowWidth": "80",
    }
    if vendor.padding is not None:
        out["PixelPaddingValue"] = vendor.padding
    return out


def _place(volume: Volume, k: int) -> dict[str, Any]:
    """Where slice ``k`` lies (PS3.3 C.7.6.2)."""
    affine = volume.affines[k]
    row_mm, column_mm = float(np.linalg.norm(affine[:3, 1])), float(np.linalg.norm(affine[:3, 0]))
    return {
        "SliceThickness": _ds(float(volume.thickness_mm[k])),
        "SliceLocation": _ds(float(volume.centres_mm[k, 2])),
        "PixelSpacing": [_ds(row_mm), _ds(column_mm)],
        "ImageOrientationPatient": [_ds(v) for v in (*(affine[:3, 0] / column_mm), *(affine[:3, 1] / row_mm))],
        "ImagePositionPatient": [_ds(v) for v in affine[:3, 3]],
    }


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters (DICOM PS3.5, 6.2)."""
    return f"{value + 0.0:.9f}"[:16] if abs(value) < 1e5 else f"{value:.8g}"
