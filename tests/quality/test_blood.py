"""Blood painted into a phantom and into the real study; and what looks like blood and is none."""

from __future__ import annotations

import numpy as np
import pytest

from htcore import quality
from htcore.dicom import read_study
from htcore.quality import thresholds as at
from htcore.types import Volume
from tests.quality.painted import (
    FINE,
    PLAIN,
    ball,
    fill,
    finding,
    halved,
    lens,
    painted,
    points_mm,
    severity,
    volume_of,
    with_hu,
)
from tests.studies import REAL_STUDY, other

DEEP_LEFT = (35.0, -25.0, 20.0)


@pytest.fixture(scope="module")
def head() -> Volume:
    return volume_of(FINE)


@pytest.fixture(scope="module")
def real() -> Volume:
    if not REAL_STUDY.is_dir():
        pytest.skip("the real study is not on this machine")
    return read_study(REAL_STUDY)[0]


def brain_middle(volume: Volume) -> np.ndarray:
    inside = (volume.hu > 20) & (volume.hu < 50)
    return points_mm(volume)[inside].mean(axis=0)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("volume_ml", [2.0, 10.0])
def test_a_clot_is_refused_with_its_side_size_and_place(head: Volume, side: int, volume_ml: float) -> None:
    centre = (DEEP_LEFT[0] * side, *DEEP_LEFT[1:])
    found = finding(quality.check(ball(head, centre, volume_ml, 65.0), PLAIN), "acute_blood")
    assert found is not None and found.severity == "refuse"
    assert ("patient's left" if side > 0 else "patient's right") in found.message
    assert "35 mm from the midline" in found.message or "36 mm" in found.message or "34 mm" in found.message
    assert found.place_mm is not None and np.linalg.norm(np.array(found.place_mm) - centre) < 6.0
    told = float(found.message.split()[1])
    assert told == pytest.approx(volume_ml, rel=0.35, abs=0.6)


def test_less_than_half_a_millilitre_is_no_blood(head: Volume) -> None:
    assert severity(ball(head, DEEP_LEFT, 0.3, 65.0), "acute_blood") is None


@pytest.mark.parametrize(("hu", "expected"), [(44.0, None), (52.0, "refuse"), (75.0, "refuse")])
def test_grey_matter_and_tumour_are_no_blood(head: Volume, hu: float, expected: str | None) -> None:
    """Brain of the phantom reads 35 HU: 9 HU more is under the excess of 12, 17 HU above it."""
    assert 44.0 - 35.0 < at.BLOOD_EXCESS_HU < 52.0 - 35.0
    assert severity(ball(head, DEEP_LEFT, 10.0, hu), "acute_blood") == expected


@pytest.mark.parametrize("volume_ml", [0.3, 1.0, 3.0])
def test_calcium_is_no_blood(head: Volume, volume_ml: float) -> None:
    soft = ball(head, DEEP_LEFT, volume_ml * 1.5, 80.0)
    assert severity(ball(soft, DEEP_LEFT, volume_ml, 200.0), "acute_blood") is None


@pytest.mark.parametrize(("both", "expected"), [(True, None), (False, "refuse")])
def test_ganglia_dense_on_both_sides_are_calcified(head: Volume, both: bool, expected: str | None) -> None:
    dense = ball(head, (20.0, -8.0, 5.0), 1.7, 75.0)
    dense = ball(dense, (-20.0, -8.0, 5.0), 1.0, 75.0) if both else dense
    assert severity(dense, "acute_blood") == expected


@pytest.mark.parametrize(("centre", "expected"), [((20.0, -8.0, 5.0), None), (DEEP_LEFT, "refuse")])
def test_a_small_dense_spot_is_calcium_in_the_ganglia_alone(
    head: Volume, centre: tuple[float, float, float], expected: str | None
) -> None:
    assert severity(ball(head, centre, 0.95, 75.0), "acute_blood") == expected


@pytest.mark.parametrize("hu", [52.0, 66.0])
def test_a_dense_artery_is_no_blood(head: Volume, hu: float) -> None:
    """A middle cerebral artery 4 mm across and 26 mm long, its partial volume in slices of 5 mm worked out."""
    x, y, z = np.moveaxis(points_mm(head), -1, 0)
    chord = 2 * np.sqrt(np.clip(2.0**2 - (y + 10) ** 2, 0, None)) / 5.0
    level = np.abs(z + 5) == np.abs(z + 5).min()
    share = np.where(level & (x > 8) & (x < 34), chord, 0.0)
    dense = with_hu(head, head.hu + share * (hu - 35.0))
    assert (dense.hu != head.hu).sum() > 50
    assert severity(dense, "acute_blood") is None


