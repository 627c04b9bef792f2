"""What the network is punished for. Every sum may run over several processes that share one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from htcore.channels import BRAIN
from htcore.training.batches import Batch

_DICE_SMOOTHING = 5.0  # voxels: an empty mask with an empty map counts as agreement
_LESION_BCE = 4.0

Total = Callable[[Tensor], Tensor]
"""Sums a number over all processes, without gradient."""


class Output(Protocol):
    """What is learnt: the logit (B,); where a network has them, lesion logits (B, S, H, W) and factors (B, F)."""

    @property
    def logit(self) -> Tensor:
        """Log-odds of the outcome."""

    @property
    def lesion_logits(self) -> Tensor | None:
        """Log-odds of infarct, where looked for."""

    @property
    def factors(self) -> Tensor | None:
        """Auxiliary regression, where there is one."""


class Losses(NamedTuple):
    """One process's share of each loss of the whole batch; the shares of all processes add up to it."""

    classification: Tensor
    lesion: Tensor
    factors: Tensor


def alone(value: Tensor) -> Tensor:
    """The `Total` of a single process."""
    return value


def losses(
    output: Output,
    batch: Batch,
    label_smoothing: float,
    class_weights: tuple[float, float] = (1.0, 1.0),
    total: Total = alone,
) -> Losses:
    """Classification, lesion and factor losses; what a network does not answer or a scan does not tell is skipped.

    Parameters
    ----------
    class_weights
        Weight of scans without and with HT in the classification loss.
    """
    target = batch.labels * (1 - label_smoothing) + label_smoothing / 2
    entropy = functional.binary_cross_entropy_with_logits(output.logit.float(), target, reduction="none")
    weight = torch.where(batch.labels > 0.5, class_weights[1], class_weights[0])
    classification = (weight * entropy).sum() / total(torch.tensor(float(len(entropy)), device=entropy.device))
    lesion = factors = classification.new_zeros(())
    if output.lesion_logits is not None:
        has = batch.has_lesion
        inside = batch.channels[has, :, BRAIN] > 0.5
        lesion = lesion_loss(output.lesion_logits[has].float(), batch.lesion[has], inside, total)
    if output.factors is not None:
        known = torch.isfinite(batch.factors)
        error = torch.where(known, output.factors.float() - torch.nan_to_num(batch.factors), 0.0)
        factors = (error**2).sum() / total(known.sum()).clamp(min=1)
    return Losses(classification, lesion, factors)


def lesion_loss(logits: Tensor, truth: Tensor, brain: Tensor, total: Total = alone) -> Tensor:
    """Cross-entropy over brain voxels, weighted, plus one minus the soft Dice of each scan; all (B, S, H, W).

    0 where the batch has no scan.
    """
    inside = brain.to(logits.dtype)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    entropy = (entropy * inside).sum() / total(inside.sum()).clamp(min=1.0)
    probability, truth = torch.sigmoid(logits) * inside, truth * inside
    overlap = (probability * truth).sum(dim=(1, 2, 3))
    sizes = probability.sum(dim=(1, 2, 3)) + truth.sum(dim=(1, 2, 3))
    dice = (2 * overlap + _DICE_SMOOTHING) / (sizes + _DICE_SMOOTHING)
    scans = total(torch.tensor(float(len(dice)), device=logits.device)).clamp(min=1.0)
    return _LESION_BCE * entropy + (1 - dice).sum() / scans


def balanced_weights(labels: Tensor) -> tuple[float, float]:
    """Weights of scans without and with HT that give both classes the same say; they average 1 over the scans."""
    events = float((labels > 0.5).sum())
    n = float(len(labels))
    return (1.0, 1.0) if events in (0.0, n) else (n / (2 * (n - events)), n / (2 * events))
