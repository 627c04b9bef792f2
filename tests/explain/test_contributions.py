"""What each voxel adds to the logit is HiResCAM: gradient times activation, as captum computes it."""

from __future__ import annotations

import torch
from captum.attr import LayerGradientXActivation
from torch import Tensor

from htcore.channels import CHANNELS
from htcore.networks import LesionGatedResNet, NetworkConfig


def hirescam(network: LesionGatedResNet, channels: Tensor, *, hold_pooling: bool) -> Tensor:
    """(1, S, channels, H, W) → (S, H/2, W/2)."""
    captum = LayerGradientXActivation(lambda x: network(x, hold_pooling=hold_pooling).logit, network.refine)
    found: Tensor = captum.attribute(channels).sum(dim=1).detach()
    return found


def test_contributions_are_hirescam_with_pooling_held() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NetworkConfig().build().eval()
        x = torch.randn(1, 4, len(CHANNELS), 48, 40) * 0.3
    x[:, :, 5] = 1.0
    own = network(x).contributions[0].detach()
    torch.testing.assert_close(hirescam(network, x, hold_pooling=True), own, atol=1e-6, rtol=1e-4)
    # And not of the pooling as well, which would count a voxel for where it draws the others' weight.
    assert float((hirescam(network, x, hold_pooling=False) - own).abs().max()) > 1e-8
