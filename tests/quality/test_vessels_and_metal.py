"""Contrast agent and metal from the pixels; a skull that the field of view cuts."""

from __future__ import annotations

import numpy as np
import pytest

from htcore import quality
from htcore.quality import thresholds as at
from htcore.quality.head import around_brain, measure
from htcore.types import Volume
from tests.quality.painted import FINE, HEAD, PLAIN, finding, painted, points_mm, severity, volume_of, with_hu
from tests.studies import other


@pytest.fixture(scope="module")
def head() -> Volume:
    return volume_of(FINE)


def arteries(volume: Volume, length_mm: float, count: int) -> np.ndarray:
    """Up to two tubes of 4 mm from 8 mm beside the midline outwards."""
    x, y, z = np.moveaxis(points_mm(volume), -1, 0)
    tube = (np.abs(y + 10) < 2) & (np.abs(z + 5) < 2.6)
    sides = [(x * side > 8) & (x * side < 8 + length_mm) for side in (1, -1)[:count]]
    return tube & np.logical_or.reduce(sides)


def sagittal(volume: Volume) -> np.ndarray:
    x, y, z = np.moveaxis(points_mm(volume), -1, 0)
    inner = np.sqrt((x / 64) ** 2 + (y / 82) ** 2 + (z / 77) ** 2)
    return (inner > 0.9) & (inner <= 1) & (np.abs(x) < 4) & (y > -20) & (z > -5)


@pytest.mark.parametrize(
    ("length_mm", "count", "hu", "expected"),
    [
        (25, 2, 140, "refuse"),
        (25, 1, 140, None),
        (8, 2, 140, None),
        (25, 2, 75, None),
    ],
)
def test_enhanced_arteries(head: Volume, length_mm: float, count: int, hu: float, expected: str | None) -> None:
    assert severity(painted(head, arteries(head, length_mm, count), hu), "contrast_suspected") == expected


@pytest.mark.parametrize(("length_mm", "expected"), [(34, None), (55, "warn")])
def test_one_long_piece_may_be_an_ossified_falx(head: Volume, length_mm: float, expected: str | None) -> None:
    x, y, z = np.moveaxis(points_mm(head), -1, 0)
    piece = (np.abs(x) < 2) & (np.abs(z - 30) < 2.6) & (np.abs(y) < length_mm / 2)
    assert severity(painted(head, piece, 140), "contrast_suspected") == expected


@pytest.mark.parametrize(("hu", "expected"), [(60, None), (120, "refuse")])
def test_an_enhanced_sinus(head: Volume, hu: float, expected: str | None) -> None:
    assert (60 - 35 < at.SINUS_CONTRAST_HU < 120 - 35) and severity(
        painted(head, sagittal(head), hu), "contrast_suspected"
    ) == expected


@pytest.mark.parametrize(("pixels", "expected"), [(1, None), (3, "warn")])
def test_metal(head: Volume, pixels: int, expected: str | None) -> None:
    """A pixel of 1 × 1 × 5 mm is 5 cubic millimetres; 8 are needed."""
    hu = head.hu.copy()
    hu[15, 100, 60 : 60 + pixels] = 3071
    found = finding(quality.check(with_hu(head, hu), PLAIN), "metal")
    assert (found.severity if found else None) == expected
    if found is not None:
        expected_mm = points_mm(head)[15, 100, 61]
        np.testing.assert_allclose(found.place_mm, expected_mm, atol=1e-6)


def test_dense_bone_is_no_metal(head: Volume) -> None:
    assert severity(with_hu(head, np.where(head.hu > 900, 2400, head.hu)), "metal") is None


def test_blood_is_not_looked_for_in_metals_slices(head: Volume) -> None:
    hu = head.hu.copy()
    hu[14:17, 100, 60:64] = 3071
    hu[14:17, 80:95, 90:105] = 65
    assert severity(with_hu(head, hu), "acute_blood") is None
    hu[14:17, 100, 60:64] = 35
    assert severity(with_hu(head, hu), "acute_blood") == "refuse"


@pytest.mark.parametrize("border", ["left", "top"])
def test_a_field_of_view_that_cuts_the_skull_is_scored(border: str) -> None:
    volume = volume_of()
    cut = volume.hu[:, :, 18:] if border == "left" else volume.hu[:, 16:]
    middle = cut[13, 50, 0] if border == "left" else cut[13, 0, 48]
    assert 0 < middle < 100  # the picture ends in the brain
    assert severity(Volume(cut.copy(), volume.affines, volume.thickness_mm), "skull_missing") is None


@pytest.mark.parametrize("margin", [0, 10])
def test_a_stripped_skull_is_refused_also_where_the_picture_ends_at_the_brain(margin: int) -> None:
    volume = volume_of()
    hu = np.where(volume.hu > 300, -1000, volume.hu)
    inside = np.flatnonzero((hu > -500).any(axis=(0, 2)))
    across = np.flatnonzero((hu > -500).any(axis=(0, 1)))
    hu = hu[:, inside[0] - margin : inside[-1] + 1 + margin, max(0, across[0] - margin) : across[-1] + 1 + margin]
    assert severity(Volume(hu.copy(), volume.affines, volume.thickness_mm), "skull_missing") == "refuse"


@pytest.mark.parametrize("tilt_deg", [0.0, 18.5, -20.0])
@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (-1, -1)])
def test_the_grid_is_turned_like_the_patient_and_keeps_places(tilt_deg: float, signs: tuple[int, int]) -> None:
    study = other(HEAD, tilt_deg=tilt_deg, column_sign=signs[0], row_sign=signs[1], noise_hu=0.0)
    head = around_brain(measure(volume_of(study)))
    ball_mm = np.array([35.0, 20.0, 10.0])
    k, row, column = head.to_grid(ball_mm[None])[0]
    assert head.hu[k, row, column] == pytest.approx(20.0, abs=1.0)
    np.testing.assert_allclose(head.to_mm(k, row, column), ball_mm, atol=4.0)
    assert head.axes[0, 0] == pytest.approx(1.0) and head.axes[1, 1] > 0.9
    brain = head.millilitres(head.brain)
    assert brain == pytest.approx(4 / 3 * np.pi * 64 * 82 * 77 / 1000, rel=0.12)


def test_one_slice_is_told_in_the_singular() -> None:
    report = quality.check(volume_of(other(HEAD, slabs=((1, 5.0),), thickness_mm=5.0)), PLAIN)
    found = finding(report, "too_few_slices")
    assert found is not None and found.message.startswith("1 slice is too few")
