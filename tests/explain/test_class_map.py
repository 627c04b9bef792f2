"""HiResCAM by hooks: worked by hand, equal to the network's own contributions, hooks gone afterwards."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from htcore.channels import CHANNELS
from htcore.explain.class_map import gradcam, hirescam, tapped
from htcore.networks import NetworkConfig


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


def test_by_hand_on_one_channel_pair() -> None:
    layer = nn.Identity()
    x = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]], requires_grad=True)  # (1, 2, 1, 2)
    weight = torch.tensor([[[[1.0, 0.0]], [[0.0, -1.0]]]])

    def score() -> Tensor:
        return (layer(x) * weight).sum()

    # Gradient times activation: 1·1 + 3·0 = 1 and 2·0 − 4·1 = −4.
    torch.testing.assert_close(hirescam(layer, score), torch.tensor([[[1.0, -4.0]]]))
    # Mean gradients ½ and −½: ½·1 − ½·3 = −1 and ½·2 − ½·4 = −1: the places are lost.
    torch.testing.assert_close(gradcam(layer, score), torch.tensor([[[-1.0, -1.0]]]))


def test_network_contributions_are_hirescam_with_pooling_held() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NetworkConfig().build().eval()
        x = torch.randn(1, 4, len(CHANNELS), 48, 40) * 0.3
    x[:, :, 5] = 1.0
    own = network(x)
    found = hirescam(network.refine, lambda: network(x, hold_pooling=True).logit.sum())
    torch.testing.assert_close(found, own.contributions[0].detach(), atol=1e-6, rtol=1e-4)
    free = hirescam(network.refine, lambda: network(x).logit.sum())
    assert float((free - own.contributions[0].detach()).abs().max()) > 1e-8
    assert hooks(network) == 0


def test_hooks_vanish_after_a_failure_too() -> None:
    layer = nn.Identity()
    with pytest.raises(RuntimeError, match="on purpose"), tapped(layer):
        raise RuntimeError("on purpose")
    assert hooks(layer) == 0
