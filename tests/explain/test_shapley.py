"""Region contributions: right where worked by hand, always adding up, at the lesion, on the patient's side."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from htcore.bundle import Calibration
from htcore.channels import CHANNELS
from htcore.explain import region_contributions
from htcore.explain.regions import REGIONS, region_labels
from htcore.explain.shapley import MirrorGame, shapley_values
from htcore.inference.predict import run_networks
from htcore.networks import NetworkConfig
from htcore.types import FloatArray, ModelInput, RegionContribution
from tests.explain.test_evidence import grid
from tests.explain.test_regions import SHAPE, ellipsoid

CALIBRATION = Calibration(1.0, 0.0, ((1.0, 0.0),), 0.5, 0.5, 10, 10)
TISSUE, DIFFERENCE, BRAIN = 0, 4, 5


class WholeScans(nn.Module):
    """A network that does not share slices: what `MirrorGame` asks of it, from whole scans."""

    def shared_logit(self, slices: Tensor, place: Tensor) -> Tensor:
        return self(slices[place]).logit


class Weighed(WholeScans):
    """A network whose logit is a weighted sum of two channels: its Shapley values can be written down."""

    def __init__(self, tissue: float, difference: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([tissue, difference]))

    def forward(self, channels: Tensor) -> SimpleNamespace:
        sums = channels[:, :, [TISSUE, DIFFERENCE]].double().sum(dim=(1, 3, 4))
        return SimpleNamespace(logit=sums @ self.weight.double())


class Darkest(WholeScans):
    """A network that sees the amount of dark tissue, saturating: regions interact."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.0005))

    def forward(self, channels: Tensor) -> SimpleNamespace:
        dark = ((channels[:, :, TISSUE] < 0.3) & (channels[:, :, BRAIN] > 0.5)).double().sum(dim=(1, 2, 3))
        return SimpleNamespace(logit=torch.tanh(self.gain.double() * dark) * 3 - 1)


def head(**painted: float) -> ModelInput:
    """Even tissue of 0.5; ``left_M5=0.2`` paints a region, its difference from the other side painted with it."""
    brain = ellipsoid()
    channels = np.zeros((SHAPE[0], len(CHANNELS), *SHAPE[1:]), dtype=np.float32)
    channels[:, TISSUE] = 0.5 * brain
    channels[:, BRAIN] = brain
    for name, value in painted.items():
        side, region = name.split("_")
        channels[:, TISSUE][where(side, region)] = value
    channels[:, DIFFERENCE] = channels[:, TISSUE] - channels[:, TISSUE, :, ::-1]
    return ModelInput(channels, brain, grid(), ())


def where(side: str, region: str) -> np.ndarray:
    found = region_labels(ellipsoid(), grid()) == REGIONS.index(region)
    found[..., slice(None, 20) if side == "left" else slice(20, None)] = False  # columns run to the patient's left
    return found


def scan_of(game: MirrorGame, coalition: np.ndarray) -> Tensor:
    slices, place = game.scans(coalition[None])
    return slices[place[0]]


def by_name(regions: tuple[RegionContribution, ...]) -> dict[tuple[str, str], RegionContribution]:
    return {(entry.side, entry.name): entry for entry in regions}


def table_game(players: int, seed: int):
    """A game of random values without any structure."""
    values = np.random.default_rng(seed).normal(size=2**players)
    bits = 2 ** np.arange(players)
    return lambda masks: values[np.asarray(masks, dtype=int) @ bits]


