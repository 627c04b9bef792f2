"""Small synthetic head CT studies, written as DICOM: an ellipsoid skull, brain inside, a darker ball on the left.

The value at every place is known in closed form (``head_hu``), so a test can ask whether a reader puts the right
value at the right millimetre.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

REAL_STUDY = Path(__file__).resolve().parents[2] / "shared" / "data" / "ge-tilt-ncct"

AIR_HU, BONE_HU, BRAIN_HU, BALL_HU = -1000, 1000, 35, 20
OUTER_MM = np.array([72.0, 90.0, 85.0])
INNER_MM = OUTER_MM - 8.0
BALL_MM, BALL_RADIUS_MM = np.array([35.0, 20.0, 10.0]), 18.0

Change = Callable[[Dataset, int], None]


def head_hu(points_mm: NDArray[np.float64]) -> NDArray[np.int16]:
    """HU at LPS millimetres, shape (..., 3) → (...)."""
    out = np.full(points_mm.shape[:-1], AIR_HU, dtype=np.int16)
    out[((points_mm / OUTER_MM) ** 2).sum(axis=-1) <= 1] = BONE_HU
    out[((points_mm / INNER_MM) ** 2).sum(axis=-1) <= 1] = BRAIN_HU
    out[np.linalg.norm(points_mm - BALL_MM, axis=-1) <= BALL_RADIUS_MM] = BALL_HU
    return out


@dataclass(frozen=True)
class HeadStudy:
    """A synthetic study. ``slabs`` lists (slices, spacing in mm); ``slab_gap_mm`` lies between two slabs.

    ``tilt_deg`` is positive where the plane falls towards the patient's back. ``column_axis`` and ``row_sign`` turn
    the picture: (-1, 0, 0) and -1 is a prone patient.
    """

    slabs: tuple[tuple[int, float], ...] = ((26, 6.0),)
    slab_gap_mm: float = 1.0
    tilt_deg: float = 0.0
    shape: tuple[int, int] = (100, 96)
    pixel_mm: tuple[float, float] = (2.2, 2.0)
    column_sign: int = 1
    row_sign: int = 1
    slope: float = 1.0
    intercept: float = -1024.0
    signed: bool = False
    thickness_mm: float | None = None
    patient: str = "P1"
    series_uid: str | None = None
    noise_hu: float = 0.0

    def offsets_mm(self) -> NDArray[np.float64]:
        """Place of each slice along the normal, centred on 0."""
        out: list[float] = []
        for count, spacing in self.slabs:
            start = out[-1] + self.slab_gap_mm if out else 0.0
            out.extend(start + spacing * k for k in range(count))
        return np.array(out) - (out[0] + out[-1]) / 2

    def affines(self) -> NDArray[np.float64]:
        """(column, row, w, 1) → LPS mm, one a slice; the head's centre lies in the middle of the picture."""
        angle = np.radians(-self.tilt_deg)
        column = np.array([self.column_sign, 0.0, 0.0])
        row = np.array([0.0, np.cos(angle), np.sin(angle)]) * self.row_sign
        normal = np.array([0.0, -np.sin(angle), np.cos(angle)])
        rows, columns = self.shape
        offsets = self.offsets_mm()
        out = np.tile(np.eye(4), (len(offsets), 1, 1))
        out[:, :3, 0], out[:, :3, 1], out[:, :3, 2] = column * self.pixel_mm[1], row * self.pixel_mm[0], normal
        corner = -column * self.pixel_mm[1] * (columns - 1) / 2 - row * self.pixel_mm[0] * (rows - 1) / 2
        out[:, :3, 3] = corner + offsets[:, None] * normal
        return out

    def hu(self) -> NDArray[np.int16]:
        """The volume, shape (slices, rows, columns), feet to head."""
        rows, columns = np.indices(self.shape)
        pixels = np.stack([columns, rows, np.zeros_like(rows), np.ones_like(rows)], axis=-1).astype(float)
        out = np.stack([head_hu((pixels @ affine.T)[..., :3]) for affine in self.affines()])
        if self.noise_hu:
            out = out + np.rint(np.random.default_rng(1).normal(0, self.noise_hu, out.shape))
        return out.astype(np.int16)

    def datasets(self) -> list[FileDataset]:
        """One classic CT instance a slice, feet to head."""
        series = self.series_uid or generate_uid(entropy_srcs=[repr(self)])
        affines = self.affines()
        hu = self.hu()
        return [self._instance(k, affines[k], hu[k], series) for k in range(len(hu))]

    def _instance(self, k: int, affine: NDArray[np.float64], hu: NDArray[np.int16], series: str) -> FileDataset:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(k)])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        dataset.Modality = "CT"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.PatientID = self.patient
        dataset.PatientName = f"Name^{self.patient}"
        dataset.PatientAge = "070Y"
        dataset.PatientSex = "F"
        dataset.Manufacturer = "PHANTOM"
        dataset.ConvolutionKernel = "STANDARD"
        dataset.KVP = "120"
        dataset.StudyInstanceUID = generate_uid(entropy_srcs=[self.patient])
        dataset.SeriesInstanceUID = series
        dataset.InstanceNumber = k + 1
        dataset.ImagePositionPatient = [round(float(value), 6) for value in affine[:3, 3]]
        axes = affine[:3, :2] / np.linalg.norm(affine[:3, :2], axis=0)
        dataset.ImageOrientationPatient = [round(float(value), 8) for value in axes.T.ravel()]
        dataset.PixelSpacing = list(self.pixel_mm)
        if self.thickness_mm is not None:
            dataset.SliceThickness = self.thickness_mm
        self._pixels(dataset, hu)
        return dataset

    def _pixels(self, dataset: FileDataset, hu: NDArray[np.int16]) -> None:
        stored = np.rint((hu - self.intercept) / self.slope).astype("<i2" if self.signed else "<u2")
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.Rows, dataset.Columns = self.shape
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit = 15
        dataset.PixelRepresentation = int(self.signed)
        dataset.RescaleSlope, dataset.RescaleIntercept = self.slope, self.intercept
        dataset.PixelData = stored.tobytes()

    def write(self, folder: Path, change: Change | None = None, prefix: str = "") -> list[Path]:
        """Write the study; ``change(dataset, k)`` may spoil each instance first."""
        folder.mkdir(parents=True, exist_ok=True)
        out = []
        for k, dataset in enumerate(self.datasets()):
            if change is not None:
                change(dataset, k)
            out.append(folder / f"{prefix}{k:03d}")
            dataset.save_as(out[-1], enforce_file_format=True)
        return out


def other(study: HeadStudy, **changes: object) -> HeadStudy:
    """A copy with some parameters changed."""
    return replace(study, **changes)  # type: ignore[arg-type]
