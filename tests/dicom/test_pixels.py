from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from htcore.dicom import read_study
from tests.studies import HeadStudy, other

SMALL = HeadStudy(slabs=((3, 20.0),), shape=(40, 36), pixel_mm=(5.5, 6.0))
PLAIN_SYNTAXES: dict[str, tuple[str, bool, bool]] = {
    "implicit": ("1.2.840.10008.1.2", True, True),
    "explicit": ("1.2.840.10008.1.2.1", False, True),
    "deflated": ("1.2.840.10008.1.2.1.99", False, True),
    "big_endian": ("1.2.840.10008.1.2.2", False, False),
}


def _save(dataset: FileDataset, path: Path, syntax: str, implicit: bool, little: bool) -> None:
    meta = dataset.file_meta
    meta.TransferSyntaxUID = syntax
    if not little:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset["PixelData"].VR = "OW"
    # A copy without the memory of its byte order, which pydicom would not let change.
    copy = Dataset(dataset)
    copy.file_meta = meta
    copy.save_as(path, implicit_vr=implicit, little_endian=little, enforce_file_format=True)


@pytest.mark.parametrize("name", PLAIN_SYNTAXES)
def test_uncompressed_syntaxes(tmp_path: Path, name: str) -> None:
    for k, dataset in enumerate(SMALL.datasets()):
        _save(dataset, tmp_path / f"{k}", *PLAIN_SYNTAXES[name])
    assert dcmread(tmp_path / "0").file_meta.TransferSyntaxUID == PLAIN_SYNTAXES[name][0]
    np.testing.assert_array_equal(read_study(tmp_path)[0].hu, SMALL.hu())


@pytest.mark.parametrize("implicit", [True, False])
def test_without_preamble_and_meta(tmp_path: Path, implicit: bool) -> None:
    for k, dataset in enumerate(SMALL.datasets()):
        bare = Dataset(dataset)
        bare.save_as(tmp_path / f"{k}", implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    np.testing.assert_array_equal(read_study(tmp_path)[0].hu, SMALL.hu())


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("signed", [False, True])
def test_compressed_syntaxes(tmp_path: Path, syntax: str, signed: bool) -> None:
    study = other(SMALL, signed=signed, intercept=0.0 if signed else -1024.0)

    def compress(dataset: Dataset, _: int) -> None:
        dataset.compress(syntax, generate_instance_uid=False)

    study.write(tmp_path, compress)
    assert dcmread(next(iter(sorted(tmp_path.iterdir())))).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read_study(tmp_path)[0].hu, study.hu())


def _change(function: Callable[[Dataset], None]) -> Callable[[Dataset, int], None]:
    return lambda dataset, _: function(dataset)


def test_overlay_bits_above_bits_stored_are_dropped(tmp_path: Path) -> None:
    def overlay(dataset: Dataset) -> None:
        dataset.BitsStored, dataset.HighBit = 12, 11
        stored = np.frombuffer(dataset.PixelData, "<u2") | 0x8000
        dataset.PixelData = stored.astype("<u2").tobytes()

    SMALL.write(tmp_path, _change(overlay))
    np.testing.assert_array_equal(read_study(tmp_path)[0].hu, SMALL.hu())


def test_twelve_bit_signed_values_get_their_sign(tmp_path: Path) -> None:
    study = other(SMALL, signed=True, intercept=0.0)

    def trim(dataset: Dataset) -> None:
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2") & 0x0FFF).astype("<u2").tobytes()

    study.write(tmp_path, _change(trim))
    np.testing.assert_array_equal(read_study(tmp_path)[0].hu, study.hu())


def test_rescale_is_each_slices_own(tmp_path: Path) -> None:
    def shift(dataset: Dataset, k: int) -> None:
        stored = np.frombuffer(dataset.PixelData, "<u2") + 100 * k
        dataset.PixelData = stored.astype("<u2").tobytes()
        dataset.RescaleIntercept = -1024 - 100 * k

    SMALL.write(tmp_path, shift)
    np.testing.assert_array_equal(read_study(tmp_path)[0].hu, SMALL.hu())


def test_padding_never_passes_for_tissue(tmp_path: Path) -> None:
    def pad(dataset: Dataset) -> None:
        stored = np.frombuffer(dataset.PixelData, "<u2").reshape(40, 36).copy()
        stored[:3], stored[-3:] = 1064, 1064
        dataset.PixelData = stored.tobytes()
        dataset.PixelPaddingValue = 1064

    SMALL.write(tmp_path, _change(pad))
    hu = read_study(tmp_path)[0].hu
    assert (hu[:, :3] == -1024).all() and (hu[:, -3:] == -1024).all()
    np.testing.assert_array_equal(hu[:, 3:-3], SMALL.hu()[:, 3:-3])


def test_padding_below_air_stays_as_stored(tmp_path: Path) -> None:
    study = other(SMALL, signed=True, intercept=0.0)

    def pad(dataset: Dataset) -> None:
        stored = np.frombuffer(dataset.PixelData, "<i2").reshape(40, 36).copy()
        stored[0] = -1500
        dataset.PixelData = stored.tobytes()
        dataset.PixelPaddingValue = -1500

    study.write(tmp_path, _change(pad))
    hu = read_study(tmp_path)[0].hu
    assert (hu[:, 0] == -1500).all()


def test_a_padding_value_that_is_ordinary_tissue_is_not_believed(tmp_path: Path) -> None:
    SMALL.write(tmp_path, lambda dataset, _: setattr(dataset, "PixelPaddingValue", 1024 + 35))
    np.testing.assert_array_equal(read_study(tmp_path)[0].hu, SMALL.hu())
