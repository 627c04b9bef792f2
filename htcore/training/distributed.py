"""One batch shared by several processes that ``torchrun`` started, on one machine or several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from htcore.errors import TrainingError

_PATIENCE = timedelta(hours=12)  # the first process prepares the scans while the others wait


@dataclass(frozen=True)
class Processes:
    """The processes that train together, seen from one of them; alone by default.

    Every method but `device` and `share` is called by all of them at the same point.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks to people."""
        return self.rank == 0

    def device(self, chosen: torch.device) -> torch.device:
        """The device of this process: on CUDA, one card each."""
        if self.count == 1 or chosen.type != "cuda":
            return chosen
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))

    def total(self, value: Tensor) -> Tensor:
        """Sum over the processes, without gradient."""
        if self.count == 1:
            return value
        value = value.detach().clone()
        dist.all_reduce(value)
        return value

    def widest(self, first: int, last: int) -> tuple[int, int]:
        """The lowest ``first`` and the highest ``last`` of all processes."""
        if self.count == 1:
            return first, last
        limits = self._tensor([-float(first), float(last)])
        dist.all_reduce(limits, op=dist.ReduceOp.MAX)
        low, high = limits.tolist()
        return -int(low), int(high)

    def from_first(self, values: list[float]) -> list[float]:
        """The first process's numbers, everywhere; the others' are not looked at."""
        if self.count == 1:
            return values
        tensor = self._tensor(values)
        dist.broadcast(tensor, 0)
        return [float(value) for value in tensor.tolist()]

    def wait(self) -> None:
        """Go on once all are here."""
        if self.count > 1:
            dist.barrier()

    @contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """The others begin once the first is through."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over the processes, and batch statistics of the whole batch."""
        if self.count == 1:
            return network
        share_batch_statistics(network)
        wrapped: nn.Module = nn.parallel.DistributedDataParallel(network, forward_sync_buffers=False)
        return wrapped

    @staticmethod
    def _tensor(values: list[float]) -> Tensor:
        on_card = dist.get_backend() == "nccl"
        return torch.tensor(values, dtype=torch.float64, device="cuda" if on_card else "cpu")


def is_first() -> bool:
    """Whether this process is the one that talks to people; known before `joined`."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """The processes that ``torchrun`` started, NCCL on CUDA and gloo elsewhere; alone without it.

    Raises
    ------
    TrainingError
        If they cannot reach each other, or PyTorch lacks the means.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group(backend, timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            "The training's processes could not reach each other: start them all with torchrun, with as many "
            "processes on a machine as it has cards, and the same --rdzv-endpoint on every machine."
        ) from error
    try:
        yield Processes(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    """Sum over the processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        value = value.clone()
        dist.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the whole batch; torch's own, `SyncBatchNorm`, needs CUDA."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape."""
        if not self.training or self.running_mean is None or self.running_var is None:
            return super().forward(x)
        axes = (0, 2, 3)
        wide = x.float()
        n = _sum(torch.tensor(float(x.numel() // x.shape[1]), device=x.device))
        mean = _sum(wide.sum(dim=axes)) / n  # (C,)
        variance = _sum(((wide - mean[:, None, None]) ** 2).sum(dim=axes)) / n
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum or 0.0)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (wide - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]


def share_batch_statistics(module: nn.Module) -> None:
    """Replace every `BatchNorm2d` by `SharedBatchNorm2d` with the same parameters, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            shared = SharedBatchNorm2d(child.num_features, child.eps, child.momentum)
            shared.weight, shared.bias = child.weight, child.bias
            for buffer in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(shared, buffer, getattr(child, buffer))
            setattr(module, name, shared.train(child.training))
        else:
            share_batch_statistics(child)


def _sum(value: Tensor) -> Tensor:
    summed: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return summed
