"""The canonical grid: upright, reversible, and right about left and right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from htcore.dicom import read_study
from htcore.errors import RefusedError
from htcore.transforms import canonical, mask_to_grid, prepare, reproject, symmetry
from htcore.transforms.sampling import stack_from
from htcore.types import ModelInput, Volume
from tests.phantom import head_hu, head_volume, rotation_z

INFARCT_MM = np.array([42.0, 20.0, 20.0])
EXAMPLE = Path(__file__).resolve().parents[2] / "models" / "examples" / "right-infarct.zip"


@pytest.fixture(scope="module")
def example() -> Volume:
    """A simulated head: unlike the phantom, its front is not the mirror image of its back."""
    return read_study(EXAMPLE)[0]


def darkest_mm(volume: Volume) -> np.ndarray:
    """Where the mirrored-difference channel is most negative, in LPS mm."""
    prepared = prepare(volume)
    k, j, i = np.unravel_index(int(prepared.channels[:, 4].argmin()), prepared.grid.shape)
    return prepared.grid.to_mm(np.array([i, j, k], dtype=float))


def yaw_of(prepared: ModelInput) -> float:
    """Degrees about z by which the grid's left is turned from the scanner's."""
    x, y = prepared.grid.affine[:2, 0]
    return float(np.degrees(np.arctan2(y, x)))


def turned(volume: Volume, yaw_deg: float) -> Volume:
    """The head turned about z: only where the pixels lie changes."""
    rotation = np.eye(4)
    rotation[:3, :3] = rotation_z(yaw_deg)
    return replace(volume, affines=rotation @ volume.affines)


@pytest.mark.parametrize("yaw_deg", [-12.0, 0.0, 9.0])
def test_yaw_is_found_within_two_degrees(yaw_deg: float) -> None:
    prepared = prepare(head_volume(yaw_deg=yaw_deg))
    assert yaw_of(prepared) == pytest.approx(yaw_deg, abs=2.0)
    left = prepared.grid.affine[:3, 0] / np.linalg.norm(prepared.grid.affine[:3, 0])
    centre = prepared.grid.to_mm(np.array([19.5, 23.5, 15.0]))
    assert abs(left @ centre) < 3.0, "the middle of the grid lies on the mid-sagittal plane through the origin"


@pytest.mark.parametrize("yaw_deg", [-35.0, 20.0, 30.0, 40.0])
def test_a_head_turned_far_is_found_too(example: Volume, yaw_deg: float) -> None:
    straight = yaw_of(prepare(example))
    assert yaw_of(prepare(turned(example, yaw_deg))) == pytest.approx(straight + yaw_deg, abs=1.5)


@pytest.mark.parametrize("yaw_deg", [-60.0, 90.0])
def test_a_head_turned_aside_is_refused(example: Volume, yaw_deg: float) -> None:
    with pytest.raises(RefusedError, match="straight up") as caught:
        prepare(turned(example, yaw_deg))
    assert caught.value.code == "head_turned"


def test_sides_that_are_nowhere_alike_are_refused(example: Volume) -> None:
    blocks = np.random.default_rng(0).choice([-30, 30], (16, 16)).repeat(16, axis=0).repeat(16, axis=1)
    with pytest.raises(RefusedError) as caught:
        prepare(replace(example, hu=(example.hu + blocks).astype(np.int16)))
    assert caught.value.code == "head_turned"


def test_an_ordinary_head_is_not_searched_for_further(example: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symmetry, "_coarse_far", lambda cost: pytest.fail("the usual search is enough"))
    prepare(turned(example, 20.0))


@pytest.mark.parametrize("flip_columns", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_infarct_stays_on_the_patients_side(side: str, flip_columns: bool) -> None:
    found = darkest_mm(head_volume(infarct_side=side, flip_columns=flip_columns, yaw_deg=6.0))
    sign = 1.0 if side == "left" else -1.0
    expected = rotation_z(6.0) @ (INFARCT_MM * [sign, 1.0, 1.0])
    assert np.linalg.norm(found - expected) < 18.0


def test_tilt_and_two_slabs_give_the_same_image_in_space() -> None:
    plain = prepare(head_volume())
    hard = prepare(head_volume(tilt_deg=18.5, gaps_mm=(4.0,) * 14 + (1.0,) + (7.0,) * 17))
    assert np.linalg.norm(darkest_mm(head_volume(tilt_deg=18.5)) - INFARCT_MM) < 18.0
    assert hard.brain.sum() == pytest.approx(plain.brain.sum(), rel=0.06)


def test_values_are_sampled_at_the_true_positions() -> None:
    volume = head_volume(tilt_deg=15.0)
    prepared = prepare(volume)
    inner = prepared.channels[:, 1] * 80.0
    indices = np.argwhere(prepared.brain)[::97]
    truth = head_hu(prepared.grid.to_mm(indices[:, ::-1].astype(float)))
    got = inner[tuple(indices.T)]
    assert np.median(np.abs(got - np.clip(truth, 0, 80))) < 3.0


def test_points_round_trip_through_the_grid() -> None:
    grid = prepare(head_volume(yaw_deg=-8.0)).grid
    points = np.random.default_rng(1).uniform(-80, 80, (1000, 3))
    assert np.abs(grid.to_mm(grid.to_grid(points)) - points).max() < 1e-9


def test_mask_goes_to_the_grid_and_comes_back_to_its_place() -> None:
    volume = head_volume(tilt_deg=-12.0, yaw_deg=5.0, spacing_mm=1.0)
    slices, rows, columns = volume.shape
    j, i = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    pixels = np.stack([i, j, np.zeros_like(i), np.ones_like(i)], axis=-1)
    points = np.stack([pixels @ affine[:3].T for affine in volume.affines])
    mask = ((points - INFARCT_MM) ** 2).sum(axis=-1) < 15.0**2
    grid = prepare(volume).grid
    on_grid = mask_to_grid(mask, volume, grid)
    assert on_grid.sum() * grid.voxel_ml == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.08)
    back = reproject(on_grid, grid, volume, step=2)
    assert back.shape == (slices, -(-rows // 2), -(-columns // 2))
    weighted = (points[:, ::2, ::2] * back[..., None]).reshape(-1, 3).sum(axis=0) / back.sum()
    assert np.linalg.norm(weighted - INFARCT_MM) < 1.0


def test_the_scan_is_not_changed() -> None:
    volume = head_volume()
    before = volume.hu.copy()
    prepare(volume)
    assert np.array_equal(volume.hu, before)


def test_a_block_of_water_is_refused() -> None:
    head = head_volume()
    water = Volume(np.zeros(head.shape, np.int16), head.affines, head.thickness_mm)
    with pytest.raises(RefusedError) as caught:
        prepare(water)
    assert caught.value.code == "no_brain"
    assert caught.value.exit_code == 4


def mirrored(volume: Volume) -> Volume:
    """The same head with left and right exchanged."""
    affines = volume.affines.copy()
    affines[:, :3, 3] += (volume.shape[2] - 1) * affines[:, :3, 0]
    affines[:, :3, 0] *= -1
    affines[:, 0, :] *= -1
    return replace(volume, hu=np.ascontiguousarray(volume.hu[..., ::-1]), affines=affines)


def test_a_mirrored_head_gives_the_mirrored_channels() -> None:
    volume = head_volume(infarct_side="left", yaw_deg=7.0, tilt_deg=10.0)
    one, other = prepare(volume), prepare(mirrored(volume))
    np.testing.assert_allclose(one.channels, other.channels[..., ::-1], atol=1e-4)
    assert np.abs(one.channels - other.channels).max() > 1.0


def test_a_mirrored_head_that_is_turned_far_too(example: Volume) -> None:
    volume = turned(example, 33.0)
    assert yaw_of(prepare(mirrored(volume))) == pytest.approx(-yaw_of(prepare(volume)), abs=0.2)


def padded(volume: Volume, *, left_mm: float = 0.0, back_mm: float = 0.0, below_mm: float = 0.0) -> Volume:
    """The same head in a larger field: air on one side, and more slices of air below."""
    step = float(np.median(np.diff(volume.positions_mm)))
    below = round(below_mm / step)
    air = ((below, 0), *((0, round(mm / volume.pixel_spacing_mm[0])) for mm in (back_mm, left_mm)))
    affines = np.concatenate([np.repeat(volume.affines[:1], below, axis=0), volume.affines])
    affines[:below, :3, 3] -= step * np.arange(below, 0, -1)[:, None] * volume.normal
    return Volume(np.pad(volume.hu, air, constant_values=-1000), affines, np.full(len(affines), step))


@pytest.mark.parametrize("field", [{"left_mm": 170.0}, {"back_mm": 200.0}, {"below_mm": 300.0}])
def test_a_head_aside_in_a_large_field_is_not_cut(field: dict[str, float]) -> None:
    volume = head_volume(spacing_mm=2.0)
    plain, aside = prepare(volume), prepare(padded(volume, **field))
    assert aside.brain.sum() == pytest.approx(plain.brain.sum(), rel=0.01)
    assert np.abs(aside.grid.affine - plain.grid.affine).max() < 1.5


def test_a_large_field_is_cut_about_its_middle_where_the_head_lies_near_it() -> None:
    """From -109 to 169 mm across, the head's middle at 0: 135 mm to either side of 30 mm hold it."""
    volume = mirrored(padded(mirrored(padded(head_volume(spacing_mm=2.0), left_mm=80.0)), left_mm=20.0))
    _, origin = canonical._scanner_grid(stack_from(volume.hu, volume))
    assert origin[0] == pytest.approx(30.0 - 135.0)
