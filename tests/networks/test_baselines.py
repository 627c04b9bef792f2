"""The plain networks: shapes, empty slices, and that the usual loop trains them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from htcore.channels import CHANNELS
from htcore.errors import UsageError
from htcore.networks import SliceResNetConfig, VolumeResNetConfig
from htcore.training.loop import LoopParameters, fit
from tests.training.blobs import BlobSource

# Fewer than eight features crash oneDNN's convolutions of channels-last images.
CONFIGS = (
    SliceResNetConfig(widths=(8, 8, 8, 16), pooling="max"),
    SliceResNetConfig(widths=(8, 8, 8, 16), pooling="mean"),
    VolumeResNetConfig(widths=(8, 8, 8)),
)


def random_scan(slices: int) -> torch.Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        channels = torch.rand(2, slices, len(CHANNELS), 24, 20)
    channels[:, :, 5] = 1.0
    return channels


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.to_json()["network"])
def test_one_logit_a_scan_and_each_scan_by_itself(config: SliceResNetConfig | VolumeResNetConfig) -> None:
    network, channels = config.build().eval(), random_scan(9)
    both = network(channels).logit
    assert both.shape == (2,)
    torch.testing.assert_close(network(channels[1:]).logit, both[1:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_slices_without_brain_say_nothing(pooling: str) -> None:
    network, channels = SliceResNetConfig(widths=(8, 8, 8, 16), pooling=pooling).build().eval(), random_scan(9)
    empty = torch.zeros_like(channels[:, :3])
    torch.testing.assert_close(network(torch.cat([channels, empty], dim=1)).logit, network(channels).logit)


def test_a_pooling_without_meaning_is_refused() -> None:
    with pytest.raises(UsageError, match="pooling"):
        SliceResNetConfig(pooling="median")


@pytest.mark.parametrize("config", CONFIGS[1:], ids=lambda config: config.to_json()["network"])
def test_the_loop_trains_it_and_its_loss_falls(config: SliceResNetConfig | VolumeResNetConfig, tmp_path: Path) -> None:
    fitted = fit(config, BlobSource(24), LoopParameters(epochs=8, threads=1), tmp_path)
    first, last = fitted.log[0], fitted.log[-1]
    assert last.classification < first.classification and last.lesion == last.factors == 0.0
    assert fitted.network.config == config
