"""All of the cohort page as values, for reports that people take along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go

from htcore.evaluation import OperatingPoint
from htcore.plots import calibration_curve, confusion_matrix, decision, forest, precision_recall, score_distribution
from htcore.ui.cohort.compared import MODELS_CAPTION, model_groups, model_rows, models_text, paper_rows, paper_words
from htcore.ui.cohort.data import Cohort, Measured
from htcore.ui.cohort.view import (
    calibration_words,
    fixed_rows,
    resampling_words,
    roc_figure,
    subgroup_rows,
)
from htcore.ui.cohort.words import AT_THRESHOLD, figure_rows, warning_sentences
from htcore.ui.notice import notice_for


@dataclass(frozen=True, eq=False)
class WholePage:
    """What stands in a report, in its order; titles are the keys.

    Attributes
    ----------
    notice : what it must not be taken for.
    simulated : whether the scans are; ``None`` where nobody can know.
    facts : whose scans, which model, when.
    words : what bounds the figures, one paragraph each.
    """

    notice: str
    simulated: bool | None
    facts: Mapping[str, str]
    charts: Mapping[str, go.Figure]
    tables: Mapping[str, pd.DataFrame]
    words: tuple[str, ...]


def whole_page(
    cohort: Cohort,
    measured: Measured,
    point: OperatingPoint,
    filters: tuple[str, ...],
    prevalence: float | None,
    when: datetime | None = None,
) -> WholePage:
    """Gather the page at the threshold of ``point``; made now where ``when`` is not given."""
    made = (when or datetime.now().astimezone()).strftime("%Y-%m-%d %H:%M")
    average = measured.bootstrap.fixed["auprc"]
    charts = {
        "ROC curve": roc_figure(measured, point),
        "Confusion matrix": confusion_matrix(point.confusion),
        "Predicted risk by outcome": score_distribution(measured.validation, point.threshold),
        "Calibration": calibration_curve(measured.groups),
        "Decision curve": decision(measured.decision, point.threshold),
        "Precision and recall": precision_recall(measured.precision_recall, average, point),
    }
    at_threshold = {name: point.figures[name] for name in AT_THRESHOLD}
    tables = {
        f"At the threshold {point.threshold:.1%}": figure_rows(at_threshold, prevalence),
        "Whatever the threshold": fixed_rows(measured),
        "Calibration in figures": figure_rows(measured.bootstrap.calibration_parts),
    }
    words = [
        *warning_sentences(cohort, measured),
        paper_words(cohort, measured).replace("**", ""),
        calibration_words(measured),
        resampling_words(measured),
    ]
    for title, models in model_groups(measured.compared).items():
        tables[title] = model_rows(models)
        words.append(f"{title}. {models_text(models)}")
    if measured.compared:
        words.append(MODELS_CAPTION)
    if measured.subgroups:
        charts["Subgroups"] = forest(measured.subgroups, measured.bootstrap.auc())
        tables["Subgroups, as a table"] = subgroup_rows(measured)
    tables["Beside the published figures"] = paper_rows(measured, point)
    return WholePage(
        _notice(cohort), cohort.simulated, _facts(cohort, measured, point, filters, made), charts, tables, tuple(words)
    )


def source_of(cohort: Cohort) -> str:
    """What kind of scans these are, in a word or three."""
    return {None: "of unknown source", True: "simulated", False: "real"}[cohort.simulated]


def _notice(cohort: Cohort) -> str:
    model = cohort.model
    notice = "Research use only · predictions from a file, source not known"
    if model is not None:
        notice = notice_for(simulated=model.simulated, training_data=model.training_data)
    if cohort.simulated:
        notice += ". SIMULATED scans and outcomes: no figure here says how the model does on real patients."
    return notice


def _facts(
    cohort: Cohort, measured: Measured, point: OperatingPoint, filters: tuple[str, ...], made: str
) -> dict[str, str]:
    validation, model = measured.validation, cohort.model
    return {
        "Made": made,
        "Model": "not known" if model is None else f"{model.id} {model.weights_sha256}",
        "Scans": f"{validation.n_scans} scans of {validation.n_patients} patients, {validation.n_events} with HT; "
        f"{source_of(cohort)}{f'; {cohort.part} patients, split by patient' if cohort.stored else ''}",
        "Only": "; ".join(filters) or "all scans",
        "Threshold": f"{point.threshold:.4f}",
        "Predictive values for": f"{point.prevalence:.1%} with HT",
    }
