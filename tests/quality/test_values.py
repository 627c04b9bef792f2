"""Values that are no Hounsfield units, or drowned in noise."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from htcore import quality
from htcore.quality import thresholds as at
from tests.quality.painted import HEAD, PLAIN, finding, severity, volume_of, with_hu
from tests.studies import other


def coarse(hu: np.ndarray, step: int) -> np.ndarray:
    return np.rint(hu / step) * step


@pytest.mark.parametrize(("step", "expected"), [(1, None), (2, None), (3, "refuse"), (10, "refuse")])
def test_grey_levels_of_eight_bits(step: int, expected: str | None) -> None:
    volume = volume_of(other(HEAD, noise_hu=20.0))
    assert severity(with_hu(volume, coarse(volume.hu, step)), "windowed") == expected


@pytest.mark.parametrize(("low", "high"), [(0, 80), (-160, 240), (-700, 1300)])
def test_a_window_stored_as_hu(low: int, high: int) -> None:
    volume = volume_of()
    cut = with_hu(volume, np.clip(volume.hu * 1.5, low, high))
    assert severity(cut, "windowed") == "refuse"


def test_air_at_its_place_is_no_window() -> None:
    """A scanner clips at -1024 and at 3071: that is no window."""
    volume = volume_of(other(HEAD, noise_hu=20.0))
    assert severity(with_hu(volume, np.clip(volume.hu, -1000, 1000)), "windowed") is None


def test_a_drawing_of_few_values_is_left_to_the_other_questions() -> None:
    assert severity(volume_of(other(HEAD, noise_hu=0.0)), "windowed") is None


def test_air_that_wrapped_around() -> None:
    volume = volume_of()
    wrapped = np.where(volume.hu < -995, volume.hu + 4096, volume.hu)
    assert severity(with_hu(volume, wrapped), "wrapped") == "refuse"
    few = volume.hu.copy()
    few[:, :8, :8] = 3071
    assert 64 / (100 * 96) < at.MAX_HIGH_SHARE and severity(with_hu(volume, few), "wrapped") is None


def test_dense_pixels_that_wrapped_around() -> None:
    """Four pixels of 2.2 × 2 × 6 mm are 0.1 mL, one is 0.03 mL."""
    volume = volume_of()
    for count, expected in ((4, "refuse"), (1, None)):
        hu = volume.hu.copy()
        hu[13, 60, 40 : 40 + count] = -2000
        assert severity(with_hu(volume, hu), "wrapped") == expected


def test_padding_outside_the_head_is_no_wrap() -> None:
    volume = volume_of()
    hu = volume.hu.copy()
    hu[:, :4] = -2000
    assert severity(with_hu(volume, hu), "wrapped") is None


def test_padding_round_every_slice_takes_little_memory(peak_mib: Callable[[], float]) -> None:
    """A fifth of each picture reads -3024, as around a round field of view."""
    volume = volume_of(other(HEAD, slabs=((60, 2.5),), thickness_mm=2.5, shape=(256, 256), pixel_mm=(0.9, 0.9)))
    rows, columns = np.indices(volume.shape[1:])
    padded = with_hu(volume, np.where(np.hypot(rows - 127.5, columns - 127.5) > 128, -3024, volume.hu))
    tracemalloc.reset_peak()
    before = peak_mib()
    assert quality.check(padded, PLAIN).verdict == "ok"
    assert peak_mib() - before < 80


def test_padding_outside_the_head_hides_no_wrap_inside() -> None:
    volume = volume_of()
    hu = volume.hu.copy()
    hu[:, :4] = -3024
    hu[13, 60, 40:44] = -3024
    assert severity(with_hu(volume, hu), "wrapped") == "refuse"


@pytest.mark.parametrize(("noise_hu", "expected"), [(5.0, None), (14.0, "warn"), (60.0, "refuse")])
def test_noise(noise_hu: float, expected: str | None) -> None:
    """Pixels of 2 mm are not averaged on the grid of 1.6 mm; reading between them takes about a third off."""
    assert severity(volume_of(other(HEAD, noise_hu=noise_hu)), "strong_noise") == expected


def test_only_one_message_for_values_that_are_no_hu() -> None:
    volume = volume_of()
    report = quality.check(with_hu(volume, volume.hu + 1024), PLAIN)
    assert finding(report, "hu_implausible") is not None
    assert finding(report, "acute_blood") is None
