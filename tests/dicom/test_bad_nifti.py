"""NIfTI files that are no CT volume, or lie about themselves."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Callable

import nibabel
import numpy as np
import pytest

from htcore import services
from htcore.errors import HtcoreError, ReadError
from htcore.settings import Settings
from tests.studies import HeadStudy
from tests.uploads import SMALL, code_of, read

# NIfTI


def _nifti(values: np.ndarray | None = None, dtype: type = np.int16) -> nibabel.Nifti1Image:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ SMALL.affines()[0]
    affine[:3, 2] *= 16.0
    hu = SMALL.hu() if values is None else values
    return nibabel.Nifti1Image(hu.transpose(2, 1, 0).astype(dtype), affine)


def _nifti_bytes() -> bytes:
    return _nifti().to_bytes()


def test_nan_or_infinity_in_a_nifti() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        values = SMALL.hu().astype(float)
        values[5, 20, 20] = bad
        assert code_of([_nifti(values, np.float32).to_bytes()]) == "not_finite"


def test_volume_limit() -> None:
    assert code_of([_nifti_bytes()], Settings(max_volume_bytes=10_000)) == "too_large"


def test_half_of_a_pair() -> None:
    content = bytearray(_nifti_bytes())
    content[344:348] = b"ni1\0"
    with pytest.raises(ReadError, match=r"convert it to one \.nii file"):
        read([bytes(content)])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16, np.float32, np.float64, ">i2", ">f4"])
def test_values_of_any_plain_type_with_slope(dtype: type | str) -> None:
    """HU = slope × stored + intercept; stored so that the result is whole."""
    stored = np.arange(4 * 5 * 6).reshape(4, 5, 6) % 200
    image = nibabel.Nifti1Image(stored.astype(dtype), np.eye(4))
    image.header.set_data_dtype(dtype)
    content = bytearray(image.to_bytes())
    order = image.header.endianness
    struct.pack_into(f"{order}2f", content, 112, 2.0, -100.0)
    hu = read([bytes(content)])[0].hu
    # RAS axes: columns and rows run the other way.
    np.testing.assert_array_equal(hu, (2 * stored - 100).transpose(2, 1, 0)[:, ::-1, ::-1])


def test_a_nifti_of_four_or_two_dimensions() -> None:
    hu = SMALL.hu().transpose(2, 1, 0)
    assert code_of([nibabel.Nifti1Image(np.stack([hu, hu], -1), _nifti().affine).to_bytes()]) == "not_3d"
    assert code_of([nibabel.Nifti1Image(hu[..., 0], _nifti().affine).to_bytes()]) == "not_3d"
    one = nibabel.Nifti1Image(hu[..., None], _nifti().affine)
    np.testing.assert_array_equal(read([one.to_bytes()])[0].hu, SMALL.hu())


def test_a_nifti_of_mr_is_refused() -> None:
    """Arbitrary units: no air at −1000, no bone."""
    rng = np.random.default_rng(3)
    head = HeadStudy(slabs=((24, 6.0),))
    brightness = np.where(head.hu() > -500, 400, 0) + rng.integers(0, 60, head.hu().shape)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ head.affines()[0]
    affine[:3, 2] *= 6.0
    image = nibabel.Nifti1Image(brightness.transpose(2, 1, 0).astype(np.int16), affine)
    _, _, quality = services.inspect_study([("mr", io.BytesIO(image.to_bytes()))], Settings())
    assert quality.verdict == "refuse"
    assert "hu_implausible" in {finding.code for finding in quality.findings}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999])
def test_a_nifti_cut_short(share: float, packed: bool) -> None:
    content = gzip.compress(_nifti_bytes()) if packed else _nifti_bytes()
    assert code_of([content[: int(len(content) * share)]]) in {"truncated", "no_dicom"}


@pytest.mark.parametrize(
    "field", ["dim", "vox_offset", "pixdim", "datatype", "bitpix", "xyzt_units", "srow_x", "scl_slope"]
)
@pytest.mark.parametrize("fill", [0xFF, 0x7F, 0x80, 0x00])
def test_a_nifti_header_of_nonsense(field: str, fill: int, peak_mib: Callable[[], float]) -> None:
    content = bytearray(_nifti_bytes())
    header = nibabel.Nifti1Header.template_dtype.fields[field]
    content[header[1] : header[1] + header[0].itemsize] = bytes([fill]) * header[0].itemsize
    try:
        volume, _ = read([bytes(content)])
    except HtcoreError:
        pass
    else:
        assert np.isfinite(volume.affines).all()
    assert peak_mib() < 16


@pytest.mark.parametrize("dims", [(32767, 32767, 32767), (1 << 40, 1 << 40, 1), (1 << 31, 1 << 32, 2)])
def test_a_nifti_that_declares_more_than_it_holds(dims: tuple[int, int, int], peak_mib: Callable[[], float]) -> None:
    kind = nibabel.Nifti1Image if max(dims) < 1 << 15 else nibabel.Nifti2Image
    content = bytearray(kind(np.zeros((4, 4, 4), np.int16), np.eye(4)).to_bytes())
    where, form = (42, "<3h") if kind is nibabel.Nifti1Image else (24, "<3q")
    struct.pack_into(form, content, where, *dims)
    assert code_of([bytes(content)]) == "too_large"
    assert peak_mib() < 8
