from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from htcore.dicom import read_study
from htcore.dicom.series import is_sharp
from tests.studies import Change, HeadStudy, other

SMALL = HeadStudy(slabs=((12, 12.0),), shape=(40, 36), pixel_mm=(5.5, 6.0))


def _tags(**values: object) -> Change:
    def change(dataset: Dataset, _: int) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    ("rival", "change", "reason"),
    [
        (SMALL, _tags(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
        (SMALL, _tags(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "secondary capture"),
        (SMALL, _tags(Modality="MR"), "not CT but MR"),
        (SMALL, _tags(ImageType=["DERIVED", "SECONDARY", "MIP"]), "projection or map, not slices"),
        (SMALL, _tags(SamplesPerPixel=3), "colour image"),
        (other(SMALL, tilt_deg=90.0, slabs=((30, 5.0),)), _tags(), "not axial"),
        (other(SMALL, slabs=((4, 40.0),)), _tags(), "fewer than 8 slices"),
        (other(SMALL, slabs=((40, 4.0),)), _tags(ContrastBolusAgent="IOHEXOL"), "with contrast agent"),
        (other(SMALL, slabs=((40, 4.0),)), _tags(SeriesDescription="CTA Head"), "with contrast agent"),
        (other(SMALL, slabs=((40, 4.0),)), _tags(ImageType=["DERIVED", "PRIMARY", "AXIAL"]), "derived, not original"),
        (other(SMALL, slabs=((40, 4.0),)), _tags(ConvolutionKernel="BONE"), "sharp kernel"),
        (other(SMALL, slabs=((12, 6.0),)), _tags(), "less coverage or fewer slices than the chosen series"),
        (other(SMALL, shape=(44, 36)), _tags(ConvolutionKernel="H70h"), "sharp kernel"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_plain_axial_series_wins(
    tmp_path: Path, rival: HeadStudy, change: Change, reason: str, first: bool
) -> None:
    rival = other(rival, series_uid="1.2.3.4")
    rival.write(tmp_path / ("a" if first else "z"), change)
    SMALL.write(tmp_path / "m")
    volume, receipt = read_study(tmp_path)
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert [record.chosen for record in receipt.series] == [not first, first]
    assert reason in {record.reason for record in receipt.series}
    assert [(entry.reason, entry.count) for entry in receipt.left_out] == [(reason, len(rival.offsets_mm()))]


def test_localizer_inside_the_series_is_parted_by_its_plane(tmp_path: Path) -> None:
    SMALL.write(tmp_path / "a", _tags(SeriesInstanceUID="1.2.3"))
    other(SMALL, slabs=((1, 1.0),), tilt_deg=90.0).write(tmp_path / "b", _tags(SeriesInstanceUID="1.2.3"))
    volume, receipt = read_study(tmp_path)
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert len(receipt.series) == 2


def test_a_contrast_series_alone_is_read_and_says_so(tmp_path: Path) -> None:
    SMALL.write(tmp_path, _tags(ContrastBolusAgent="IOHEXOL"))
    assert read_study(tmp_path)[1].contrast_agent == "IOHEXOL"


@pytest.mark.parametrize("description", ["HEAD W/O CONTRAST", "Head without contrast", "CCT nativ plain"])
def test_words_for_plain(tmp_path: Path, description: str) -> None:
    SMALL.write(tmp_path, _tags(SeriesDescription=description))
    assert read_study(tmp_path)[1].contrast_agent is None


@pytest.mark.parametrize("kernel", ["BONE", "BONEPLUS", "H60s", "Hr59f", "J70h\\3", "EDGE", "YD", "FC30", "LUNG"])
def test_sharp_kernels(kernel: str) -> None:
    assert is_sharp(kernel)


@pytest.mark.parametrize("kernel", ["", "STANDARD", "STD+", "SOFT", "H31s", "Hr40f", "J40s\\3", "UB", "FC21", "FC64"])
def test_soft_kernels(kernel: str) -> None:
    assert not is_sharp(kernel)
