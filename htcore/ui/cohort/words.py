"""Names and numbers of the cohort page, the same on screen, in files and in the report."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from htcore.evaluation import Interval

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
