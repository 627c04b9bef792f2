"""The model card, written from the numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from htcore.bundle import Calibration
from htcore.training.cache import RefusedScan
from htcore.training.loop import LoopParameters

_RESAMPLES = 500

Array = NDArray[np.float64]


def write_card(
    name: str,
    training_data: str,
    simulated: bool,
    table: pd.DataFrame,
    calibration: Calibration,
    refused: tuple[RefusedScan, ...],
    loop: LoopParameters,
    choice: str,
) -> str:
    """Markdown: what the model is, what it was trained on, how well it did on whom, and what it is not for."""
    part = str(table["part"].iloc[0])
    labels, probability = table["ht"].to_numpy(dtype=np.float64), table["probability"].to_numpy(dtype=np.float64)
    low, high = _auc_interval(table, np.random.default_rng(loop.seed))
    lines = [
        f"# {name}",
        "",
        "**Research use only: not a medical device.**"
        + (
            " **Trained and measured on simulated scans: no number here says how it does on patients.**"
            if simulated
            else ""
        ),
        "",
        "Estimates the risk of hemorrhagic transformation from a plain head CT of an acute ischemic stroke.",
        "",
        "## Training",
        f"- Data: {training_data}.",
        f"- {loop.epochs} epochs, batches of {loop.batch_size}, seed {loop.seed}; {choice}.",
        f"- Calibration: Platt scaling on {calibration.n_scans} scans of {calibration.n_patients} other patients.",
        f"- Share of calibration scans with HT: {calibration.prevalence:.3f}.",
        f"- Left out: {len(refused)} scans{_reasons(refused)}.",
        "",
        f"## Measured on the {part} patients",
        _caveat(part),
        "",
        "| measure | value |",
        "|---|---|",
        f"| patients / scans / scans with HT | {table['patient_id'].nunique()} / {len(table)} / {int(labels.sum())} |",
        f"| AUC | {_text(auc(labels, probability))} |",
        f"| its 95% interval, {_RESAMPLES} resamples of patients | {_text(low)}–{_text(high)} |",
        f"| Brier score | {float(np.mean((probability - labels) ** 2)):.3f} |",
        f"| threshold (Youden, calibration patients) | {calibration.threshold:.3f} |",
    ]
    if "p_ht_image" in table.columns:
        known = table[pd.to_numeric(table["p_ht_image"], errors="coerce").notna()]
        oracle = auc(known["ht"].to_numpy(dtype=np.float64), known["p_ht_image"].to_numpy(dtype=np.float64))
        lines.append(f"| AUC of the simulator's own true risk given the image | {_text(oracle)} |")
    lines += ["", "## Not for", "Decisions about patients; children; contrast CT; scans after treatment.", ""]
    return "\n".join(lines)


def auc(labels: Array, scores: Array) -> float | None:
    """Area under the ROC curve by ranks (Mann–Whitney), ties half; ``None`` with one class."""
    events = labels == 1
    n1, n0 = int(events.sum()), int((~events).sum())
    if n1 == 0 or n0 == 0:
        return None
    return float((rankdata(scores)[events].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def _auc_interval(table: pd.DataFrame, rng: np.random.Generator) -> tuple[float | None, float | None]:
    labels, scores = table["ht"].to_numpy(dtype=np.float64), table["probability"].to_numpy(dtype=np.float64)
    codes, names = pd.factorize(table["patient_id"])
    rows = [np.flatnonzero(codes == code) for code in range(len(names))]
    values: list[float] = []
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([rows[code] for code in rng.integers(0, len(rows), len(rows))])
        value = auc(labels[drawn], scores[drawn])
        if value is not None:
            values.append(value)
    if not values:
        return None, None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _caveat(part: str) -> str:
    if part == "calibration":
        return "Calibration and threshold were fitted on these same patients: a fair measure needs a validation cohort."
    return "These patients took no part in training, calibration or any choice."


def _reasons(refused: tuple[RefusedScan, ...]) -> str:
    codes = sorted({entry.code for entry in refused})
    return f" ({', '.join(f'{sum(e.code == code for e in refused)} × {code}' for code in codes)})" if codes else ""


def _text(value: float | None) -> str:
    return "not available" if value is None else f"{value:.3f}"
