"""A 2.5-D residual network whose lesion map chooses the features that classify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from htcore.channels import BRAIN, CHANNELS
from htcore.errors import UsageError
from htcore.networks.blocks import ResidualBlock
from htcore.networks.layout import Layout, SharedSlices, WholeScans

POOLS = ("lesion mean", "lesion mean x log volume", "attended slices")
_HAZE = 0.05  # weight of brain outside the lesion where slices are attended: signs away from the infarct stay visible
_POOLED = ("classifier.weight", "factors.0.weight")  # their inputs: each pool's features
_INITIAL_LESION_LOGIT = -3.0  # an infarct fills a few percent of the brain


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of a `LesionGatedResNet`; saved with its weights.

    Attributes
    ----------
    in_channels : int
        Channels of the input, ``htcore.transforms.channels.CHANNELS``.
    widths : three int
        Features at a half, a quarter, and again a quarter of the input's in-plane resolution.
    feature_width : int
        Features at half resolution that the classifier weighs.
    attention_width : int
        Hidden width of the gated attention over slices.
    dropout : float
        Share of feature channels dropped in training.
    factors : int
        Known causes regressed in training as an auxiliary target; 0 for none.
    """

    in_channels: int = len(CHANNELS)
    widths: tuple[int, int, int] = (16, 32, 64)
    feature_width: int = 32
    attention_width: int = 16
    dropout: float = 0.3
    factors: int = 5

    def __post_init__(self) -> None:
        sizes = (self.in_channels - BRAIN, *self.widths, self.feature_width, self.attention_width)
        if len(self.widths) != 3 or min(sizes) < 1 or self.factors < 0 or not 0 <= self.dropout < 1:
            raise UsageError("network sizes must be positive, with three widths, a brain channel, dropout below 1")

    def wider(self, times: int) -> NetworkConfig:
        """So many times as many features at each resolution."""
        first, second, third = self.widths
        widths = (times * first, times * second, times * third)
        return replace(self, widths=widths, feature_width=times * self.feature_width)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {**asdict(self), "widths": list(self.widths)}

    def build(self) -> LesionGatedResNet:
        """A network with fresh weights from torch's generator: seed that with ``fork_rng`` and ``manual_seed``."""
        return LesionGatedResNet(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> NetworkConfig:
        """The inverse of `to_json`.

        Raises
        ------
        UsageError
            If a key is unknown or a size impossible.
        """
        known = {entry.name for entry in fields(cls)}
        if not set(values) <= known:
            raise UsageError("the network's configuration has an unknown setting: use the version that wrote it")
        return cls(**{**values, "widths": tuple(values.get("widths", cls.widths))})


class NetworkOutput(NamedTuple):
    """What one forward pass says about a batch.

    Attributes
    ----------
    logit : (B,)
        Log-odds of hemorrhagic transformation, uncalibrated.
    lesion_logits : (B, S, rows, columns)
        Log-odds of acute infarct on the input's grid.
    contributions : (B, S, rows / 2, columns / 2)
        What each voxel adds to the logit, the pooling weights held constant: ``contributions.sum + bias == logit``.
    bias : ()
        The classifier's constant.
    factors : (B, factors) or None
        Auxiliary regression, standardised.
    pooled : (B, pools * feature_width)
        What the classifier sees.
    """

    logit: Tensor
    lesion_logits: Tensor
    contributions: Tensor
    bias: Tensor
    factors: Tensor | None
    pooled: Tensor


class SliceMixing(nn.Module):
    """Adds a learned share of the slices below and above, channel by channel; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, channels, 1, 1))

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """(N, C, H, W) → one for each slice that the layout tells apart, (M, C, H, W)."""
        # Channels last, as the convolutions leave them; the weights in their precision: else each step copies them all.
        below, own, above = layout.around(x.permute(0, 2, 3, 1))
        weight = self.weight.flatten(1).to(x.dtype)
        mixed = own + weight[0] * below + weight[1] * above
        return mixed.flatten(0, -4).permute(0, 3, 1, 2)


class GatedAttention(nn.Module):
    """Ilse et al. 2018, eq. 9: one weight a slice; slices without brain get none."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.content = nn.Linear(features, width)
        self.gate = nn.Linear(features, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, slice_features: Tensor, present: Tensor) -> Tensor:
        """(B, S, C) and bool (B, S) → weights (B, S) that add up to 1."""
        hidden = torch.tanh(self.content(slice_features)) * torch.sigmoid(self.gate(slice_features))
        score = self.score(hidden).squeeze(-1).masked_fill(~present, -1e4)  # finite: no NaN without any brain
        return torch.softmax(score, dim=1)


class LesionGatedResNet(nn.Module):
    """2.5-D residual encoder, lesion head, gated attention over slices, linear classifier.

    The classifier is linear in the features, and pooling is a weighted sum over voxels, so each voxel's share of the
    logit is known exactly: HiResCAM (Draelos & Carin 2020) of the last features with pooling held constant.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.widths
        features = config.feature_width
        self.stem = nn.Sequential(
            nn.Conv2d(config.in_channels, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        self.fine = ResidualBlock(first, first)
        self.fine_mixing = SliceMixing(first)
        self.coarse = ResidualBlock(first, second, stride=2)
        self.coarse_mixing = SliceMixing(second)
        self.context = ResidualBlock(second, third)
        self.context_mixing = SliceMixing(third)
        self.from_context = nn.Conv2d(third, features, 1)
        self.from_fine = nn.Conv2d(first, features, 1, bias=False)
        self.refine = nn.Sequential(
            nn.Conv2d(features, features, 3, 1, 1, bias=False), nn.BatchNorm2d(features), nn.ReLU()
        )
        self.lesion = nn.Linear(features, 1)
        self.attention = GatedAttention(features, config.attention_width)
        self.classifier = nn.Linear(len(POOLS) * features, 1)
        self.factors: nn.Module | None = None
        if config.factors:
            self.factors = nn.Sequential(nn.Linear(len(POOLS) * features, 32), nn.ReLU(), nn.Linear(32, config.factors))
        nn.init.constant_(self.lesion.bias, _INITIAL_LESION_LOGIT)

    def forward(self, channels: Tensor, hold_pooling: bool = False) -> NetworkOutput:
        """(B, S, channels, rows, columns) → `NetworkOutput`; rows and columns divisible by 4.

        ``hold_pooling`` lets no gradient through the pooling weights: what class activation maps need.
        """
        features = self.encode(channels.flatten(0, 1), WholeScans(channels.shape[1]))  # (B·S, H/2, W/2, C)
        features = features.reshape(*channels.shape[:2], *features.shape[1:])  # (B, S, H/2, W/2, C)
        lesion = self.lesion(features).squeeze(-1)  # (B, S, H/2, W/2)
        brain = functional.avg_pool2d(channels[:, :, BRAIN], 2)  # (B, S, H/2, W/2)
        pools = self.pooling(features, lesion, brain)  # (B, K, S, H/2, W/2)
        upsampled = functional.interpolate(lesion, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.classify(features, pools.detach() if hold_pooling else pools, upsampled)

    def shared_logit(self, slices: Tensor, place: Tensor) -> Tensor:
        """The logits of many scans that have slices in common, each computed once; in evaluation mode.

        Parameters
        ----------
        slices : (N, channels, H, W)
            The distinct ones.
        place : int64 (B, S)
            Which of them each scan's slices are.

        Returns
        -------
        (B,)
            As of ``forward`` for ``slices[place]``, up to rounding.
        """
        layout = SharedSlices(place)
        brain_of = layout.keep(functional.avg_pool2d(slices[:, BRAIN], 2))
        features = self.encode(slices, layout)  # (M, H/2, W/2, C)
        brain, place = brain_of(), layout.place  # (M, H/2, W/2), (B, S)
        gate, in_slice = _gates(self.lesion(features).squeeze(-1), brain)
        voxels = features.flatten(1, 2)  # (M, V, C)
        amount, gated = gate.sum(dim=(1, 2)), (gate.flatten(1).unsqueeze(1) @ voxels).squeeze(1)  # (M,), (M, C)
        slice_features = (in_slice.flatten(1).unsqueeze(1) @ voxels).squeeze(1)  # (M, C)
        total = amount[place].sum(dim=1, keepdim=True)  # (B, 1)
        mean = gated[place].sum(dim=1) / (total + 1.0)  # (B, C)
        attention = self.attention(slice_features[place], brain.sum(dim=(1, 2))[place] > 1.0)  # (B, S)
        attended = (attention.unsqueeze(2) * slice_features[place]).sum(dim=1)  # (B, C)
        pooled = torch.cat([mean, mean * torch.log1p(total) / 3.0, attended], dim=1)
        logit: Tensor = self.classifier(pooled).squeeze(-1)
        return logit

    def encode(self, slices: Tensor, layout: Layout) -> Tensor:
        """(N, channels, H, W) → features of each slice that the layout tells apart, (M, H/2, W/2, feature_width)."""
        x = slices.contiguous(memory_format=torch.channels_last)
        fine = self.fine_mixing(layout.run(lambda part: self.fine(self.stem(part)), x), layout)  # (·, 16, H/2, W/2)
        beside = layout.keep(self.from_fine(fine))
        coarse = self.coarse_mixing(layout.run(self.coarse, fine), layout)  # (·, 32, H/4, W/4)
        context = self.context_mixing(layout.run(self.context, coarse), layout)  # (M, 64, H/4, W/4)
        return layout.run(self._refined, self.from_context(context), beside())

    def _refined(self, context: Tensor, fine: Tensor) -> Tensor:
        raised = functional.interpolate(context, scale_factor=2.0, mode="nearest")
        refined: Tensor = self.refine(functional.relu(raised + fine))  # (M, C, H/2, W/2)
        return refined.permute(0, 2, 3, 1)

    def pooling(self, features: Tensor, lesion: Tensor, brain: Tensor) -> Tensor:
        """The weight of each voxel in each of ``POOLS``; (B, K, S, H/2, W/2)."""
        gate, in_slice = _gates(lesion, brain)  # (B, S, H/2, W/2)
        total = gate.sum(dim=(1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
        mean = gate / (total + 1.0)  # adding one voxel: no lesion, no weight
        slice_features = (in_slice.flatten(2).unsqueeze(2) @ features.flatten(2, 3)).squeeze(2)  # (B, S, C)
        attention = self.attention(slice_features, brain.sum(dim=(2, 3)) > 1.0)  # (B, S)
        attended = attention[:, :, None, None] * in_slice
        return torch.stack([mean, mean * torch.log1p(total) / 3.0, attended], dim=1)

    def classify(self, features: Tensor, pools: Tensor, lesion_logits: Tensor) -> NetworkOutput:
        """Logit, each voxel's share of it, and the auxiliary factors from pooled features."""
        voxels = features.flatten(1, 3)  # (B, V, C)
        keep = functional.dropout(
            voxels.new_ones(voxels.shape[0], 1, voxels.shape[2]), self.config.dropout, self.training
        )
        pooled = (pools.flatten(2) @ voxels) * keep  # (B, K, C)
        weight = self.classifier.weight.view(len(POOLS), -1) * keep  # (B, K, C)
        logit = self.classifier(pooled.flatten(1)).squeeze(-1)  # (B,)
        shares = voxels @ weight.transpose(1, 2)  # (B, V, K)
        contributions = (pools.flatten(2) * shares.transpose(1, 2)).sum(dim=1).reshape(features.shape[:4])
        factors = self.factors(pooled.flatten(1)) if self.factors is not None else None
        bias = self.classifier.bias.squeeze()
        return NetworkOutput(logit, lesion_logits, contributions, bias, factors, pooled.flatten(1))


def _gates(lesion: Tensor, brain: Tensor) -> tuple[Tensor, Tensor]:
    """How much each voxel counts as infarct, and its weight within its slice; (…, H/2, W/2) each."""
    gate = torch.sigmoid(lesion) * brain
    in_slice = gate + _HAZE * brain
    return gate, in_slice / (in_slice.sum(dim=(-2, -1), keepdim=True) + 1e-3)


def widened(weights: Mapping[str, Tensor], network: LesionGatedResNet) -> dict[str, Tensor]:
    """The weights of a smaller network for a larger one, of more features or input channels, that answers as before.

    What is new keeps its weights of ``network`` and listens to everything, but nothing that was there listens to it
    yet: training goes on where the smaller network stands, with room to learn.
    """
    grown = {}
    for name, fresh in network.state_dict().items():
        before, new = weights[name], fresh.clone()
        if fresh.shape == before.shape:
            new.copy_(before)
        elif fresh.dim() == 1:
            new[: len(before)] = before
        else:
            pools = len(POOLS) if name in _POOLED else 1
            new[: len(before)] = 0.0
            former = before.view(len(before), pools, -1, *before.shape[2:])  # (outputs, pools, features, …)
            new.view(len(new), pools, -1, *new.shape[2:])[: len(former), :, : former.shape[2]] = former
        grown[name] = new
    return grown
