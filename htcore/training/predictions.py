"""A bundle's predictions on patients that did not train it, as a table without anyone's numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from htcore.inference.calibrate import fit_platt
from htcore.inference.predict import run_networks
from htcore.networks import LesionGatedResNet
from htcore.training.cache import PreparedScan
from htcore.training.cohort import COVARIATES
from htcore.training.thumbnails import thumbnail

_TRUTH = ("p_ht", "p_ht_image", "lesion_volume_ml", "lesion_side", "territory", "tilt_deg")

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What is kept of predicted scans, in their order.

    Attributes
    ----------
    table
        patient_id, scan_id, part, ht, logit, predicted_lesion_ml, thickness_mm, and covariates and truth where known.
    embedding : float32, shape (scans, features)
    thumbnails : uint8, shape (scans, rows, columns), or None
        As `thumbnail`; ``None`` unless every scan is simulated.
    """

    table: pd.DataFrame
    embedding: NDArray[np.float32]
    thumbnails: NDArray[np.uint8] | None

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """One part's after the other's; the table says the part's number, from 0, as ``fold``."""
        pictures = [part.thumbnails for part in parts if part.thumbnails is not None]
        return cls(
            pd.concat([part.table.assign(fold=number) for number, part in enumerate(parts)], ignore_index=True),
            np.concatenate([part.embedding for part in parts]),
            np.concatenate(pictures) if len(pictures) == len(parts) else None,
        )


def predict_scans(
    networks: Sequence[LesionGatedResNet],
    scans: Sequence[PreparedScan],
    part: str,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Predictions:
    """One row a scan: who, outcome, mean logit, lesion volume at a cut-off of 0.5, and what the cohort tells."""
    rows, embedding, thumbnails = [], [], []
    simulated = all(entry.scan.simulated for entry in scans)
    for done, entry in enumerate(scans, start=1):
        model_input = entry.model_input()
        result = run_networks(networks, model_input)
        scan, lesion_ml = entry.scan, float((result.lesion >= 0.5).sum() * model_input.grid.voxel_ml)
        rows.append(
            {
                "patient_id": scan.patient_id,
                "scan_id": scan.scan_id,
                "part": part,
                "ht": int(scan.ht),
                "logit": result.logit,
                "predicted_lesion_ml": lesion_ml,
                "thickness_mm": entry.thickness_mm,
                **{column: scan.values[column] for column in (*COVARIATES, *_TRUTH) if column in scan.values},
            }
        )
        embedding.append(result.embedding)
        if simulated:
            thumbnails.append(thumbnail(model_input, result))
        tell(done, len(scans))
    return Predictions(pd.DataFrame(rows), np.stack(embedding), np.stack(thumbnails) if simulated else None)


def cross_fitted(logits: Array, labels: Array, folds: NDArray[np.int64]) -> Array:
    """Probability of each scan by a calibration fitted on the other folds' scans alone; all (scans,)."""
    out = np.empty(len(logits))
    for fold in np.unique(folds):
        others, own = folds != fold, folds == fold
        slope, intercept = fit_platt(logits[others], labels[others])
        out[own] = 1.0 / (1.0 + np.exp(-(slope * logits[own] + intercept)))
    return out


def without_identifiers(table: pd.DataFrame) -> pd.DataFrame:
    """The same rows with running numbers in place of a hospital's own patient and scan numbers."""
    table = table.copy()
    for column, letter in (("patient_id", "P"), ("scan_id", "S")):
        numbers, _ = pd.factorize(table[column])
        table[column] = [f"{letter}{number + 1:05d}" for number in numbers]
    return table
