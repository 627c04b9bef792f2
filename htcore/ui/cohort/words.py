"""Names and numbers of the cohort page, the same on screen, in files and in the report."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from htcore.evaluation import Interval
from htcore.training.card import CAVEATS
from htcore.ui.cohort.data import Cohort, Measured
from htcore.ui.words import few_events_sentence

NAMES = {
    "auc": "AUC",
    "auprc": "AUPRC (average precision)",
    "f1": "F1",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "lr_positive": "Positive likelihood ratio",
    "lr_negative": "Negative likelihood ratio",
    "net_benefit": "Net benefit (true positives a scan)",
    "brier": "Brier score (0 is best)",
    "calibration_slope": "Calibration slope (1 is best)",
    "calibration_intercept": "Calibration intercept (0 is best)",
    "brier_reliability": "Reliability (0 is best)",
    "brier_resolution": "Resolution (more is better)",
    "brier_uncertainty": "Uncertainty (of the outcome, no model changes it)",
    "brier_residue": "Residue of the groups",
    "expected_calibration_error": "Expected calibration error (0 is best)",
}
AT_THRESHOLD = (
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "f1",
    "accuracy",
    "balanced_accuracy",
    "lr_positive",
    "lr_negative",
    "net_benefit",
)
_SHARES = frozenset(AT_THRESHOLD) - {"lr_positive", "lr_negative", "net_benefit"}

_BOUNDS = {
    "calibration": "Calibration and threshold were fitted on these same patients, so the figures flatter the model. "
    "Train with a separate validation cohort for a fair measure.",
    "out-of-fold": CAVEATS["out-of-fold"],
}
"""What patients that helped to make the model bring with them, by their part in it."""


def warning_sentences(cohort: Cohort, measured: Measured) -> tuple[str, ...]:
    """What bounds the figures of these scans, one sentence or two each; none where nothing does."""
    found: list[str | None] = []
    if cohort.model is not None and cohort.model.simulated and cohort.simulated is False:
        found.append("The model was trained on simulated scans alone: on real ones these figures test a demonstration.")
    if cohort.model is not None and not cohort.stored:
        found.append("Fair only if none of these patients trained or calibrated the model: nobody can check that here.")
    if cohort.simulated:
        found.append(
            "SIMULATED scans and outcomes: these figures say nothing about how well the model does on real patients."
        )
    found.append(_BOUNDS.get(cohort.part or ""))
    found.append(few_events_sentence(measured.validation.n_scans, measured.validation.n_events))
    return tuple(filter(None, found))


def shown(name: str, interval: Interval) -> str:
    """A figure with its interval; shares in percent."""
    if not math.isfinite(interval.value):
        return "undefined"
    if name in _SHARES:
        return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"
    digits = 2 if name.startswith("lr_") else 3
    text = f"{interval.value:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"
    return text.replace("-", "−").replace("inf", "∞")


def figure_rows(figures: Mapping[str, Interval], prevalence: float | None = None) -> pd.DataFrame:
    """Two columns for people; ``prevalence`` is named where predictive values hold for another than the scans'."""
    elsewhere = "" if prevalence is None else f" where {prevalence:.1%} have HT"
    return pd.DataFrame(
        {
            "Figure": [NAMES[name] + (elsewhere if name in {"ppv", "npv"} else "") for name in figures],
            "Value (95% interval)": [shown(name, figure) for name, figure in figures.items()],
        }
    )
