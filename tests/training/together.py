"""One of several processes that train together: ``python -m tests.training.together FOLDER``, as torchrun starts it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from htcore.networks import NetworkConfig
from htcore.training.batches import Augmentation
from htcore.training.distributed import Processes, joined
from htcore.training.loop import Fitted, LoopParameters, fit
from tests.training.blobs import BlobSource

# Dropout draws for each process by itself: without it the same numbers have to come out.
CONFIG = NetworkConfig(widths=(8, 8, 8), feature_width=8, attention_width=4, factors=1, dropout=0.0)
# Whole precision: what is compared is rounded differently in parts of a batch.
PARAMETERS = LoopParameters(
    epochs=2, batch_size=6, threads=1, mixed_precision=False, augmentation=Augmentation(shift_slices=1)
)


def source() -> BlobSource:
    """Eleven scans, six a batch: the shares of two processes differ, and so do their masks and empty slices."""
    scans = BlobSource(11, slices=5)
    for index, scan in enumerate(scans.scans):
        scan.channels[[0, 4] if index % 2 else [4], 5] = 0.0
        if index % 3 == 0:
            scans.scans[index] = replace(scan, lesion=None)
    scans.factors[4:] = np.nan
    return scans


def train_together(folder: Path, processes: Processes) -> Fitted:
    return fit(CONFIG, source(), PARAMETERS, folder, selection=BlobSource(6, seed=2), processes=processes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    place = Path(sys.argv[1])
    with joined(torch.device("cpu")) as group:
        fitted = train_together(place, group)
        if group.first:
            losses = torch.tensor([[e.loss, e.selection_loss] for e in fitted.log], dtype=torch.float64)
            save_file({**fitted.network.state_dict(), "losses": losses}, place / "result.safetensors")
