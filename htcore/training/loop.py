"""The training loop: batches in, weights out; resumable after every epoch."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from htcore.errors import TrainingError, UsageError
from htcore.networks import LesionGatedResNet, NetworkConfig, NetworkOutput, build
from htcore.training.batches import Augmentation, Batch, ScanSource, epoch_order, n_batches
from htcore.training.checkpoint import load_checkpoint, save_checkpoint

_DICE_SMOOTHING = 5.0  # voxels: an empty mask with an empty map counts as agreement
_LESION_BCE = 4.0
LOG_COLUMNS = ("epoch", "loss", "classification", "lesion", "factors", "learning_rate", "seconds")


@dataclass(frozen=True)
class LoopParameters:
    """Every choice of the loop, with the values that a trial found good."""

    epochs: int = 12
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    clip_norm: float = 2.0
    label_smoothing: float = 0.04
    lesion_weight: float = 0.5
    factor_weight: float = 0.2
    seed: int = 0
    threads: int | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or self.learning_rate <= 0 or (self.threads or 1) < 1:
            raise UsageError(
                "epochs and threads must be 1 or more, the batch 2 scans or more, the learning rate positive"
            )


@dataclass(frozen=True)
class EpochLog:
    """What one epoch gave; ``loss`` is the weighted sum of the parts."""

    epoch: int
    loss: float
    classification: float
    lesion: float
    factors: float
    learning_rate: float
    seconds: float


EpochCallback = Callable[[EpochLog], None]


def fit(
    config: NetworkConfig,
    source: ScanSource,
    parameters: LoopParameters,
    folder: Path,
    device: torch.device | None = None,
    on_epoch: EpochCallback | None = None,
) -> LesionGatedResNet:
    """Train from fresh weights, or from the checkpoint in ``folder``; returns the network of the last epoch.

    The same seed, scans, device and number of threads give the same weights, interrupted or not.

    Raises
    ------
    TrainingError
        If the loss is no longer finite (the last good checkpoint stays), or a checkpoint does not fit.
    """
    device = device or torch.device("cpu")
    folder.mkdir(parents=True, exist_ok=True)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(parameters.threads or threads_before)
    try:
        with torch.random.fork_rng():
            return _fit(config, source, parameters, folder, device, on_epoch or (lambda log: None))
    finally:
        torch.set_num_threads(threads_before)


def _fit(
    config: NetworkConfig,
    source: ScanSource,
    parameters: LoopParameters,
    folder: Path,
    device: torch.device,
    on_epoch: EpochCallback,
) -> LesionGatedResNet:
    torch.manual_seed(parameters.seed)
    network = build(config).to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=parameters.learning_rate, weight_decay=parameters.weight_decay
    )
    fingerprint = _fingerprint(config, parameters, source)
    done = load_checkpoint(folder, network, optimiser, fingerprint)
    if done == 0:
        (folder / "training_log.csv").unlink(missing_ok=True)
    for epoch in range(done, parameters.epochs):
        torch.manual_seed(parameters.seed * 1_000_003 + epoch + 1)  # an epoch's draws do not depend on a restart
        log = _train_epoch(epoch, network, optimiser, source, parameters, device)
        save_checkpoint(folder, epoch + 1, network, optimiser, fingerprint)
        _append_log(folder / "training_log.csv", log)
        on_epoch(log)
    return network.eval()


def _train_epoch(
    epoch: int,
    network: LesionGatedResNet,
    optimiser: torch.optim.Optimizer,
    source: ScanSource,
    parameters: LoopParameters,
    device: torch.device,
) -> EpochLog:
    network.train()
    rng = np.random.default_rng((parameters.seed, epoch))
    started, n_scans, rate = time.perf_counter(), len(source.labels), 0.0
    per_epoch = n_batches(n_scans, parameters.batch_size)
    sums = np.zeros(4)
    for number, indices in enumerate(epoch_order(n_scans, parameters.batch_size, rng)):
        batch = Batch(source, indices)
        batch.augment(parameters.augmentation, rng)
        batch.trim()
        batch.to(device)
        progress = (epoch * per_epoch + number) / (parameters.epochs * per_epoch)
        rate = one_cycle(progress, parameters.learning_rate)
        for group in optimiser.param_groups:
            group["lr"] = rate
        parts = losses(network(batch.channels), batch, parameters)
        total = parts[0] + parameters.lesion_weight * parts[1] + parameters.factor_weight * parts[2]
        values = torch.stack([total, *parts]).tolist()
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), parameters.clip_norm)
        if not all(map(math.isfinite, [*values, float(norm)])):
            raise TrainingError(
                f"The loss was no longer a number in epoch {epoch + 1}: the checkpoint before it is kept; "
                "check the scans for empty or damaged ones, or train anew with a lower learning rate."
            )
        optimiser.step()
        sums += np.array(values) * len(indices)
    loss, classification, lesion, factors = (float(value) for value in sums / n_scans)
    return EpochLog(epoch + 1, loss, classification, lesion, factors, rate, time.perf_counter() - started)


def losses(output: NetworkOutput, batch: Batch, parameters: LoopParameters) -> tuple[Tensor, Tensor, Tensor]:
    """Classification, lesion and factor losses; parts that a scan gives no truth for are skipped."""
    smooth = parameters.label_smoothing
    classification = functional.binary_cross_entropy_with_logits(output.logit, batch.labels * (1 - smooth) + smooth / 2)
    zero = classification.new_zeros(())
    lesion = zero
    if bool(batch.has_lesion.any()):
        lesion = lesion_loss(
            output.lesion_logits[batch.has_lesion],
            batch.lesion[batch.has_lesion],
            batch.channels[batch.has_lesion, :, 5] > 0.5,
        )
    factors = zero
    known = torch.isfinite(batch.factors)
    if output.factors is not None and bool(known.any()):
        error = torch.where(known, output.factors - torch.nan_to_num(batch.factors), zero)
        factors = (error**2).sum() / known.sum()
    return classification, lesion, factors


def lesion_loss(logits: Tensor, truth: Tensor, brain: Tensor) -> Tensor:
    """Cross-entropy over brain voxels, weighted, plus one minus the soft Dice of each scan; all (B, S, H, W)."""
    inside = brain.to(logits.dtype)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    entropy = (entropy * inside).sum() / inside.sum().clamp(min=1.0)
    probability, truth = torch.sigmoid(logits) * inside, truth * inside
    overlap = (probability * truth).sum(dim=(1, 2, 3))
    sizes = probability.sum(dim=(1, 2, 3)) + truth.sum(dim=(1, 2, 3))
    dice = (2 * overlap + _DICE_SMOOTHING) / (sizes + _DICE_SMOOTHING)
    return _LESION_BCE * entropy + (1 - dice).mean()


def one_cycle(progress: float, peak: float) -> float:
    """Learning rate at a share of the training: cosine up to ``peak`` at 0.3, then down to nearly 0 (Smith 2018)."""
    if progress < 0.3:
        return peak / 25 + (peak - peak / 25) * (1 - math.cos(math.pi * progress / 0.3)) / 2
    return peak * (1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * (progress - 0.3) / 0.7)) / 2)


def _fingerprint(config: NetworkConfig, parameters: LoopParameters, source: ScanSource) -> str:
    """Tells whether a checkpoint belongs to this training; threads may differ."""
    settings = {k: v for k, v in asdict(parameters).items() if k != "threads"}
    text = json.dumps([config.to_json(), settings], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    digest.update(source.labels.tobytes())
    digest.update(source.factors.tobytes())
    return digest.hexdigest()


def _append_log(path: Path, log: EpochLog) -> None:
    fresh = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if fresh:
            writer.writerow(LOG_COLUMNS)
        writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in asdict(log).values()])
