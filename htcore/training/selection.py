"""Which epoch's weights are kept: measured on patients that neither train nor calibrate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.special import expit
from torch import nn

from htcore.evaluation import metrics
from htcore.training.batches import Batch, ScanSource

AUC_NEEDS = 30
"""Scans of either outcome from which on the AUC chooses; below, its standard error passes 0.06 (Hanley & McNeil 1982,
true AUC 0.8) and it takes few values: there the loss chooses."""


@dataclass(frozen=True)
class Score:
    """How the selection patients fared after an epoch; ``auc`` is NaN where only one outcome occurs."""

    auc: float
    loss: float
    by_auc: bool

    def better_than(self, other: Score | None) -> bool:
        """Whether these weights should be kept instead; ties in AUC go to the lower loss."""
        if other is None:
            return True
        if self.by_auc and self.auc != other.auc:
            return self.auc > other.auc
        return self.loss < other.loss


def measure(network: nn.Module, source: ScanSource, batch_size: int, device: torch.device) -> Score:
    """AUC and mean cross-entropy of the network, in evaluation mode, on a source's scans."""
    logits = []
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(source.labels), batch_size):
            batch = Batch(source, np.arange(start, min(start + batch_size, len(source.labels))))
            batch.trim()
            batch.to(device)
            logits.append(network(batch.channels).logit.float().cpu().numpy())
    return score(np.concatenate(logits), source.labels > 0.5)


def score(logits: np.ndarray, events: np.ndarray) -> Score:
    """`Score` of logits (N,) against bool outcomes (N,)."""
    logits = logits.astype(np.float64)
    loss = float(np.mean(np.logaddexp(0.0, logits) - events * logits))
    auc = float(metrics.auc(events, np.asarray(expit(logits)), np.ones((1, len(logits))))[0])
    return Score(auc, loss if math.isfinite(loss) else math.inf, chosen_by(events) == "AUC")


def chosen_by(outcomes: Iterable[bool]) -> Literal["AUC", "loss"]:
    """What chooses the epoch, given the selection scans' outcomes."""
    outcomes = list(outcomes)
    events = sum(map(bool, outcomes))
    return "AUC" if min(events, len(outcomes) - events) >= AUC_NEEDS else "loss"
