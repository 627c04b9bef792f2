"""Value objects drawn as plotly figures; nothing here computes a result."""

from __future__ import annotations

from htcore.plots.calibration import calibration_curve
from htcore.plots.confusion import confusion_matrix
from htcore.plots.distribution import score_distribution
from htcore.plots.gauge import gauge
from htcore.plots.roc import roc

__all__ = ["calibration_curve", "confusion_matrix", "gauge", "roc", "score_distribution"]
