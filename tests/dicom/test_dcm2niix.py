"""A second opinion: dcm2niix, which reads and places the same files by code that is not ours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from htcore.dicom import read_study
from htcore.types import Volume
from tests.places import hu_at
from tests.rearrange import mirrored, transposed
from tests.studies import REAL_STUDY, HeadStudy

pytestmark = pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="the program dcm2niix is not installed")
real = pytest.mark.skipif(not REAL_STUDY.is_dir(), reason="the real study is not part of the repository")

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
UNTILTED = HeadStudy(slabs=((20, 8.0),), shape=(90, 96), pixel_mm=(2.2, 2.0), thickness_mm=8.0, noise_hu=3.0)


def _convert(folder: Path, out: Path) -> dict[str, nibabel.Nifti1Image]:
    out.mkdir()
    command = ["dcm2niix", "-z", "n", "-b", "n", "-f", "scan", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return {path.name: nibabel.load(path) for path in out.glob("*.nii")}


def _agree(image: nibabel.Nifti1Image, volume: Volume) -> None:
    """Every voxel of dcm2niix has our value at its millimetre."""
    values = np.asarray(image.dataobj)
    indices = np.stack(np.meshgrid(*map(np.arange, values.shape), indexing="ij"), axis=-1).reshape(-1, 3)
    affine = RAS_TO_LPS @ image.affine
    points = indices @ affine[:3, :3].T + affine[:3, 3]
    assert values.size == volume.hu.size
    # Its affine is float32 in millimetres.
    np.testing.assert_array_equal(hu_at(volume, points, tolerance=0.01), values.ravel())


def _write(folder: Path, datasets: list[Dataset]) -> None:
    folder.mkdir()
    for k, dataset in enumerate(datasets):
        dataset.InstanceNumber, dataset.SeriesNumber = k + 1, 2
        dataset.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)


@pytest.mark.parametrize("order", ["supine", "prone", "feet_first", "transposed"])
def test_an_untilted_study_agrees_voxel_by_voxel(tmp_path: Path, order: str) -> None:
    change = {
        "supine": lambda dataset: dataset,
        "prone": lambda dataset: mirrored(dataset, columns=True, rows=True),
        "feet_first": lambda dataset: mirrored(dataset, columns=True),
        "transposed": transposed,
    }[order]
    parts = [change(dataset) for dataset in UNTILTED.datasets()]
    _write(tmp_path / "study", parts[::-1] if order == "feet_first" else parts)
    (image,) = _convert(tmp_path / "study", tmp_path / "out").values()
    _agree(image, read_study(tmp_path / "study")[0])


@real
def test_real_pixels_laid_without_tilt_agree_voxel_by_voxel(tmp_path: Path) -> None:
    parts = [dcmread(path) for path in sorted(REAL_STUDY.glob("*.dcm"))[:14]]
    for k, dataset in enumerate(parts):
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [-125, -125, 4.0 * k]
        dataset.GantryDetectorTilt = 0
    _write(tmp_path / "study", parts)
    (image,) = _convert(tmp_path / "study", tmp_path / "out").values()
    _agree(image, read_study(tmp_path / "study")[0])


@real
def test_the_tilted_study_has_the_same_pixels_and_the_same_left(tmp_path: Path) -> None:
    volume, _ = read_study(REAL_STUDY)
    image = _convert(REAL_STUDY, tmp_path / "out")["scan.nii"]
    # NIfTI columns as ours, rows from the back to the front; with tilt its header is exact in x alone.
    np.testing.assert_array_equal(np.asarray(image.dataobj).transpose(2, 1, 0)[:, ::-1], volume.hu)
    affine = RAS_TO_LPS @ image.affine
    np.testing.assert_allclose(affine[0], [*volume.affines[0, 0, :2], 0.0, volume.affines[0, 0, 3]], atol=1e-4)


@real
def test_the_tilted_study_agrees_within_interpolation_error(tmp_path: Path) -> None:
    """dcm2niix shears the tilt away and spaces the slices evenly, both linearly; so do we here, by our affines.

    Where its grid lies is in no header: the affine it writes for a corrected tilt is not orthogonal (v1.0.20220720).
    By its ``nii_saveNII3Dtilt`` the first slice keeps its place and the picture grows at the front by the rows that
    the last slice has moved.
    """
    volume, _ = read_study(REAL_STUDY)
    image = _convert(REAL_STUDY, tmp_path / "out")["scan_Tilt_Eq_1.nii"]
    values = np.asarray(image.dataobj).transpose(2, 1, 0)[:, ::-1].astype(float)
    grown = values.shape[1] - volume.shape[1]
    differences = []
    for number, theirs in enumerate(values):
        off_plane = number * float(image.header["pixdim"][3])
        ours = _resampled(volume, off_plane, np.arange(values.shape[1]) - grown)
        differences.append(np.abs(ours - theirs)[np.isfinite(ours)])
    together = np.concatenate(differences)
    assert together.size > 0.6 * values.size
    # Both round: its tilt step and its spacing step each to a whole HU. Steep edges amplify its float32 positions.
    assert np.median(together) <= 0.5
    assert np.percentile(together, 99) <= 1.5


def _resampled(volume: Volume, off_plane_mm: float, rows: NDArray[np.int_]) -> NDArray[np.float64]:
    """The plane ``off_plane_mm`` above the first slice, on the first slice's columns and ``rows``, by the affines."""
    offsets = volume.positions_mm - volume.positions_mm[0]
    above = int(np.clip(np.searchsorted(offsets, off_plane_mm - 1e-3), 1, len(offsets) - 1))
    share = (off_plane_mm - offsets[above - 1]) / (offsets[above] - offsets[above - 1])
    points = np.stack([np.zeros(len(rows)), rows, np.full(len(rows), off_plane_mm), np.ones(len(rows))], axis=1)
    points = points @ volume.affines[0].T
    parts = []
    for k in (above - 1, above):
        column, row, _, _ = np.linalg.inv(volume.affines[k]) @ points.T
        assert np.abs(column).max() < 1e-6
        below = np.floor(row).astype(int)
        inside = (below >= 0) & (below < volume.shape[1] - 1)
        part = np.full((len(rows), volume.shape[2]), np.nan)
        hu, fraction = volume.hu[k].astype(float), (row - below)[inside, None]
        part[inside] = hu[below[inside]] * (1 - fraction) + hu[below[inside] + 1] * fraction
        parts.append(part)
    return np.asarray(parts[0] * (1 - share) + parts[1] * share)
