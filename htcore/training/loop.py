"""The training loop: batches in, weights out; resumable after every epoch."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from htcore.errors import TrainingError, UsageError
from htcore.processes import alone_in
from htcore.training.batches import Augmentation, Batch, ScanSource, epoch_order, n_batches
from htcore.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from htcore.training.distributed import Processes
from htcore.training.losses import balanced_weights, losses
from htcore.training.selection import Score, chosen_by, measure

Net = TypeVar("Net", bound=nn.Module)
NetOut = TypeVar("NetOut", bound=nn.Module, covariant=True)


class Buildable(Protocol[NetOut]):
    """The sizes of a network whose output holds ``logit``, ``lesion_logits`` and ``factors``."""

    def build(self) -> NetOut:
        """The network with fresh weights from torch's generator."""

    def to_json(self) -> dict[str, Any]:
        """Plain values that tell this network from others."""


@dataclass(frozen=True)
class LoopParameters:
    """Every choice of the loop, with the values that a trial found good.

    Attributes
    ----------
    patience : int
        Training stops once so many epochs in a row were no better on the selection patients.
    class_weights : ``none`` or ``balanced``
        Whether the rarer outcome counts more in the classification loss.
    mixed_precision : bool
        Compute in bfloat16 on devices made for it: CUDA cards, and processors with instructions for it (AMX, AVX-512).
    """

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
    patience: int = 5
    class_weights: Literal["none", "balanced"] = "none"
    mixed_precision: bool = True
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or not 0 < self.learning_rate < math.inf or (self.threads or 1) < 1:
            raise UsageError(
                "epochs and threads must be 1 or more, the batch 2 scans or more, the learning rate positive"
            )
        weights = (self.weight_decay, self.lesion_weight, self.factor_weight)
        if not all(0 <= value < math.inf for value in weights):
            raise UsageError("weights of the losses and the weight decay must be 0 or more")
        if not (0 < self.clip_norm < math.inf and 0 <= self.label_smoothing < 1):
            raise UsageError("the gradient's greatest norm must be positive, the label smoothing from 0 up to 1")
        if self.patience < 1 or self.class_weights not in ("none", "balanced"):
            raise UsageError("patience must be 1 or more, class weights none or balanced")


@dataclass(frozen=True)
class EpochLog:
    """What one epoch gave; ``loss`` is the weighted sum of the parts.

    Attributes
    ----------
    selection_auc, selection_loss : float
        On the selection patients; NaN without any.
    best : bool
        Better than every epoch before it; always true without selection patients.
    """

    epoch: int
    loss: float
    classification: float
    lesion: float
    factors: float
    learning_rate: float
    seconds: float
    selection_auc: float = math.nan
    selection_loss: float = math.nan
    best: bool = True

    def cells(self) -> list[str]:
        """The row of a CSV table with `LOG_COLUMNS`; empty where not known."""
        return [_cell(value) for value in asdict(self).values()]


LOG_COLUMNS = tuple(entry.name for entry in fields(EpochLog))
EpochCallback = Callable[[EpochLog], None]


@dataclass(frozen=True, eq=False)
class Fitted(Generic[Net]):
    """A trained network in evaluation mode and how it came about.

    Attributes
    ----------
    precision : str
        What it was trained in: ``float32`` or ``bfloat16``.
    """

    network: Net
    log: tuple[EpochLog, ...]
    precision: str

    @property
    def chosen(self) -> EpochLog:
        """The epoch whose weights the network has."""
        return next(entry for entry in reversed(self.log) if entry.best)


