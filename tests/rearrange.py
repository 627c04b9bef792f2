"""One study written down in other ways: other pixel orders, other positions of the patient, one Enhanced object."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileDataset
from pydicom.uid import EnhancedCTImageStorage

from tests.transcode import frames_of

Rearrange = Callable[[Dataset], Dataset]


def _axes(dataset: Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    axes = np.array([float(value) for value in dataset.ImageOrientationPatient]).reshape(2, 3)
    return axes[0], axes[1], np.array([float(value) for value in dataset.ImagePositionPatient])


def _written(
    dataset: Dataset, pixels: NDArray[np.generic], axes: Sequence[NDArray[np.float64]], origin: NDArray[np.float64]
) -> Dataset:
    out = copy.deepcopy(dataset)
    out.Rows, out.Columns = pixels.shape
    out.PixelData = np.ascontiguousarray(pixels).tobytes()
    out.ImageOrientationPatient = [round(float(value), 9) for axis in axes for value in axis]
    out.ImagePositionPatient = [round(float(value), 9) for value in origin]
    return out


def mirrored(dataset: Dataset, *, columns: bool = False, rows: bool = False) -> Dataset:
    """The same anatomy with the columns or rows stored backwards: feet-first, prone and the like."""
    column, row, origin = _axes(dataset)
    between_rows, between_columns = (float(value) for value in dataset.PixelSpacing)
    pixels = frames_of(dataset)[0]
    if columns:
        origin, column, pixels = origin + column * between_columns * (dataset.Columns - 1), -column, pixels[:, ::-1]
    if rows:
        origin, row, pixels = origin + row * between_rows * (dataset.Rows - 1), -row, pixels[::-1]
    return _written(dataset, pixels, (column, row), origin)


def transposed(dataset: Dataset) -> Dataset:
    """The same anatomy with rows and columns swapped, in the pixels and in the geometry."""
    column, row, origin = _axes(dataset)
    out = _written(dataset, frames_of(dataset)[0].T, (row, column), origin)
    out.PixelSpacing = list(dataset.PixelSpacing)[::-1]
    return out


def turned(dataset: Dataset, rotation: NDArray[np.float64]) -> Dataset:
    """The same pixels of a body that is turned by ``rotation``, shape (3, 3), about the patient's origin."""
    column, row, origin = _axes(dataset)
    return _written(dataset, frames_of(dataset)[0], (rotation @ column, rotation @ row), rotation @ origin)


def _item(**values: object) -> Dataset:
    out = Dataset()
    for keyword, value in values.items():
        setattr(out, keyword, value)
    return out


def enhanced(parts: Sequence[Dataset], order: Sequence[int]) -> FileDataset:
    """Classic instances as one Enhanced CT, frames in ``order``, each with its own intercept (C.7.6.16)."""
    out = copy.deepcopy(parts[0])
    frames, pixels = [], []
    for n, k in enumerate(order):
        part = parts[k]
        stored = frames_of(part)[0]
        pixels.append((stored.astype(np.int32) + n).astype(stored.dtype).tobytes())
        frames.append(
            _item(
                PlanePositionSequence=[_item(ImagePositionPatient=part.ImagePositionPatient)],
                PlaneOrientationSequence=[_item(ImageOrientationPatient=part.ImageOrientationPatient)],
                PixelValueTransformationSequence=[
                    _item(RescaleSlope=part.RescaleSlope, RescaleIntercept=part.RescaleIntercept - n, RescaleType="HU")
                ],
            )
        )
        if "SliceThickness" in part:
            measures = _item(PixelSpacing=part.PixelSpacing, SliceThickness=part.SliceThickness)
            frames[-1].PixelMeasuresSequence = [measures]
    shared = _item() if "SliceThickness" in out else _item(PixelMeasuresSequence=[_item(PixelSpacing=out.PixelSpacing)])
    moved = ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"]
    for keyword in [*moved, *(["SliceThickness"] if "SliceThickness" in out else [])]:
        delattr(out, keyword)
    out.SOPClassUID = out.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    out.NumberOfFrames = len(order)
    out.SharedFunctionalGroupsSequence = [shared]
    out.PerFrameFunctionalGroupsSequence = frames
    out.PixelData = b"".join(pixels)
    return out
