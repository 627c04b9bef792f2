"""A small network with fixed random weights in a real bundle: for tests of plumbing, never of numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from htcore.bundle import Bundle, BundleContents, Calibration, save_bundle
from htcore.networks import NetworkConfig

CALIBRATION = Calibration(1.2, -0.1, ((1.0, 0.0), (1.4, -0.2)), 0.45, 0.4, 20, 25)


def small_contents() -> BundleContents:
    """What `write_small_bundle` writes."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = NetworkConfig(widths=(8, 8, 8), feature_width=8, attention_width=4).build().eval()
    table = pd.DataFrame(
        {
            "patient_id": ["A", "B", "C", "D"],
            "scan_id": ["A1", "B1", "C1", "D1"],
            "part": "validation",
            "ht": [0, 1, 0, 1],
            "logit": [-1.0, 1.0, 0.5, 0.2],
            "probability": [0.2, 0.7, 0.6, 0.55],
        }
    )
    return BundleContents((network,), CALIBRATION, table, "# card\n", "epoch,loss\n1,0.5\n", "no scans", True)


def write_small_bundle(path: Path, **changes: Any) -> Bundle:
    """Write the bundle to ``path``, whose name is the model's id, with ``changes`` of its contents."""
    return save_bundle(path, replace(small_contents(), **changes))