def fit(
    config: Buildable[Net],
    source: ScanSource,
    parameters: LoopParameters,
    folder: Path,
    device: torch.device | None = None,
    on_epoch: EpochCallback | None = None,
    *,
    selection: ScanSource | None = None,
    start: Mapping[str, Tensor] | None = None,
    processes: Processes | None = None,
) -> Fitted[Net]:
    """Train from fresh weights, from those of ``start``, or from the checkpoint in ``folder``.

    On a processor the same seed, scans and number of threads give the same weights, interrupted or not; on graphics
    cards, which add up in no fixed order, weights of the same kind.

    Parameters
    ----------
    selection
        Scans of other patients: the epoch that does best on them gives the weights, and ends the training once
        ``patience`` epochs were no better. Without them the last epoch gives the weights.
    start
        Weights of a network of the same sizes.
    processes
        Those that share each batch; ``folder`` has to be one and the same for all of them.

    Raises
    ------
    TrainingError
        If the loss is no longer finite (the last good checkpoint stays), or a checkpoint does not fit.
    UsageError
        If another run trains in ``folder``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        processes, place = processes or Processes(), device or torch.device("cpu")
        alone = alone_in(folder) if processes.first else nullcontext()
        with alone, torch.random.fork_rng(), threads(parameters.threads):
            loop = _Loop(config, source, parameters, folder, place, selection, start, processes)
            return loop.run(on_epoch or (lambda log: None))
    except OSError as error:
        raise TrainingError(
            "The training's folder could not be written: free disk space or choose another folder, then start again; "
            "training continues from the last good checkpoint."
        ) from error


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads for the network, where a number is given."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Loop(Generic[Net]):
    """One training's state."""

    def __init__(
        self,
        config: Buildable[Net],
        source: ScanSource,
        parameters: LoopParameters,
        folder: Path,
        device: torch.device,
        selection: ScanSource | None,
        start: Mapping[str, Tensor] | None,
        processes: Processes,
    ) -> None:
        torch.manual_seed(parameters.seed)
        self.config, self.network = config, config.build()
        if start is not None:
            self.network.load_state_dict(start)
        self.network.to(device)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=parameters.learning_rate, weight_decay=parameters.weight_decay
        )
        self.source, self.selection, self.parameters = source, selection, parameters
        self.folder, self.device, self.processes = folder, device, processes
        self.smallest_batch = max(2, processes.count)
        if parameters.batch_size < processes.count:
            raise UsageError("the batch must hold a scan or more for each process")
        balanced = parameters.class_weights == "balanced"
        self.class_weights = balanced_weights(torch.from_numpy(source.labels)) if balanced else (1.0, 1.0)
        low = low_precision(device) if parameters.mixed_precision else None
        # One that cannot, and none does: they share each batch.
        self.low_precision = None if processes.widest(0, int(low is None))[1] else low
        self.precision = "float32" if self.low_precision is None else str(self.low_precision).removeprefix("torch.")
        self.fingerprint = _fingerprint(config, parameters, self.precision, (source, selection), start)
        state = load_checkpoint(folder, self.network, self.optimiser, self.fingerprint)
        self.log = tuple(_entry(values) for values in state.log)
        self.best = state.best
        self.shared = processes.wrap(self.network)

    def run(self, on_epoch: EpochCallback) -> Fitted[Net]:
        """Every epoch that is left; then the best weights."""
        for epoch in range(len(self.log), self.parameters.epochs):
            if self._exhausted():
                break
            # An epoch's draws do not depend on a restart.
            torch.manual_seed(self.parameters.seed * 1_000_003 + epoch + 1 + 499 * self.processes.rank)
            entry = self._judged(self._train_epoch(epoch))
            self.log = (*self.log, entry)
            self._save()
            on_epoch(entry)
        # The trained network may hold parts that only work among several processes.
        network = self.config.build()
        network.load_state_dict(self.best or self.network.state_dict())
        return Fitted(network.to(self.device).eval(), self.log, self.precision)

    def _save(self) -> None:
        if self.processes.first:
            values = tuple({k: v for k, v in asdict(e).items() if not math.isnan(v)} for e in self.log)
            save_checkpoint(self.folder, Checkpoint(values, self.best), self.network, self.optimiser, self.fingerprint)
            _write_log(self.folder / "training_log.csv", self.log)
        self.processes.wait()

    def _exhausted(self) -> bool:
        recent = self.log[-self.parameters.patience :]
        return len(self.log) > self.parameters.patience and not any(entry.best for entry in recent)

    def _judged(self, entry: EpochLog) -> EpochLog:
        """The entry with its score on the selection patients; the weights are kept where it is the best so far."""
        if self.selection is None:
            return entry
        now = Score(math.nan, math.nan, by_auc=chosen_by(self.selection.labels > 0.5) == "AUC")
        if self.processes.first:
            now = measure(self.network, self.selection, self.parameters.batch_size, self.device)
        auc, loss = self.processes.from_first([now.auc, now.loss])
        now = Score(auc, loss, now.by_auc)
        before = next((e for e in reversed(self.log) if e.best), None)
        past = None if before is None else Score(before.selection_auc, before.selection_loss, now.by_auc)
        best = now.better_than(past)
        if best:
            self.best = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
        return EpochLog(**{**asdict(entry), "selection_auc": now.auc, "selection_loss": now.loss, "best": best})

    def _train_epoch(self, epoch: int) -> EpochLog:
        self.network.train()
        parameters, n_scans = self.parameters, len(self.source.labels)
        rng = np.random.default_rng((parameters.seed, epoch))
        started, rate = time.perf_counter(), 0.0
        per_epoch = n_batches(n_scans, parameters.batch_size, self.smallest_batch)
        sums = np.zeros(4)
        for number, indices in enumerate(epoch_order(n_scans, parameters.batch_size, rng, self.smallest_batch)):
            batch = Batch(self.source, indices[self.processes.rank :: self.processes.count])
            batch.augment(parameters.augmentation, (parameters.seed, epoch))
            batch.trim(self.processes.widest)
            batch.to(self.device)
            rate = one_cycle((epoch * per_epoch + number) / (parameters.epochs * per_epoch), parameters.learning_rate)
            sums += self._step(batch, rate, epoch) * len(indices)
        loss, classification, lesion, factors = (float(value) for value in sums / n_scans)
        return EpochLog(epoch + 1, loss, classification, lesion, factors, rate, time.perf_counter() - started)

    def _step(self, batch: Batch, rate: float, epoch: int) -> np.ndarray:
        """One step of the optimiser; the loss and its three parts."""
        parameters = self.parameters
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        low = self.low_precision
        with torch.autocast(self.device.type, low, enabled=low is not None):
            output = self.shared(batch.channels)
        parts = losses(output, batch, parameters.label_smoothing, self.class_weights, self.processes.total)
        total = (
            parts.classification + parameters.lesion_weight * parts.lesion + parameters.factor_weight * parts.factors
        )
        values = np.array(self.processes.total(torch.stack([total, *parts])).tolist())
        self.optimiser.zero_grad()
        # The shares of the processes add up to the loss, and their gradients are averaged.
        (total * self.processes.count).backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), parameters.clip_norm))
        if not (np.isfinite(values).all() and math.isfinite(norm)):
            raise TrainingError(
                f"The loss was no longer a number in epoch {epoch + 1}: the checkpoint before it is kept; "
                "check the scans for empty or damaged ones, or train anew with a lower learning rate."
            )
        self.optimiser.step()
        return values


