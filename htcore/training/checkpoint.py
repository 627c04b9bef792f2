"""Training state as data: one safetensors file, replaced as a whole."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from htcore.errors import TrainingError

_FILE = "checkpoint.safetensors"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What training needs to go on, apart from what the network and the optimiser hold.

    Attributes
    ----------
    log : one dict of numbers an epoch
    best : weights to keep so far, on the CPU; empty where the last epoch's are kept.
    """

    log: tuple[dict[str, float], ...] = ()
    best: dict[str, Tensor] = field(default_factory=dict)


def save_checkpoint(
    folder: Path, state: Checkpoint, network: nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str
) -> None:
    """Write the state after the epochs in its log; a write that fails leaves the checkpoint before it.

    Raises
    ------
    TrainingError
        If the file cannot be written.
    """
    tensors = {f"network.{name}": value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    tensors |= {f"best.{name}": value.clone() for name, value in state.best.items()}
    for index, values in optimiser.state_dict()["state"].items():
        for name, value in values.items():
            tensors[f"optimiser.{index}.{name}"] = torch.as_tensor(value).detach().cpu().contiguous()
    partial = folder / f"{_FILE}.partial"
    try:
        save_file(tensors, partial, metadata={"log": json.dumps(state.log), "fingerprint": fingerprint})
        os.replace(partial, folder / _FILE)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(
            "The checkpoint could not be written: free disk space or choose another folder, then start again; "
            "training continues from the last good checkpoint."
        ) from error


def load_checkpoint(folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str) -> Checkpoint:
    """Restore network and optimiser in place; an empty state where there is no checkpoint.

    Raises
    ------
    TrainingError
        If the checkpoint is damaged or belongs to other settings or other scans.
    """
    path = folder / _FILE
    if not path.exists():
        return Checkpoint()
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors: dict[str, Tensor] = {name: stored.get_tensor(name) for name in stored.keys()}
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{_where(folder)} holds a damaged checkpoint: delete it to train anew.") from error
    if metadata.get("fingerprint") != fingerprint:
        raise TrainingError(
            f"{_where(folder)} holds a checkpoint of other settings or other scans: delete it to train from the start, "
            "or choose another folder."
        )
    network.load_state_dict(_part(tensors, "network."))
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _part(tensors, "optimiser.").items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return Checkpoint(tuple(json.loads(metadata["log"])), _part(tensors, "best."))


def _where(folder: Path) -> str:
    """The folder as a user finds it again: within which other one."""
    return f"{folder.absolute().parent.name}/{folder.name}"


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
