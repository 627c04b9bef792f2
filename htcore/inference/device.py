"""Where the network runs."""

from __future__ import annotations

import torch

from htcore.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` takes CUDA where present, else the CPU.

    Raises
    ------
    UsageError
        If the name is unknown or the device is not there.
    """
    if name not in DEVICES:
        raise UsageError(f"The device must be one of {', '.join(DEVICES)}, found {name!r}.")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device("cuda" if present["cuda"] else "cpu")
    if not present[name]:
        raise UsageError(f"This machine has no usable {name} device: choose cpu or auto.")
    return torch.device(name)
