"""How good predictions are, with intervals that respect repeated scans of one patient; nothing here draws."""

from __future__ import annotations

from htcore.evaluation.bootstrap import Bootstrap, resamples_for
from htcore.evaluation.cases import KINDS, case_table, confident_mistakes
from htcore.evaluation.compare import McNemar, mcnemar
from htcore.evaluation.compared import ComparedModel, compared_models
from htcore.evaluation.curves import (
    PrecisionRecallCurve,
    Reliability,
    RocCurve,
    precision_recall_curve,
    reliability,
    roc_curve,
)
from htcore.evaluation.delong import AucDifference, delong_difference, delong_interval, delong_variance
from htcore.evaluation.operating import (
    DecisionCurve,
    OperatingPoint,
    cost_threshold,
    decision_curve,
    operating_point,
    sensitivity_threshold,
    youden_threshold,
)
from htcore.evaluation.published import PAPER, PUBLISHED_MODELS, PublishedFigures, PublishedModel
from htcore.evaluation.report import Evaluation, Oracle, evaluate, oracle, to_json
from htcore.evaluation.subgroups import MIN_EVENTS, Subgroup, subgroups
from htcore.evaluation.table import MAX_ROWS, RowProblem, TableError, read_predictions
from htcore.evaluation.validation import MIN_PATIENTS, ValidationSet, are_simulated, part_of
from htcore.evaluation.values import Confusion, Interval

__all__ = [
    "KINDS",
    "MAX_ROWS",
    "MIN_EVENTS",
    "MIN_PATIENTS",
    "PAPER",
    "PUBLISHED_MODELS",
    "AucDifference",
    "Bootstrap",
    "ComparedModel",
    "Confusion",
    "DecisionCurve",
    "Evaluation",
    "Interval",
    "McNemar",
    "OperatingPoint",
    "Oracle",
    "PrecisionRecallCurve",
    "PublishedFigures",
    "PublishedModel",
    "Reliability",
    "RocCurve",
    "RowProblem",
    "Subgroup",
    "TableError",
    "ValidationSet",
    "are_simulated",
    "case_table",
    "compared_models",
    "confident_mistakes",
    "cost_threshold",
    "decision_curve",
    "delong_difference",
    "delong_interval",
    "delong_variance",
    "evaluate",
    "mcnemar",
    "operating_point",
    "oracle",
    "part_of",
    "precision_recall_curve",
    "read_predictions",
    "reliability",
    "resamples_for",
    "roc_curve",
    "sensitivity_threshold",
    "subgroups",
    "to_json",
    "youden_threshold",
]
