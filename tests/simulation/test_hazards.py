"""What is added on purpose can be read back from the picture; without it nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from htcore.simulation import simulate_scan
from htcore.simulation.hazards import (
    BLOOD_HU,
    BLOOD_KINDS,
    Blood,
    BloodKind,
    Contrast,
    Crop,
    Hazards,
    Metal,
    draw_blood,
    draw_contrast,
    draw_crop,
    draw_metal,
)
from htcore.simulation.scan import lesion_volume_ml
from htcore.types import Volume

SEED = 3


def scan(hazards: Hazards | None):
    return simulate_scan(SEED, matrix=96, hazards=hazards)


@pytest.fixture(scope="module")
def plain() -> Volume:
    return scan(None)[0]


def centre_mm(mask: np.ndarray, volume: Volume) -> np.ndarray:
    k, r, c = np.nonzero(mask)
    points = np.stack([c, r, np.zeros_like(c), np.ones_like(c)], axis=1).astype(float)
    return np.einsum("nij,nj->ni", volume.affines[k], points)[:, :3].mean(axis=0)


@pytest.mark.parametrize("kind", BLOOD_KINDS)
@pytest.mark.parametrize("side", [-1, 1])
def test_blood_has_its_volume_side_and_density(plain: Volume, kind: BloodKind, side: int) -> None:
    blood = Blood(kind, side, 10.0, 70.0, 2.0)
    volume, _, truth = scan(Hazards(blood=blood))
    assert truth.blood is not None and truth.blood.volume_ml == pytest.approx(10.0, rel=0.02)
    seen = lesion_volume_ml(truth.blood.mask, volume)
    assert 3.5 < seen < 12.0  # thin sheets and fluid between gyri fill few pixels by half
    changed = volume.hu.astype(int) - plain.hu
    assert np.median(changed[truth.blood.mask]) > 15
    far = ~np.asarray([np.asarray(section) for section in truth.blood.mask]) & (np.abs(changed) > 12)
    assert far.sum() < 3.0 * truth.blood.mask.sum()
    if kind != "intraventricular":
        x = centre_mm(truth.blood.mask, volume)[0] - truth.scanner.centre_mm[0]
        assert np.sign(x) == side


def test_more_blood_than_the_ventricles_hold_is_told_as_it_is() -> None:
    truth = scan(Hazards(blood=Blood("intraventricular", 1, 500.0, 70.0)))[2]
    assert truth.blood is not None and 3.0 < truth.blood.volume_ml < 120.0


def test_thicker_blood_is_denser() -> None:
    thin, thick = (scan(Hazards(blood=Blood("parenchymal", 1, 10.0, hu)))[::2] for hu in BLOOD_HU)
    mask = thick[1].blood.mask
    rise = np.median(thick[0].hu[mask].astype(float)) - np.median(thin[0].hu[mask].astype(float))
    assert rise == pytest.approx(BLOOD_HU[1] - BLOOD_HU[0], abs=5)


def test_contrast_brightens_vessels_and_nothing_far_from_them(plain: Volume) -> None:
    volume = scan(Hazards(contrast=Contrast(300.0, 0.0)))[0]
    changed = volume.hu.astype(int) - plain.hu
    assert (changed > 100).sum() > 100
    assert (np.abs(changed) > 5).mean() < 0.02


def test_metal_saturates_and_streaks(plain: Volume) -> None:
    volume = scan(Hazards(metal=Metal("coil", 1, 5.0, 40.0)))[0]
    assert (volume.hu > 2500).sum() >= 4
    changed = np.abs(volume.hu.astype(int) - plain.hu) > 10
    held = (volume.hu > 2500).any(axis=(1, 2))
    assert changed[held].mean() > 0.01 and not changed[~held].any(axis=(1, 2))[2:-2].all()


@pytest.mark.parametrize("border", range(4))
def test_a_cut_picture_keeps_its_places(plain: Volume, border: int) -> None:
    volume, mask, _ = scan(Hazards(crop=Crop(border, 10.0)))
    assert mask.shape == volume.shape
    rows, columns = volume.shape[1:]
    assert (columns < plain.shape[2]) == (border < 2) and (rows < plain.shape[1]) == (border >= 2)
    back = np.linalg.inv(plain.affines[5]) @ volume.affines[5] @ np.array([3.0, 4.0, 0.0, 1.0])
    column, row = round(back[0]), round(back[1])
    assert volume.hu[5, 4, 3] == plain.hu[5, row, column]
    edge = {0: volume.hu[:, :, 0], 1: volume.hu[:, :, -1], 2: volume.hu[:, 0], 3: volume.hu[:, -1]}[border]
    assert (edge > -300).any()


def test_an_empty_list_of_hazards_changes_nothing(plain: Volume) -> None:
    volume, _, truth = scan(Hazards())
    np.testing.assert_array_equal(volume.hu, plain.hu)
    assert truth.blood is None


@pytest.mark.parametrize("changes", [{"volume_ml": 0.0}, {"volume_ml": -1.0}, {"side": 0}, {"edge_mm": 0.0}])
def test_impossible_blood_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive volume"):
        replace(Blood("subdural", 1, 5.0, 60.0), **changes)


def test_draws_repeat_and_stay_in_their_ranges() -> None:
    for kind in BLOOD_KINDS:
        first, again = (draw_blood(np.random.default_rng(4), kind, 5.0) for _ in range(2))
        assert first == again and BLOOD_HU[0] <= first.hu <= BLOOD_HU[1] and first.volume_ml == 5.0
    rng = np.random.default_rng(0)
    assert {draw_metal(rng).kind for _ in range(20)} == {"clip", "coil"}
    assert {draw_crop(rng).border for _ in range(40)} == {0, 1, 2, 3}
    assert all(110 <= draw_contrast(rng).vessel_hu <= 350 for _ in range(20))
