"""Blur, noise, beam hardening, metal, motion and headrest, each on a picture simple enough to know the answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from htcore.simulation import artefacts
from htcore.simulation.artefacts import BeamHardening, Headrest, Metal, Motion

REST = Headrest(radius_mm=120, half_width_deg=40, pad_mm=8, core_mm=0, shell_mm=4, shell_hu=100, foam_hu=-930)


def noise(level: float, kernel: float, spacing: float, thickness: float, background: float = 0.0) -> np.ndarray:
    hu = np.full((3, 256, 256), background, dtype=np.float32)
    artefacts.add_noise(np.random.default_rng(4), hu, level, kernel, spacing, np.full(3, thickness))
    return hu - background


def neighbours(hu: np.ndarray) -> float:
    return float(np.corrcoef(hu[:, :, :-1].ravel(), hu[:, :, 1:].ravel())[0, 1])


def mni(n: int = 5, size: int = 128, spacing: float = 2.0, step: float = 5.0, low: float = -46.0) -> np.ndarray:
    """Pixels → MNI mm of axial slices: columns to the left (-x), rows to the back (-y)."""
    out = np.zeros((n, 3, 4))
    out[:, 0, 0], out[:, 1, 1], out[:, 2, 2] = -spacing, -spacing, 1.0
    out[:, 0, 3], out[:, 1, 3] = spacing * size / 2, spacing * size / 2 - 18.0
    out[:, 2, 3] = low + step * np.arange(n)
    return out


def room(n: int = 3, size: int = 128, spacing: float = 2.0) -> np.ndarray:
    out = np.tile(np.eye(4), (n, 1, 1))
    out[:, 0, 0] = out[:, 1, 1] = spacing
    out[:, 0, 3] = out[:, 1, 3] = -spacing * (size - 1) / 2
    return out


def disc(n: int = 3, size: int = 128, radius: float = 35.0) -> np.ndarray:
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    one = np.where(np.hypot(rows, columns) < radius, 35.0, -1000.0)
    return np.tile(one, (n, 1, 1)).astype(np.float32)


def test_noise_has_the_level_asked_for_and_grows_as_slices_get_thinner() -> None:
    assert noise(4.0, 0.4, 0.25, 5.0).std() == pytest.approx(4.0, rel=0.05)
    assert noise(4.0, 0.4, 0.25, 1.25).std() == pytest.approx(8.0, rel=0.05)
    assert noise(4.0, 0.4, 1.5, 5.0).std() < 3.0
    assert noise(4.0, 0.4, 0.5, 5.0, -1000.0).std() == pytest.approx(0.6 * noise(4.0, 0.4, 0.5, 5.0).std(), rel=1e-3)


def test_noise_texture_follows_the_kernel_and_slices_are_independent() -> None:
    soft, sharp = noise(4.0, 0.31, 0.5, 5.0), noise(4.0, 0.46, 0.5, 5.0)
    assert neighbours(soft) > neighbours(sharp) + 0.05
    assert abs(np.corrcoef(soft[0].ravel(), soft[1].ravel())[0, 1]) < 0.05
    # filtered back projection has next to no power at the lowest frequencies
    power = np.abs(np.fft.fft2(soft[0])) ** 2
    assert power[0, 1:4].mean() < 0.5 * power[0, 15:30].mean()


def test_bone_in_the_plane_makes_noise() -> None:
    vault, base = (np.zeros((1, 128, 128), dtype=np.float32) for _ in range(2))
    base[:, :40] = 800.0
    for hu in (vault, base):
        artefacts.add_noise(np.random.default_rng(4), hu, 4.0, 0.4, 0.5, np.full(1, 5.0))
    # 40 of 128 rows: share 0.3125, 0.1625 over what a vault has
    assert base[:, 41:].std() / vault[:, 41:].std() == pytest.approx(1.1625, rel=1e-3)


@pytest.mark.parametrize("kernel", [0.31, 0.46])
def test_an_edge_spreads_as_the_kernels_window_says(kernel: float) -> None:
    hu = np.zeros((1, 64, 200), dtype=np.float32)
    hu[:, :, 100:] = 100.0
    artefacts.blur(hu, kernel, 0.25)
    sigma = 1 / (np.sqrt(2) * np.pi * kernel)
    x = (np.arange(200) - 99.5) * 0.25
    np.testing.assert_allclose(hu[0, 32], 50 * (1 + erf(x / sigma / np.sqrt(2))), atol=0.6)


def test_a_dark_band_lies_between_the_petrous_bones_only() -> None:
    hu = np.full((5, 128, 128), 30.0, dtype=np.float32)
    artefacts.harden(np.random.default_rng(1), hu, mni(), BeamHardening(8.0, 0.0, 0.0))
    change = hu - 30.0
    y = 128 - 18.0 - 2.0 * np.arange(128)
    band = np.abs(y + 24) < 5
    assert change[2][band][:, 50:78].mean() < -4.0  # z = -36: the middle of the band
    assert not change[2][np.abs(y + 24) > 25].any()
    assert np.abs(change[2][:, :15]).max() == 0.0
    assert change[2][band][:, 60:68].std(axis=0).mean() > 0.3, "the band should be made of streaks"


def test_cupping_brightens_towards_the_skull_and_bone_is_left_alone() -> None:
    hu = np.full((1, 128, 128), 30.0, dtype=np.float32)
    hu[:, :, :8] = 900.0
    artefacts.harden(np.random.default_rng(1), hu, mni(1, low=20.0), BeamHardening(0.0, 1.0, 0.0))
    assert hu[0, 64, 64] == pytest.approx(30.0, abs=0.1)
    assert hu[0, 64, 96] == pytest.approx(30.0 + (64 / 65) ** 2, abs=0.1)
    assert (hu[:, :, :8] == 900.0).all()


def test_metal_is_dense_and_its_rays_average_out_in_its_slices_only() -> None:
    hu = np.full((5, 128, 128), 30.0, dtype=np.float32)
    metal = Metal(((10.0, -18.0, -36.0),), 2.0, 60.0)
    artefacts.add_metal(np.random.default_rng(2), hu, mni(step=7.0, low=-50.0), np.full(5, 5.0), 2.0, metal)
    assert hu[2].max() == 3071.0
    row, column = np.argwhere(hu[2] == 3071.0).mean(axis=0)
    assert (column, row) == pytest.approx((59, 64), abs=0.6)  # x = 10 mm to the right of the middle
    ring = hu[2][40:90, 35:85]
    rays = ring[(ring != 3071.0)] - 30.0
    assert rays.std() > 8 and abs(rays.mean()) < rays.std()
    assert (hu[[0, 1, 3, 4]] == 30.0).all()


def test_headrest_is_shallow_behind_the_head_and_touches_nothing_else() -> None:
    head = disc()
    hu = head.copy()
    artefacts.add_headrest(hu, room(), REST)
    changed = hu != head
    assert changed.any() and (head[changed] == -1000.0).all()
    rows, columns = np.nonzero(changed[1])
    x, y = (columns - 63.5) * 2, (rows - 63.5) * 2
    assert y.min() > 25, "a shallow rest reaches no further up than beside the occiput"
    assert np.abs(np.degrees(np.arctan2(x, y - (y.max() - 124)))).max() < 42
    assert hu[1].max() <= 100.0 and (np.abs(hu[1] - 100.0) < 60).sum() > 40
    gap = np.flatnonzero(hu[1, :, 64] > -500)
    assert np.diff(gap).max() * 2 == pytest.approx(8.0, abs=4.0)  # the foam


def test_headrest_without_a_head_is_left_out() -> None:
    air = np.full((2, 64, 64), -1000.0, dtype=np.float32)
    artefacts.add_headrest(air, room(2, 64), REST)
    assert (air == -1000.0).all()


def test_a_jump_moves_the_head_from_its_slice_on() -> None:
    positions = np.arange(0.0, 100.0, 5.0)
    motion = Motion(False, 0.5, 0.6, (3.0, -2.0, 1.0), 10.0)
    pivot = np.array([5.0, 6.0, 7.0])
    out = artefacts.poses(motion, positions, pivot)
    still = (out == np.eye(4)).all(axis=(1, 2))
    assert still[:10].all() and not still[10:].any()
    np.testing.assert_allclose((out[-1] @ [*pivot, 1.0])[:3], (8, 4, 8))
    assert np.degrees(np.arccos(out[-1, 0, 0])) == pytest.approx(10.0)
    for rest in (None, Motion(True, 0.5, 0.6, (3.0, -2.0, 0.0), 10.0)):
        assert (artefacts.poses(rest, positions, pivot) == np.eye(4)).all()


def test_doubled_slices_show_the_head_twice() -> None:
    hu = np.full((10, 32, 32), -1000.0, dtype=np.float32)
    hu[:, 10:20, 10:20] = 0.0
    artefacts.double_edges(hu, Motion(True, 0.4, 0.6, (4.0, 2.0, 0.0), 0.0), 2.0)
    assert (hu[:4] == hu[0]).all() and (hu[7:] == hu[0]).all() and hu[0, 10, 10] == 0.0
    # 4 mm to the left are 2 columns, 2 mm to the back 1 row: the first rows and columns are half air
    assert hu[5, 15, 10] == -500.0 and hu[5, 15, 21] == -500.0 and hu[5, 15, 12] == 0.0
    assert hu[5, 10, 15] == -500.0 and hu[5, 20, 15] == -500.0


def test_motion_and_metal_are_rare_and_most_heads_lie_in_a_rest() -> None:
    rng = np.random.default_rng(0)
    n = 6000
    motions = [m for m in (artefacts.draw_motion(rng) for _ in range(n)) if m is not None]
    metals = [m for m in (artefacts.draw_metal(rng) for _ in range(n)) if m is not None]
    rests = [r for r in (artefacts.draw_headrest(rng) for _ in range(n)) if r is not None]
    assert len(motions) / n == pytest.approx(0.033, abs=0.007) and {m.doubled for m in motions} == {True, False}
    assert len(metals) / n == pytest.approx(0.025, abs=0.006)
    assert {len(m.positions_mm) > 1 for m in metals} == {True, False}
    assert len(rests) / n == pytest.approx(0.85, abs=0.015)
    assert max(r.half_width_deg for r in rests) < 60
