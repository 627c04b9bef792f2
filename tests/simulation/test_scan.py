"""A rendered scan: what is true of it can be read back from the image."""

from __future__ import annotations

import numpy as np
import pytest

from htcore.simulation import simulate_scan
from htcore.simulation.atlas import load_atlas, smooth_noise
from htcore.simulation.outcome import TERRITORIES, ImageFactors
from htcore.simulation.scan import lesion_volume_ml, simulate_person_scan
from htcore.simulation.stroke import territory_mask
from htcore.types import Volume


def factors(**changes: float) -> ImageFactors:
    values = {
        "territory": 2,
        "side": 1,
        "volume_ml": 60.0,
        "depth_hu": 10.0,
        "cortical_share": 0.6,
        "artery_sign": 0.0,
        "leukoaraiosis": 0.2,
        "atrophy": 0.3,
        "mass_effect_mm": 0.0,
    } | changes
    return ImageFactors(**{k: np.array([v]) for k, v in values.items()})  # type: ignore[arg-type]


def render(image: ImageFactors, seed: int = 5):
    return simulate_person_scan(np.random.SeedSequence(seed), np.random.SeedSequence(99), image, 96, True)


def centre_mm(mask: np.ndarray, volume: Volume) -> np.ndarray:
    k, r, c = np.nonzero(mask)
    points = np.stack([c, r, np.zeros_like(c), np.ones_like(c)], axis=1).astype(float)
    return np.einsum("nij,nj->ni", volume.affines[k], points)[:, :3].mean(axis=0)


def test_same_seed_same_scan_another_seed_another() -> None:
    first, again, other = (simulate_scan(seed, matrix=64)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.hu, again.hu)
    assert other.shape != first.shape or not np.array_equal(other.hu, first.hu)


def test_scan_holds_air_brain_and_bone() -> None:
    volume, mask, _ = render(factors())
    assert volume.hu.dtype == np.int16 and mask.shape == volume.shape
    middle = volume.hu[volume.shape[0] // 2]
    assert (middle == -1000).any() or middle.min() < -950
    assert middle.max() > 700
    brain = middle[(middle > 0) & (middle < 80)]
    assert 28 < np.median(brain) < 42


@pytest.mark.parametrize("side", [-1, 1])
def test_volume_side_and_depth_read_back_from_the_image(side: int) -> None:
    volume, mask, truth = render(factors(side=side))
    assert lesion_volume_ml(mask, volume) == pytest.approx(60, rel=0.15)
    assert truth.lesion_volume_ml == lesion_volume_ml(mask, volume)
    x = centre_mm(mask, volume)[0] - truth.scanner.centre_mm[0]
    assert np.sign(x) == side and truth.side == ("left" if side > 0 else "right")
    healthy = render(factors(side=side, depth_hu=0.0))[0]
    change = volume.hu[mask].astype(float).mean() - healthy.hu[mask].astype(float).mean()
    assert -10.5 < change < -5.0


def test_outside_the_infarct_nothing_changes() -> None:
    volume, mask, _ = render(factors())
    healthy = render(factors(depth_hu=0.0))[0]
    touched = np.abs(volume.hu.astype(int) - healthy.hu) > 3
    assert touched[mask].mean() > 0.9
    assert touched.sum() < 2.2 * mask.sum()


def test_swelling_moves_the_midline_away_from_the_infarct() -> None:
    still, mask, _ = render(factors())
    pushed, _, _ = render(factors(mass_effect_mm=8.0))
    moved = (np.abs(still.hu.astype(int) - pushed.hu) > 6).sum()
    assert moved > mask.sum() / 4


def test_territories_are_alike_on_both_sides_and_cover_their_kind() -> None:
    atlas = load_atlas()
    for territory in TERRITORIES:
        left, right = (territory_mask(atlas, territory, side) for side in (1, -1))
        assert left.sum() > 300
        assert left.sum() == pytest.approx(right.sum(), rel=0.08)
        assert not (left & right).any()


def test_noise_has_unit_variance_and_differs_between_draws() -> None:
    rng = np.random.default_rng(0)
    one, two = smooth_noise(rng, 4.0), smooth_noise(rng, 4.0)
    assert one.std() == pytest.approx(1.0, abs=0.35)
    assert not np.array_equal(one, two)


def test_two_slabs_and_tilt_are_exact_geometry() -> None:
    for seed in range(40):
        volume, _, truth = simulate_scan(seed, matrix=64)
        assert volume.tilt_deg == pytest.approx(truth.scanner.tilt_deg, abs=1e-6)
        if len(truth.scanner.slabs) == 2:
            assert set(np.unique(volume.thickness_mm)) == {mm for mm, _ in truth.scanner.slabs}
            break
    else:
        pytest.fail("no scan in two slabs was drawn")
