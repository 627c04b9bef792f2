from __future__ import annotations

import numpy as np
import pytest

from htcore.types import Volume
from htcore.ui.viewer.head import WHOLE, head_box

PIXEL_MM = 0.5
SIDE = 400


def volume(hu: np.ndarray) -> Volume:
    affines = np.stack([np.diag([PIXEL_MM, PIXEL_MM, 5.0, 1.0])] * len(hu))
    affines[:, 2, 3] = 5.0 * np.arange(len(hu))
    return Volume(hu.astype(np.int16), affines, np.full(len(hu), 5.0))


def air(slices: int = 6) -> np.ndarray:
    return np.full((slices, SIDE, SIDE), -1000.0)


def test_the_box_holds_the_head_of_all_slices_and_a_margin() -> None:
    hu = air()
    hu[0, 160:240, 120:200] = 30.0
    hu[3, 100:240, 120:280] = 30.0
    left, top, right, bottom = (SIDE * share for share in head_box(volume(hu)))
    for found, edge in zip((left, top, right, bottom), (120, 100, 280, 240), strict=True):
        assert abs(found - edge) == pytest.approx(20, abs=10)  # 10 mm
    assert left < 120 and top < 100 and right > 280 and bottom > 240


def test_a_thin_head_holder_and_noise_are_left_out() -> None:
    hu = air()
    hu[:, 100:240, 120:280] = 30.0
    alone = head_box(volume(hu))
    hu[:, 320:326, 20:380] = 100.0
    hu[2, 10, 10] = 0.0
    assert head_box(volume(hu)) == alone


def test_the_box_stays_within_the_picture() -> None:
    assert head_box(volume(air() + 1030.0)) == WHOLE


def test_without_tissue_it_is_the_whole_picture() -> None:
    assert head_box(volume(air())) == WHOLE


def test_many_thin_slices_have_the_box_of_few() -> None:
    hu = air()
    hu[:, 100:240, 120:280] = 30.0
    assert head_box(volume(np.repeat(hu, 20, axis=0))) == head_box(volume(hu))