def low_precision(device: torch.device) -> torch.dtype | None:
    """What a device computes faster in without losing range; ``None`` where nothing."""
    # float16 would need its losses scaled; bfloat16 has float32's range. Processors without a unit for it gain nothing.
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        units = torch.cpu.get_capabilities() if device.type == "cpu" else {}
        able = bool(units.get("amx_bf16") or units.get("avx512_bf16"))
    return torch.bfloat16 if able else None


def one_cycle(progress: float, peak: float) -> float:
    """Learning rate at a share of the training: cosine up to ``peak`` at 0.3, then down to nearly 0 (Smith 2018)."""
    if progress < 0.3:
        return peak / 25 + (peak - peak / 25) * (1 - math.cos(math.pi * progress / 0.3)) / 2
    return peak * (1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * (progress - 0.3) / 0.7)) / 2)


def _fingerprint(
    config: Buildable[nn.Module],
    parameters: LoopParameters,
    precision: str,
    sources: tuple[ScanSource | None, ...],
    start: Mapping[str, Tensor] | None,
) -> str:
    """Tells whether a checkpoint belongs to this training; threads may differ."""
    settings = {k: v for k, v in asdict(parameters).items() if k != "threads"} | {"mixed_precision": precision}
    digest = hashlib.sha256(json.dumps([config.to_json(), settings], sort_keys=True).encode())
    for source in sources:
        if source is not None:
            digest.update(b"scans")
            digest.update(source.labels.tobytes())
            digest.update(source.factors.tobytes())
            digest.update(source.content.encode())
    for name, value in sorted((start or {}).items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _entry(values: Mapping[str, float]) -> EpochLog:
    return EpochLog(**{**values, "epoch": int(values["epoch"]), "best": bool(values["best"])})  # type: ignore[arg-type]


def _write_log(path: Path, log: tuple[EpochLog, ...]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LOG_COLUMNS)
    writer.writerows(entry.cells() for entry in log)
    partial = path.with_suffix(".partial")
    partial.write_text(text.getvalue(), encoding="utf-8")
    os.replace(partial, path)


def _cell(value: float) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(int(value))
