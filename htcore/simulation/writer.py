"""Simulated scans as files: DICOM as a scanner would export them, or NIfTI. Every file says that it is simulated."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from htcore.errors import UsageError
from htcore.types import Volume

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

_EPOCH = datetime(2020, 1, 1, 8, 0, 0)


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


def write_dicom(folder: Path, volume: Volume, name: str, rng: np.random.Generator, kernel: str = "STANDARD") -> None:
    """Write ``volume`` as classic CT slices into ``folder``, which is created.

    Parameters
    ----------
    name : the simulated patient's and scan's name, stored as ``SIMULATED^name``.
    rng : gives the UIDs, so that the same seed gives the same bytes.
    """
    folder.mkdir(parents=True)
    uids = [f"2.25.{int.from_bytes(rng.bytes(15), 'big')}" for _ in range(3)]
    for number in range(volume.shape[0]):
        dataset = _slice(volume, number, name, uids, f"{uids[2]}.{number + 1}", kernel)
        dataset.save_as(folder / f"{number + 1:03d}.dcm", enforce_file_format=True)


def _slice(volume: Volume, number: int, name: str, uids: list[str], uid: str, kernel: str) -> FileDataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID("2.25.4746130001")
    out = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _, rows, columns = volume.shape
    affine = volume.affines[number]
    row_mm, column_mm = float(np.linalg.norm(affine[:3, 1])), float(np.linalg.norm(affine[:3, 0]))
    when = _EPOCH + timedelta(seconds=number)
    values: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": uid,
        "StudyInstanceUID": uids[0],
        "SeriesInstanceUID": uids[1],
        "FrameOfReferenceUID": uids[2],
        "ImageType": ["DERIVED", "PRIMARY", "AXIAL", "SIMULATED"],
        "Modality": "CT",
        "Manufacturer": "HTCORE",
        "ManufacturerModelName": "HTCORE SIMULATED SCANNER",
        "PatientName": f"SIMULATED^{name}",
        "PatientID": name,
        "PatientIdentityRemoved": "YES",
        "PatientBirthDate": "",
        "PatientSex": "",
        "StudyDate": when.strftime("%Y%m%d"),
        "StudyTime": _EPOCH.strftime("%H%M%S"),
        "ContentTime": when.strftime("%H%M%S"),
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyID": "1",
        "SeriesNumber": 2,
        "AcquisitionNumber": 1,
        "StudyDescription": "SIMULATED head CT",
        "SeriesDescription": "SIMULATED plain head",
        "BodyPartExamined": "HEAD",
        "InstanceNumber": number + 1,
        "PatientPosition": "HFS",
        "PositionReferenceIndicator": "",
        "KVP": "120",
        "ConvolutionKernel": kernel,
        "SliceThickness": _ds(float(volume.thickness_mm[number])),
        "GantryDetectorTilt": _ds(volume.tilt_deg),
        "PixelSpacing": [_ds(row_mm), _ds(column_mm)],
        "ImageOrientationPatient": [_ds(v) for v in (*(affine[:3, 0] / column_mm), *(affine[:3, 1] / row_mm))],
        "ImagePositionPatient": [_ds(v) for v in affine[:3, 3]],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "RescaleType": "HU",
        "WindowCenter": "40",
        "WindowWidth": "80",
    }
    for keyword, value in values.items():
        setattr(out, keyword, value)
    out.PixelData = volume.hu[number].astype("<i2").tobytes()
    return out


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters (DICOM PS3.5, 6.2)."""
    return f"{value + 0.0:.9f}"[:16] if abs(value) < 1e5 else f"{value:.8g}"
