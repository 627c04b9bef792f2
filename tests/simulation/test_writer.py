"""Files of a simulated scan read back to the same HU and the same millimetres."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from htcore.errors import UsageError
from htcore.simulation.writer import uniform_affine, write_dicom, write_mask, write_nifti
from htcore.types import Volume


def tilted(heights: tuple[float, ...] = (0.0, 5.0, 10.0)) -> Volume:
    tilt = np.radians(18.5)
    affines = np.tile(np.eye(4), (len(heights), 1, 1))
    affines[:, :3, 0] = 0.5, 0, 0
    affines[:, :3, 1] = 0, 0.7 * np.cos(tilt), 0.7 * np.sin(tilt)
    affines[:, :3, 2] = 0, -np.sin(tilt), np.cos(tilt)
    affines[:, :3, 3] = np.array([[-10.25, 3.5, h] for h in heights])
    hu = np.arange(len(heights) * 6 * 4, dtype=np.int16).reshape(len(heights), 6, 4) - 30
    return Volume(hu, affines, np.full(len(heights), 5.0))


def test_dicom_keeps_hu_and_geometry_and_says_simulated(tmp_path: Path) -> None:
    volume = tilted()
    write_dicom(tmp_path / "d", volume, "SIM1-1", np.random.default_rng(2))
    slices = [pydicom.dcmread(p) for p in sorted((tmp_path / "d").iterdir())]
    assert len(slices) == 3 and len({s.SOPInstanceUID for s in slices}) == 3
    for k, dataset in enumerate(slices):
        np.testing.assert_array_equal(dataset.pixel_array, volume.hu[k])
        np.testing.assert_allclose(dataset.ImagePositionPatient, volume.affines[k, :3, 3], atol=1e-6)
        np.testing.assert_allclose(dataset.ImageOrientationPatient[3:], volume.affines[k, :3, 1] / 0.7, atol=1e-6)
        np.testing.assert_allclose(dataset.PixelSpacing, (0.7, 0.5))
        assert "SIMULATED" in dataset.ImageType and dataset.ManufacturerModelName == "HTCORE SIMULATED SCANNER"
        assert str(dataset.PatientName) == "SIMULATED^SIM1-1"
        assert all(len(uid) <= 64 for uid in (dataset.SOPInstanceUID, dataset.StudyInstanceUID))


def test_dicom_bytes_follow_the_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_dicom(tmp_path / name, tilted(), "SIM1-1", np.random.default_rng(2))
    assert (tmp_path / "a/001.dcm").read_bytes() == (tmp_path / "b/001.dcm").read_bytes()


def test_nifti_of_a_tilted_scan_is_sheared_and_exact(tmp_path: Path) -> None:
    volume = tilted()
    write_nifti(tmp_path / "ct.nii.gz", volume)
    image = nib.load(tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), volume.hu)
    lps = (np.diag([-1.0, -1, 1, 1]) @ image.affine @ [3, 5, 2, 1])[:3]
    np.testing.assert_allclose(lps, (volume.affines[2] @ [3, 5, 0, 1])[:3], atol=1e-4)


def test_two_slabs_are_refused_as_nifti_but_their_mask_is_kept(tmp_path: Path) -> None:
    volume = tilted((0.0, 4.0, 11.0))
    with pytest.raises(UsageError, match="DICOM"):
        uniform_affine(volume)
    mask = volume.hu > 0
    write_mask(tmp_path / "lesion.nii.gz", mask, volume)
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "lesion.nii.gz").dataobj).transpose(2, 1, 0), mask)
