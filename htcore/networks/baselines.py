"""Plain residual networks that the lesion-gated one has to beat: slice by slice, and in three dimensions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from htcore.channels import BRAIN, CHANNELS
from htcore.errors import UsageError
from htcore.networks.blocks import ResidualBlock


class BaselineOutput(NamedTuple):
    """The logit (B,); these networks look for no lesion and for no cause."""

    logit: Tensor
    lesion_logits: None = None
    factors: None = None


@dataclass(frozen=True)
class SliceResNetConfig:
    """Sizes of a `SliceResNet`.

    Attributes
    ----------
    widths : four int
        Features of the four stages; ResNet-18 has (64, 128, 256, 512).
    pooling : ``max`` or ``mean``
        What becomes of a scan's slices.
    """

    widths: tuple[int, int, int, int] = (16, 32, 64, 128)
    pooling: str = "max"
    in_channels: int = len(CHANNELS)
    dropout: float = 0.3

    def __post_init__(self) -> None:
        if self.pooling not in ("max", "mean"):
            raise UsageError("pooling must be max or mean")

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {**asdict(self), "network": "SliceResNet"}

    def build(self) -> SliceResNet:
        """A network with fresh weights from torch's generator."""
        return SliceResNet(self)


class SliceResNet(nn.Module):
    """ResNet-18 (He et al. 2016) for small images, on each slice by itself; the slices' features are pooled."""

    def __init__(self, config: SliceResNetConfig) -> None:
        super().__init__()
        self.config = config
        first = config.widths[0]
        self.stem = nn.Sequential(
            nn.Conv2d(config.in_channels, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        stages: list[nn.Module] = []
        for before, width in zip((first, *config.widths), config.widths, strict=False):
            stages += [ResidualBlock(before, width, 1 if not stages else 2), ResidualBlock(width, width)]
        self.stages = nn.Sequential(*stages)
        self.classifier = nn.Linear(config.widths[-1], 1)

    def forward(self, channels: Tensor) -> BaselineOutput:
        """(B, S, channels, H, W) → `BaselineOutput`."""
        slices = channels.shape[1]
        x = channels.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (B·S, channels, H, W)
        features = self.stages(self.stem(x)).mean(dim=(2, 3)).unflatten(0, (-1, slices))  # (B, S, C)
        present = (channels[:, :, BRAIN].sum(dim=(2, 3)) > 0).unsqueeze(-1)  # (B, S, 1)
        if self.config.pooling == "max":
            pooled = features.masked_fill(~present, 0.0).amax(dim=1)  # features are 0 or more
        else:
            pooled = (features * present).sum(dim=1) / present.sum(dim=1).clamp(min=1)  # (B, C)
        kept = functional.dropout(pooled, self.config.dropout, self.training)
        return BaselineOutput(self.classifier(kept).squeeze(-1))


@dataclass(frozen=True)
class VolumeResNetConfig:
    """Sizes of a `VolumeResNet`: features of its three stages."""

    widths: tuple[int, int, int] = (16, 32, 64)
    in_channels: int = len(CHANNELS)
    dropout: float = 0.3

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {**asdict(self), "network": "VolumeResNet"}

    def build(self) -> VolumeResNet:
        """A network with fresh weights from torch's generator."""
        return VolumeResNet(self)


class VolumeBlock(nn.Module):
    """Two 3 x 3 x 3 convolutions with batch normalisation and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm3d(outputs)
        self.second = nn.Conv3d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm3d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, S, H, W) → (B, outputs, S / stride, H / stride, W / stride)."""
        inner = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(inner)) + self.shortcut(x))


class VolumeResNet(nn.Module):
    """A 3-D residual network with mean and maximum over the volume."""

    def __init__(self, config: VolumeResNetConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.widths
        self.stem = nn.Sequential(
            nn.Conv3d(config.in_channels, first, 3, (1, 2, 2), 1, bias=False), nn.BatchNorm3d(first), nn.ReLU()
        )
        self.stages = nn.Sequential(
            VolumeBlock(first, first, 1), VolumeBlock(first, second, 2), VolumeBlock(second, third, 2)
        )
        self.classifier = nn.Linear(2 * third, 1)

    def forward(self, channels: Tensor) -> BaselineOutput:
        """(B, S, channels, H, W) → `BaselineOutput`."""
        features = self.stages(self.stem(channels.transpose(1, 2)))  # (B, C, S / 4, H / 8, W / 8)
        pooled = torch.cat([features.mean(dim=(2, 3, 4)), features.amax(dim=(2, 3, 4))], dim=1)
        kept = functional.dropout(pooled, self.config.dropout, self.training)
        return BaselineOutput(self.classifier(kept).squeeze(-1))