class TestShapleyValues:
    def test_players_that_add_up_get_their_own(self) -> None:
        found = shapley_values(lambda masks: masks @ np.array([2.0, -1.0, 0.5]), 3, 1)
        np.testing.assert_allclose(found, [2.0, -1.0, 0.5], atol=1e-12)

    def test_a_pair_shares_what_it_makes_together(self) -> None:
        # 4 where the first two meet, 1 with the third: 2, 2, 1, exact with one order there and back.
        found = shapley_values(lambda masks: 4.0 * masks[:, 0] * masks[:, 1] + 1.0 * masks[:, 2], 3, 1)
        np.testing.assert_allclose(found, [2.0, 2.0, 1.0], atol=1e-12)

    def test_the_glove_game_converges(self) -> None:
        # One left glove, two right ones: 2/3, 1/6, 1/6 (third-order interaction, so that one pair is not exact).
        def value(masks: np.ndarray) -> FloatArray:
            return (masks[:, 0] & (masks[:, 1] | masks[:, 2])).astype(float)

        np.testing.assert_allclose(shapley_values(value, 3, 400), [2 / 3, 1 / 6, 1 / 6], atol=0.03)

    @pytest.mark.parametrize("pairs", [1, 3])
    @pytest.mark.parametrize("players", [1, 2, 9])
    def test_they_add_up_in_any_game(self, players: int, pairs: int) -> None:
        for seed in range(5):
            value = table_game(players, seed)
            everyone, nobody = value(np.ones((1, players)))[0], value(np.zeros((1, players)))[0]
            assert shapley_values(value, players, pairs).sum() == pytest.approx(everyone - nobody, abs=1e-12)

    def test_no_player_no_value(self) -> None:
        assert shapley_values(lambda masks: np.zeros(len(masks)), 0, 2).shape == (0,)

    def test_no_coalition_is_asked_twice_and_all_at_once(self) -> None:
        calls = []

        def value(masks: np.ndarray) -> FloatArray:
            calls.append(masks)
            return masks.sum(axis=1).astype(float)

        shapley_values(value, 6, 3)
        (asked,) = calls
        assert len(np.unique(asked, axis=0)) == len(asked) <= 2 + 3 * 2 * 5

    def test_numpys_own_generator_is_left_alone_and_the_answer_does_not_depend_on_it(self) -> None:
        value = table_game(7, 1)
        np.random.seed(1)
        before = np.random.get_state()[1].tolist()
        first = shapley_values(value, 7, 1)
        assert np.random.get_state()[1].tolist() == before
        np.random.seed(2)
        np.testing.assert_array_equal(shapley_values(value, 7, 1), first)


class TestMirrorGame:
    def test_a_linear_network_by_hand(self) -> None:
        scan = head(left_M5=0.2)
        count = int(where("left", "M5").sum())
        found = by_name(region_contributions((Weighed(1.0, 10.0),), scan, CALIBRATION))
        # Mirrored, each voxel gains 0.3 of tissue and loses its difference of −0.3: present it adds −0.3 − 3.
        assert found["left", "M5"].contribution == pytest.approx(-3.3 * count, rel=1e-5)
        # On the right each voxel would lose 0.3 of tissue and its own difference of +0.3: present it adds 0.3 + 3.
        assert found["right", "M5"].contribution == pytest.approx(3.3 * count, rel=1e-5)
        rest = [entry.contribution for key, entry in found.items() if key[1] != "M5"]
        np.testing.assert_allclose(rest, 0.0, atol=1e-3)

    def test_the_counterpart_keeps_its_difference(self) -> None:
        scan = head(left_M5=0.2)
        game = MirrorGame.of((Weighed(1.0),), scan, region_labels(scan.brain, scan.grid), "left")
        made = scan_of(game, np.array([REGIONS[index] != "M5" for index in game.players]))
        place, kept = where("left", "M5"), slice(None)
        assert made.shape[0] == SHAPE[0]  # the head reaches all but the margin: nothing to trim
        tissue, difference = made[kept, TISSUE].numpy(), made[kept, DIFFERENCE].numpy()
        np.testing.assert_allclose(tissue[place], 0.5)
        np.testing.assert_array_equal(difference[place], 0.0)
        np.testing.assert_allclose(difference[place[..., ::-1]], 0.3, atol=1e-6)

    def test_without_all_regions_a_side_is_the_mirror_image_of_the_other(self) -> None:
        scan = head(left_M5=0.2, right_M1=0.7)
        scan.brain[12, 20, 36:] = False  # the brain itself is not even
        game = MirrorGame.of((Weighed(1.0),), scan, region_labels(scan.brain, scan.grid), "left")
        made = scan_of(game, np.zeros(len(game.players), dtype=np.bool_))
        for channel in (TISSUE, BRAIN):
            torch.testing.assert_close(made[:, channel, :, 20:], made[:, channel, :, :20].flip(-1))

    def test_one_regions_lesion_stands_first_and_its_absence_lowers_the_risk(self) -> None:
        scan = head(right_M2=0.2)
        found = region_contributions((Darkest(),), scan, CALIBRATION)
        first = max(found, key=lambda entry: entry.contribution)
        assert (first.name, first.side) == ("M2", "right")
        others = [entry.contribution for entry in found if entry.side == "right" and entry.name != "M2"]
        assert first.contribution > 10 * max(np.abs(others))
        # Without it no dark voxel is left: tanh(0)·3 − 1 = −1.
        assert first.probability_if_mirrored == pytest.approx(1 / (1 + np.exp(1.0)))

    def test_the_mirrored_scan_swaps_the_sides(self) -> None:
        scan = head(left_M6=0.2, left_ACA=0.25, right_C=0.1)
        channels = scan.channels[..., ::-1].copy()
        channels[:, DIFFERENCE] = channels[:, TISSUE] - channels[:, TISSUE, :, ::-1]
        mirrored = ModelInput(channels, scan.brain[..., ::-1].copy(), scan.grid, ())
        found, swapped = (by_name(region_contributions((Darkest(),), each, CALIBRATION)) for each in (scan, mirrored))
        other = {"left": "right", "right": "left"}
        for (side, name), entry in found.items():
            assert swapped[other[side], name].contribution == pytest.approx(entry.contribution, abs=1e-9)
        assert found["left", "M6"].contribution > 0.1

    def test_several_networks_count_with_their_mean(self) -> None:
        scan = head(left_M5=0.2)
        one, two = (by_name(region_contributions((Weighed(w),), scan, CALIBRATION)) for w in (1.0, 3.0))
        both = by_name(region_contributions((Weighed(1.0), Weighed(3.0)), scan, CALIBRATION))
        for key, entry in both.items():
            expected = (one[key].contribution + two[key].contribution) / 2
            assert entry.contribution == pytest.approx(expected, abs=1e-6)

    def test_a_head_without_brain_has_no_regions(self) -> None:
        empty = ModelInput(np.zeros((30, len(CHANNELS), 48, 40), np.float32), np.zeros(SHAPE, np.bool_), grid(), ())
        assert region_contributions((Weighed(1.0),), empty, CALIBRATION) == ()


