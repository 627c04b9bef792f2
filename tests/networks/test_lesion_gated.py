"""Shapes, exact contributions, and what the network must not depend on."""

from __future__ import annotations

import pytest
import torch

from htcore.channels import CHANNELS
from htcore.errors import UsageError
from htcore.networks import LesionGatedResNet, NetworkConfig, widened


def network(seed: int = 0, config: NetworkConfig | None = None) -> LesionGatedResNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = (config or NetworkConfig()).build()
        for parameter in net.parameters():
            if parameter.ndim == 4 and parameter.shape[0] == 2:
                torch.nn.init.normal_(parameter, std=0.3)  # slice mixing starts at zero: make it act
    return net


def scans(n: int = 2, slices: int = 5, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, slices, len(CHANNELS), 48, 40, generator=generator) * 0.3
    x[:, :, 5] = 0.0
    x[:, :, 5, 6:42, 4:36] = 1.0
    return x


def test_shapes_and_size() -> None:
    net = network().eval()
    with torch.inference_mode():
        out = net(scans())
    assert out.logit.shape == (2,)
    assert out.lesion_logits.shape == (2, 5, 48, 40)
    assert out.contributions.shape == (2, 5, 24, 20)
    assert out.factors is not None and out.factors.shape == (2, 5)
    assert 80_000 < sum(parameter.numel() for parameter in net.parameters()) < 120_000


@pytest.mark.parametrize("training", [False, True])
def test_contributions_and_bias_add_up_to_the_logit(training: bool) -> None:
    net = network().train(training)
    out = net(scans())
    torch.testing.assert_close(out.contributions.sum(dim=(1, 2, 3)) + out.bias, out.logit, atol=1e-5, rtol=0)


def test_contributions_lie_in_the_brain_only() -> None:
    with torch.inference_mode():
        out = network().eval()(scans())
    assert float(out.contributions[:, :, :3].abs().max()) == 0.0
    assert float(out.contributions[:, :, :, :2].abs().max()) == 0.0


def test_a_scan_scores_the_same_alone_and_in_company() -> None:
    net, x = network().eval(), scans(3)
    with torch.inference_mode():
        together, alone = net(x), net(x[1:2])
    torch.testing.assert_close(together.logit[1:2], alone.logit, atol=1e-5, rtol=1e-5)


def test_shared_slices_give_the_logits_of_whole_scans() -> None:
    net = network().eval()
    slices = scans(1, 6)[0]
    slices[5, 5] = 0.0  # one without brain
    place = torch.tensor([[0, 1, 2, 3, 5], [0, 1, 2, 4, 5], [3, 1, 2, 3, 3], [0, 1, 2, 3, 5]])
    with torch.inference_mode():
        torch.testing.assert_close(net.shared_logit(slices, place), net(slices[place]).logit, atol=1e-5, rtol=0)


def test_no_brain_at_all_gives_numbers() -> None:
    with torch.inference_mode():
        out = network().eval()(torch.zeros(1, 4, len(CHANNELS), 48, 40))
    assert torch.isfinite(out.logit).all() and float(out.contributions.abs().max()) == 0.0


def test_configuration_survives_json_and_refuses_nonsense() -> None:
    config = NetworkConfig(widths=(8, 16, 24), factors=0)
    assert NetworkConfig.from_json(config.to_json()) == config
    assert network(config=config)(scans()).factors is None
    with pytest.raises(UsageError, match="unknown setting"):
        NetworkConfig.from_json({"depth": 3})
    for bad in ({"dropout": 1.0}, {"widths": (16, 0, 64)}, {"in_channels": 5}, {"factors": -1}):
        with pytest.raises(UsageError):
            NetworkConfig(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("times", [1, 2])
def test_a_widened_network_answers_as_before_whatever_is_new(times: int) -> None:
    narrow = network(3, NetworkConfig(in_channels=6))
    narrow(scans()[:, :, :6])  # normalisation as after training, not as in a fresh network
    wide = network(4, NetworkConfig().wider(times))
    wide.load_state_dict(widened(narrow.state_dict(), wide))
    found, expected = wide.eval()(scans()), narrow.eval()(scans()[:, :, :6])
    for name in ("logit", "lesion_logits", "contributions", "factors"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-5)
    features = narrow.config.feature_width
    torch.testing.assert_close(found.pooled.view(2, 3, -1)[:, :, :features], expected.pooled.view(2, 3, -1))


def test_what_is_new_in_a_widened_network_learns() -> None:
    narrow = NetworkConfig().build()
    wide = NetworkConfig().wider(2).build()
    wide.load_state_dict(widened(narrow.state_dict(), wide))
    wide.train()
    optimiser = torch.optim.SGD(wide.parameters(), 0.1)
    before = {name: value.clone() for name, value in wide.state_dict().items()}
    for _ in range(2):  # the first step gives it a say, the second reaches it
        out = wide(scans())
        optimiser.zero_grad()
        (out.logit.square().sum() + out.lesion_logits.square().mean()).backward()
        optimiser.step()
    for name in ("stem.0.weight", "context.second.weight", "refine.0.weight"):
        new = len(narrow.state_dict()[name])
        moved = wide.state_dict()[name][new:] - before[name][new:]
        assert float(moved.abs().max()) > 0.0, name
