from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from htcore.dicom import read_study
from htcore.dicom.rescale import USUAL_INTERCEPTS, confirmed_intercept
from htcore.errors import ReadError
from tests.studies import REAL_STUDY, HeadStudy, other

HEAD = HeadStudy(slabs=((12, 12.0),), shape=(50, 48), pixel_mm=(4.4, 4.0))


def _without(*keywords: str) -> Callable[[Dataset, int], None]:
    def change(dataset: Dataset, _: int) -> None:
        for keyword in keywords:
            delattr(dataset, keyword)

    return change


@pytest.mark.parametrize("keywords", [("RescaleIntercept",), ("RescaleSlope", "RescaleIntercept"), ("RescaleSlope",)])
@pytest.mark.parametrize(("signed", "intercept"), [(True, 0.0), (False, -1024.0)])
def test_air_and_bone_confirm_what_the_files_do_not_say(
    tmp_path: Path, keywords: tuple[str, ...], signed: bool, intercept: float
) -> None:
    study = other(HEAD, signed=signed, intercept=intercept)
    study.write(tmp_path, _without(*keywords))
    volume, receipt = read_study(tmp_path)
    np.testing.assert_array_equal(volume.hu, study.hu())
    assert receipt.inferred_intercept == intercept


def test_nothing_is_inferred_where_the_files_speak(tmp_path: Path) -> None:
    HEAD.write(tmp_path)
    assert read_study(tmp_path)[1].inferred_intercept is None


def _code(folder: Path) -> str:
    with pytest.raises(ReadError) as caught:
        read_study(folder)
    return caught.value.code


@pytest.mark.parametrize("offset", [300, -700])
def test_values_that_are_no_hounsfield_units_are_not_guessed(tmp_path: Path, offset: int) -> None:
    def shift(dataset: Dataset, _: int) -> None:
        values = np.frombuffer(dataset.PixelData, "<i2") + np.int16(offset)
        dataset.PixelData = values.astype("<i2").tobytes()
        del dataset.RescaleSlope, dataset.RescaleIntercept

    other(HEAD, signed=True, intercept=0.0).write(tmp_path, shift)
    assert _code(tmp_path) == "missing_rescale"


def test_without_bone_nothing_is_confirmed() -> None:
    brain_and_air = np.repeat([-1000, 35], [700, 300])
    assert confirmed_intercept(brain_and_air, 1.0, USUAL_INTERCEPTS) is None
    with_bone = np.repeat([-1000, 35, 900], [690, 300, 10])
    assert confirmed_intercept(with_bone, 1.0, USUAL_INTERCEPTS) == 0.0
    assert confirmed_intercept(with_bone + 1024, 1.0, USUAL_INTERCEPTS) == -1024.0


def test_a_rescale_that_only_some_slices_lack_is_not_filled_in(tmp_path: Path) -> None:
    def spoil(dataset: Dataset, k: int) -> None:
        if k == 3:
            del dataset.RescaleIntercept

    HEAD.write(tmp_path, spoil)
    assert _code(tmp_path) == "missing_rescale"


def test_the_real_study_confirms_its_own_intercept() -> None:
    if not REAL_STUDY.is_dir():
        pytest.skip("the real study is absent")
    hu = read_study(REAL_STUDY)[0].hu
    assert confirmed_intercept(hu, 1.0, USUAL_INTERCEPTS) == 0.0
    assert confirmed_intercept(hu + 1024, 1.0, USUAL_INTERCEPTS) == -1024.0
    assert confirmed_intercept(hu + 300, 1.0, USUAL_INTERCEPTS) is None