def test_a_falx_is_no_blood(head: Volume) -> None:
    x, y, z = np.moveaxis(points_mm(head), -1, 0)
    sheet = (np.abs(x) < 1.2) & ((y / 80) ** 2 + (z / 75) ** 2 < 1) & (z > 15)
    assert severity(painted(head, sheet, 52.0), "acute_blood") is None


def test_a_bright_rim_all_around_is_no_blood(head: Volume) -> None:
    """Beam hardening: 15 HU under the skull, falling off within 4 mm."""
    x, y, z = np.moveaxis(points_mm(head), -1, 0)
    depth = (1 - np.sqrt((x / 64) ** 2 + (y / 82) ** 2 + (z / 77) ** 2)) * 72
    rim = np.where((head.hu > 0) & (head.hu < 100), 15 * np.exp(-depth / 4), 0)
    bright = Volume(np.rint(head.hu + rim).astype(np.int16), head.affines, head.thickness_mm)
    assert severity(bright, "acute_blood") is None


def test_dense_sinuses_are_no_blood(head: Volume) -> None:
    """A sagittal sinus 7 mm wide and two transverse ones 6 mm high, 6 mm thick and of 58 HU: thick blood."""
    x, y, z = np.moveaxis(points_mm(head), -1, 0)
    inner = np.sqrt((x / 64) ** 2 + (y / 82) ** 2 + (z / 77) ** 2)
    under = (inner > 0.92) & (inner <= 1)
    sagittal = under & (np.abs(x) < 3.5) & (y > -20) & (z > -5)
    transverse = under & (np.abs(z) < 3) & (y > 40)
    assert severity(painted(head, sagittal | transverse, 58.0), "acute_blood") is None


@pytest.mark.parametrize("tilt_deg", [-25.0, 25.0])
def test_dense_transverse_sinuses_of_a_tilted_gantry_are_no_blood(tilt_deg: float) -> None:
    """77 mm below the vertex; along the normal of slices that fall by 25° towards the back only 50 mm."""
    tilted = volume_of(other(FINE, tilt_deg=tilt_deg))
    x, y, z = np.moveaxis(points_mm(tilted), -1, 0)
    inner = np.sqrt((x / 64) ** 2 + (y / 82) ** 2 + (z / 77) ** 2)
    transverse = (inner > 0.92) & (inner <= 1) & (np.abs(z) < 3) & (y > 40)
    assert severity(painted(tilted, transverse, 58.0), "acute_blood") is None
    film = (inner > 0.92) & (inner <= 1) & (np.abs(z - 30) < 12) & (np.abs(y) < 25) & (x > 0)
    assert severity(painted(tilted, film, 58.0), "acute_blood") == "refuse"


@pytest.mark.parametrize("volume_ml", [5.0, 20.0])
@pytest.mark.parametrize("towards", [(1.0, -0.5, 0.3), (-1.0, 0.0, 0.3)])
def test_a_subdural_lens_is_refused(head: Volume, volume_ml: float, towards: tuple[float, float, float]) -> None:
    bleeding = lens(head, towards, volume_ml, 65.0, 0.2)
    found = finding(quality.check(bleeding, PLAIN), "acute_blood")
    assert found is not None and f"patient's {'left' if towards[0] > 0 else 'right'}" in found.message


def test_real_study_holds_no_blood(real: Volume) -> None:
    codes = {one.code for one in quality.check(real, PLAIN).findings}
    assert not codes & {"acute_blood", "contrast_suspected", "metal", "strong_noise", "windowed", "wrapped"}


@pytest.mark.parametrize(
    ("volume_ml", "offset"), [(2.0, (32.0, -20.0, 25.0)), (5.0, (-30.0, 10.0, 25.0)), (20.0, (32.0, -20.0, 25.0))]
)
def test_a_clot_in_the_real_study_is_refused(
    real: Volume, volume_ml: float, offset: tuple[float, float, float]
) -> None:
    centre = tuple(brain_middle(halved(real)) + np.array(offset))
    assert severity(ball(halved(real), centre, volume_ml, 62.0), "acute_blood") == "refuse"


@pytest.mark.parametrize(("volume_ml", "towards"), [(5.0, (1.0, -0.3, 0.2)), (20.0, (-1.0, -0.3, 0.2))])
def test_a_subdural_in_the_real_study_is_refused(
    real: Volume, volume_ml: float, towards: tuple[float, float, float]
) -> None:
    assert severity(lens(halved(real), towards, volume_ml, 65.0, 0.25), "acute_blood") == "refuse"


def test_a_hidden_voxel_of_blood_fills_what_was_asked(head: Volume) -> None:
    """The painter itself: a ball of 10 mL holds 10 mL."""
    distance = np.linalg.norm(points_mm(head) - np.array(DEEP_LEFT), axis=-1)
    where = fill(head, distance, 10.0)
    assert where.sum() * 5.0 / 1000 == pytest.approx(10.0, rel=0.01)
