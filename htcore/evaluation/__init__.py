"""How good predictions are, with intervals that respect repeated scans of one patient; nothing here draws."""

from __future__ import annotations

from htcore.evaluation.bootstrap import Bootstrap, resamples_for
from htcore.evaluation.compare import McNemar, mcnemar
from htcore.evaluation.curves import (
    PrecisionRecallCurve,
    Reliability,
    RocCurve,
    precision_recall_curve,
    reliability,
    roc_curve,
)
from htcore.evaluation.delong import delong_interval, delong_variance
from htcore.evaluation.operating import (
    DecisionCurve,
    OperatingPoint,
    cost_threshold,
    decision_curve,
    operating_point,
    sensitivity_threshold,
    youden_threshold,
)
from htcore.evaluation.published import PAPER, PublishedFigures
from htcore.evaluation.report import Evaluation, Oracle, evaluate, oracle, to_json
from htcore.evaluation.subgroups import MIN_EVENTS, Subgroup, subgroups
from htcore.evaluation.validation import ValidationSet
from htcore.evaluation.values import Confusion, Interval

__all__ = [
    "MIN_EVENTS",
    "PAPER",
    "Bootstrap",
    "Confusion",
    "DecisionCurve",
    "Evaluation",
    "Interval",
    "McNemar",
    "OperatingPoint",
    "Oracle",
    "PrecisionRecallCurve",
    "PublishedFigures",
    "Reliability",
    "RocCurve",
    "Subgroup",
    "ValidationSet",
    "cost_threshold",
    "decision_curve",
    "delong_interval",
    "delong_variance",
    "evaluate",
    "mcnemar",
    "operating_point",
    "oracle",
    "precision_recall_curve",
    "reliability",
    "resamples_for",
    "roc_curve",
    "sensitivity_threshold",
    "subgroups",
    "to_json",
    "youden_threshold",
]
