"""Tiny scans whose label can be read off one dark blob, for tests of the loop."""

from __future__ import annotations

import numpy as np

from htcore.channels import CHANNELS
from htcore.training.batches import ScanArrays


class BlobSource:
    """``n`` scans of ``slices`` x 6 x 16 x 16 in memory; a darker blob means HT."""

    def __init__(self, n: int, seed: int = 0, slices: int = 4, masks: bool = True) -> None:
        rng = np.random.default_rng(seed)
        depth = rng.uniform(0.2, 1.8, n).astype(np.float32)
        self.labels = (depth + rng.normal(0, 0.1, n) > 1.0).astype(np.float32)
        self.factors = np.full((n, 1), np.nan, dtype=np.float32)
        self.factors[::2, 0] = (depth[::2] - 1.0) / 0.5
        self.content = f"{n} {seed} {slices} {masks}"
        self.scans: list[ScanArrays] = []
        for index in range(n):
            channels = rng.normal(0, 0.05, (slices, len(CHANNELS), 16, 16)).astype(np.float32)
            channels[:, 5:] = 0
            channels[:, 5, 1:15, 1:15] = 1
            channels[:, 0] += 0.5
            lesion = np.zeros((slices, 16, 16), dtype=np.float32)
            k, j, i = rng.integers(0, slices), rng.integers(2, 9), rng.choice([2, 9])
            lesion[k, j : j + 5, i : i + 5] = 1
            channels[:, 3] -= depth[index] * lesion
            channels[:, 4] -= depth[index] * (lesion - lesion[..., ::-1])
            self.scans.append(ScanArrays(channels, lesion if masks else None))

    def load(self, index: int) -> ScanArrays:
        return self.scans[index]
