from __future__ import annotations

import gzip
import io
from pathlib import Path

import nibabel
import numpy as np
import pytest

from htcore.dicom import read_study
from htcore.errors import ReadError
from htcore.settings import Settings
from tests.studies import HeadStudy

STUDY = HeadStudy(slabs=((10, 16.0),), shape=(40, 36), pixel_mm=(5.5, 6.0), tilt_deg=12.0)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def _image(hu: np.ndarray | None = None, dtype: type = np.int16) -> nibabel.Nifti1Image:
    """The synthetic head as (column, row, slice) with its RAS affine."""
    affine = STUDY.affines()[0].copy()
    affine[:3, 2] *= 16.0
    values = STUDY.hu() if hu is None else hu
    return nibabel.Nifti1Image(values.transpose(2, 1, 0).astype(dtype), LPS_TO_RAS @ affine)


def _code(image: nibabel.Nifti1Image | bytes, settings: Settings | None = None) -> str:
    content = image if isinstance(image, bytes) else image.to_bytes()
    with pytest.raises(ReadError) as caught:
        read_study([("x", io.BytesIO(content))], settings)
    return caught.value.code


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "no_suffix_at_all"])
def test_values_and_places(tmp_path: Path, suffix: str) -> None:
    content = _image().to_bytes()
    path = tmp_path / f"scan.{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    volume, receipt = read_study(path)
    np.testing.assert_array_equal(volume.hu, STUDY.hu())
    np.testing.assert_allclose(volume.affines, STUDY.affines(), atol=1e-4)
    np.testing.assert_allclose(volume.thickness_mm, 16.0, atol=1e-4)
    assert receipt.source_kind == "nifti" and not receipt.simulated


@pytest.mark.parametrize("code", ["RAS", "LPS", "LAI", "PIR", "SAR", "ASL"])
def test_any_axis_order_gives_the_same_volume(code: str) -> None:
    image = _image()
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(code)
    )
    turned = image.as_reoriented(turn)
    volume, _ = read_study([("x", io.BytesIO(turned.to_bytes()))])
    np.testing.assert_array_equal(volume.hu, STUDY.hu())
    np.testing.assert_allclose(volume.affines, STUDY.affines(), atol=1e-4)


def test_simulated_in_the_description() -> None:
    image = _image()
    image.header["descrip"] = b"SIMULATED head"
    assert read_study([("x", io.BytesIO(image.to_bytes()))])[1].simulated


def test_scaled_and_float_values_are_rounded() -> None:
    values = STUDY.hu().astype(float)
    values[0, 0, 0] = -999.6
    volume, _ = read_study([("x", io.BytesIO(_image(values, np.float32).to_bytes()))])
    np.testing.assert_array_equal(volume.hu, STUDY.hu())


def test_bad_volumes() -> None:
    values = STUDY.hu().astype(float)
    values[0, 0, 0] = np.nan
    assert _code(_image(values, np.float32)) == "not_finite"
    assert _code(nibabel.Nifti1Image(np.zeros((4, 4, 4, 2), np.int16), np.eye(4))) == "not_3d"
    assert _code(nibabel.Nifti1Image(np.zeros((4, 4), np.int16), np.eye(4))) == "not_3d"
    lost = bytearray(_image().to_bytes())
    lost[252:256] = bytes(4)  # qform_code and sform_code
    assert _code(bytes(lost)) == "no_orientation"
    assert _code(_image().to_bytes()[:-100]) == "truncated"
    assert _code(gzip.compress(_image().to_bytes())[:-100]) == "truncated"
    assert _code(_image(), Settings(max_volume_bytes=100)) == "too_large"
    with pytest.raises(ReadError, match="several"):
        content = _image().to_bytes()
        read_study([("a", io.BytesIO(content)), ("b", io.BytesIO(content))])


def test_rgb_is_not_hounsfield() -> None:
    pixels = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert _code(nibabel.Nifti1Image(pixels, np.eye(4))) == "undecodable"