def real_network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = NetworkConfig(widths=(8, 8, 8), feature_width=8, attention_width=4).build()
        for name, parameter in network.named_parameters():
            if "mixing" in name or "bias" in name:  # fresh weights mix nothing, and leave empty slices empty
                nn.init.normal_(parameter, std=1.0)
    return network.eval().requires_grad_(False)


def low_head() -> ModelInput:
    """A head with empty slices above, so that there is something to trim."""
    rng = np.random.default_rng(0)
    brain = np.roll(ellipsoid(half_height_mm=40.0), -8, axis=0)
    brain[-8:] = False
    channels = rng.uniform(0, 1, (SHAPE[0], len(CHANNELS), *SHAPE[1:])).astype(np.float32) * brain[:, None]
    channels[:, BRAIN] = brain
    return ModelInput(channels, brain, grid(), ())


def test_both_sides_add_up_on_a_real_network_and_empty_slices_are_left_out_for_free() -> None:
    scan, network = low_head(), real_network()
    labels = region_labels(scan.brain, scan.grid)
    logit = run_networks((network,), scan).logit
    found = region_contributions((network,), scan, CALIBRATION)
    for side in ("left", "right"):
        game = MirrorGame.of((network,), scan, labels, side)
        assert game.own.shape[0] < SHAPE[0] - 5
        nobody, everyone = game.value(np.array([[False], [True]]).repeat(len(game.players), axis=1))
        assert everyone == pytest.approx(logit, abs=1e-5)
        total = sum(entry.contribution for entry in found if entry.side == side)
        assert total == pytest.approx(everyone - nobody, abs=1e-6)
        assert abs(everyone - nobody) > 1e-4  # else nothing was shown


def test_coalitions_that_share_slices_are_worth_what_they_are_one_by_one() -> None:
    scan, network = low_head(), real_network()
    game = MirrorGame.of((network,), scan, region_labels(scan.brain, scan.grid), "right")
    masks = np.random.default_rng(3).random((12, len(game.players))) < 0.7
    slices, place = game.scans(masks)
    assert len(slices) < 0.8 * place.numel()
    with torch.inference_mode():
        alone = [network(torch.cat([one[None], one[None].flip(-1)])).logit.mean().item() for one in slices[place]]
    np.testing.assert_allclose(game.value(masks), alone, atol=1e-5)
    assert np.ptp(alone) > 1e-3  # else nothing was shown


def test_nothing_is_widened_on_a_card_that_has_no_float64() -> None:
    class OnTheCard(WholeScans):
        """Its logit can be fetched, and nothing else be done with it."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(0.0))

        def forward(self, channels: Tensor) -> SimpleNamespace:
            return SimpleNamespace(logit=SimpleNamespace(cpu=lambda: torch.ones(len(channels))))

    scan = low_head()
    game = MirrorGame.of((OnTheCard(),), scan, region_labels(scan.brain, scan.grid), "left")  # type: ignore[arg-type]
    np.testing.assert_array_equal(game.value(np.ones((2, len(game.players)), dtype=np.bool_)), [1.0, 1.0])


def test_a_narrower_margin_would_change_the_logit(monkeypatch: pytest.MonkeyPatch) -> None:
    scan, network = low_head(), real_network()
    monkeypatch.setattr("htcore.explain.shapley._MARGIN", 2)
    game = MirrorGame.of((network,), scan, region_labels(scan.brain, scan.grid), "left")
    everyone = game.value(np.ones((1, len(game.players)), dtype=np.bool_))[0]
    assert abs(everyone - run_networks((network,), scan).logit) > 1e-5
