"""Training state as data: one safetensors file, replaced as a whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from htcore.errors import TrainingError

_FILE = "checkpoint.safetensors"


def save_checkpoint(
    folder: Path, epoch: int, network: nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str
) -> None:
    """Write the state after ``epoch`` finished epochs; a write that fails leaves the checkpoint before it.

    Raises
    ------
    TrainingError
        If the file cannot be written.
    """
    tensors = {f"network.{name}": value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimiser.{index}.{name}"] = torch.as_tensor(value).detach().cpu().contiguous()
    partial = folder / f"{_FILE}.partial"
    try:
        save_file(tensors, partial, metadata={"epoch": json.dumps(epoch), "fingerprint": fingerprint})
        os.replace(partial, folder / _FILE)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            "The checkpoint could not be written: free disk space or choose another folder, then start again; "
            "training continues from the last good checkpoint."
        ) from error


def load_checkpoint(folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str) -> int:
    """Restore the state in place and return how many epochs it has behind it; 0 where there is no checkpoint.

    Raises
    ------
    TrainingError
        If the checkpoint is damaged or belongs to other settings or other scans.
    """
    path = folder / _FILE
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors: dict[str, Tensor] = {name: stored.get_tensor(name) for name in stored.keys()}
    except (OSError, SafetensorError) as error:
        raise TrainingError("The checkpoint is damaged: delete it and train from the start.") from error
    if metadata.get("fingerprint") != fingerprint:
        raise TrainingError(
            "The folder holds a checkpoint of other settings or other scans: choose another folder, "
            "or delete the checkpoint to train from the start."
        )
    prefix = "network."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return int(json.loads(metadata["epoch"]))


def delete_checkpoint(folder: Path) -> None:
    """Remove the checkpoint once the weights are saved elsewhere."""
    (folder / _FILE).unlink(missing_ok=True)
