"""How good predictions are, with intervals that respect repeated scans of one patient; nothing here draws."""

from __future__ import annotations

from htcore.evaluation.bootstrap import Bootstrap
from htcore.evaluation.curves import Reliability, RocCurve, reliability, roc_curve
from htcore.evaluation.delong import delong_interval, delong_variance
from htcore.evaluation.published import PAPER, PublishedFigures
from htcore.evaluation.report import Evaluation, Oracle, Subgroup, evaluate, to_json
from htcore.evaluation.validation import ValidationSet
from htcore.evaluation.values import Confusion, Interval

__all__ = [
    "PAPER",
    "Bootstrap",
    "Confusion",
    "Evaluation",
    "Interval",
    "Oracle",
    "PublishedFigures",
    "Reliability",
    "RocCurve",
    "Subgroup",
    "ValidationSet",
    "delong_interval",
    "delong_variance",
    "evaluate",
    "reliability",
    "roc_curve",
    "to_json",
]
