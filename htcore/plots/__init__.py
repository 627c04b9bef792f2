"""Value objects drawn as plotly figures; nothing here computes a result."""

from __future__ import annotations

from htcore.plots.calibration import calibration_curve
from htcore.plots.confusion import confusion_matrix
from htcore.plots.decision import decision
from htcore.plots.distribution import score_distribution
from htcore.plots.flow import FlowRow, flow
from htcore.plots.forest import forest
from htcore.plots.gauge import gauge
from htcore.plots.precision_recall import precision_recall
from htcore.plots.roc import roc

__all__ = [
    "FlowRow",
    "calibration_curve",
    "confusion_matrix",
    "decision",
    "flow",
    "forest",
    "gauge",
    "precision_recall",
    "roc",
    "score_distribution",
]
