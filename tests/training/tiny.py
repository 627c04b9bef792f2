"""A cohort whose scans are prepared already: the command itself trains on it within seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from htcore.training.cache import _content_key
from htcore.training.cohort import read_cohort
from tests.training.blobs import BlobSource


def write_tiny_cohort(folder: Path, patients: int, refused: int = 0) -> Path:
    """``patients`` scans in ``cohort.csv``, then ``refused`` that are no scans; prepared arrays in ``prepared``."""
    folder.mkdir(parents=True)
    source = BlobSource(patients, seed=5)
    rows = ["patient_id,scan_id,path,ht,age"]
    for index in range(patients + refused):
        (folder / f"s{index}").write_text(f"scan {index}")
        label = int(source.labels[index]) if index < patients else 0
        rows.append(f"p{index},c{index},s{index},{label},{50 + index % 30}")
    (folder / "cohort.csv").write_text("\n".join(rows))
    (folder / "prepared").mkdir()
    for scan, arrays in zip(read_cohort(folder / "cohort.csv").scans, source.scans, strict=False):
        np.savez(
            folder / "prepared" / f"{_content_key(scan)}.npz",
            channels=arrays.channels.astype(np.float16),
            lesion=arrays.lesion,
            brain=arrays.channels[:, 5] > 0.5,
            affine=np.diag([4.0, 4.0, 5.0, 1.0]),
            thickness_mm=np.asarray(5.0),
            image=np.asarray(str(scan.scan_id)),
        )
    return folder / "cohort.csv"
