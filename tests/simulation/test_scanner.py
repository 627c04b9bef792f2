"""Acquisitions: what is drawn, what is impossible, and the geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from htcore.errors import UsageError
from htcore.simulation import scan as scan_module
from htcore.simulation import simulate_scan
from htcore.simulation.artefacts import Metal, Motion
from htcore.simulation.scanner import ScannerParameters, draw_scanner, slice_geometry, sub_slices
from htcore.simulation.vendors import VENDORS, FileStyle


@pytest.fixture(scope="module")
def drawn() -> list[ScannerParameters]:
    rng = np.random.default_rng(1)
    return [draw_scanner(rng, 160, False) for _ in range(3000)]


def force(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    monkeypatch.setattr(
        scan_module, "draw_scanner", lambda rng, matrix, one: replace(draw_scanner(rng, matrix, one), **changes)
    )


def test_acquisitions_cover_what_hospitals_do(drawn: list[ScannerParameters]) -> None:
    one_slab = [p.slabs[0][0] for p in drawn if len(p.slabs) == 1]
    assert min(one_slab) == 1.0 and max(one_slab) == 9.0
    assert 0.03 < np.mean(np.array(one_slab) <= 2.0) < 0.08, "thin scans should be there, and rare"
    assert np.mean([len(p.slabs) == 2 for p in drawn]) == pytest.approx(0.12, abs=0.02)
    tilts = np.array([p.tilt_deg for p in drawn])
    assert -25 <= tilts.min() < -20 and 20 < tilts.max() <= 25
    assert (tilts > 0).mean() > 2 * (tilts < 0).mean() > 0.15
    assert {p.style.vendor.key for p in drawn} == {vendor.key for vendor in VENDORS}


def test_one_affine_means_one_slab() -> None:
    rng = np.random.default_rng(1)
    assert all(len(draw_scanner(rng, 160, True).slabs) == 1 for _ in range(300))


def test_same_seed_same_acquisition() -> None:
    assert draw_scanner(np.random.default_rng(5), 160, False) == draw_scanner(np.random.default_rng(5), 160, False)
    assert draw_scanner(np.random.default_rng(5), 160, False) != draw_scanner(np.random.default_rng(6), 160, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"slabs": ()},
        {"slabs": ((0.0, 1.0),)},
        {"slabs": ((-5.0, 1.0),)},
        {"tilt_deg": 60.0},
        {"stop_mm": -90.0},
        {"field_of_view_mm": 0.0},
        {"matrix": 0},
        {"noise_hu": -1.0},
        {"noise_hu": float("nan")},
    ],
)
def test_impossible_acquisitions_are_refused(drawn: list[ScannerParameters], wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="impossible"):
        replace(drawn[0], **wrong)


def test_slices_join_without_gap_and_the_tilt_is_the_planes(drawn: list[ScannerParameters]) -> None:
    for scanner in drawn[:60]:
        affines, thickness = slice_geometry(scanner)
        normal = affines[0, :3, 2]
        assert np.degrees(np.arctan2(normal[1], normal[2])) == pytest.approx(scanner.tilt_deg, abs=1e-9)
        steps = np.diff(affines[:, :3, 3] @ normal)
        np.testing.assert_allclose(steps, (thickness[:-1] + thickness[1:]) / 2, rtol=1e-9)
        np.testing.assert_allclose(affines[:, :2, 3], affines[:1, :2, 3].repeat(len(affines), axis=0))


def test_thin_scans_cost_a_bounded_amount(drawn: list[ScannerParameters]) -> None:
    samples = []
    for scanner in drawn[:400]:
        _, thickness = slice_geometry(scanner)
        offsets = sub_slices(thickness)
        assert (np.abs(offsets) < thickness[:, None] / 2).all()
        np.testing.assert_allclose(offsets.mean(axis=1), 0, atol=1e-12)
        samples.append(offsets.size)
    assert max(samples) < 3 * np.median(samples)


def test_padding_lies_outside_the_round_field_where_the_maker_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for vendor in VENDORS[:3]:
        force(monkeypatch, style=FileStyle(vendor, *vendor.kernels[0]))
        volume, _, _ = simulate_scan(2, matrix=64)
        rows, columns = np.indices((64, 64)) - 31.5
        outside = np.hypot(rows, columns) > 32
        assert volume.hu[:, ~outside].min() >= -1024
        if vendor.padding_hu is None:
            assert volume.hu[:, outside].min() >= -1024
        else:
            assert (volume.hu[:, outside] == vendor.padding_hu).all()


def test_metal_and_motion_reach_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"motion": None, "metal": None}
    force(monkeypatch, **plain)
    still, mask, _ = simulate_scan(3, matrix=64)
    force(monkeypatch, **plain | {"metal": Metal(((10.0, 4.0, -14.0),), 2.0, 50.0)})
    assert simulate_scan(3, matrix=64)[0].hu.max() > 2500 > still.hu.max()
    force(monkeypatch, **plain | {"motion": Motion(False, 0.5, 0.6, (6.0, 5.0, 0.0), 0.0)})
    moved, moved_mask, _ = simulate_scan(3, matrix=64)
    half = still.shape[0] // 2
    change = np.abs(moved.hu.astype(int) - still.hu).mean(axis=(1, 2))
    assert change[half + 2 :].max() > 20 > change[: half - 2].max()
    assert moved_mask.shape == mask.shape


def test_the_field_of_view_holds_the_head(drawn: list[ScannerParameters]) -> None:
    for scanner in drawn:
        x, y, _ = scanner.centre_mm
        assert abs(x) + 95 <= scanner.field_of_view_mm / 2 + 1e-9
        assert abs(y + 10) + 103 <= scanner.field_of_view_mm / 2 + 1e-9
