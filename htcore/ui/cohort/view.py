"""The head of the cohort page and its sections of figures."""

from __future__ import annotations

from functools import partial

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from htcore.errors import CohortError
from htcore.evaluation import MIN_EVENTS, OperatingPoint, delong_interval
from htcore.plots import (
    calibration_curve,
    confusion_matrix,
    decision,
    forest,
    precision_recall,
    roc,
    score_distribution,
)
from htcore.training.card import stages
from htcore.ui.charts import draw_saved_chart, sideways
from htcore.ui.cohort.compared import model_groups, models_words
from htcore.ui.cohort.controls import ROC_KEY, choose_by_roc
from htcore.ui.cohort.data import Cohort, Measured
from htcore.ui.cohort.words import AT_THRESHOLD, NAMES, figure_rows, shown, warning_sentences
from htcore.ui.figures import draw_table
from htcore.ui.notice import notice_for
from htcore.ui.words import plain


def draw_head(cohort: Cohort, measured: Measured, filters: tuple[str, ...]) -> None:
    """Whose scans these are, how many, by which model, and the headline figure with what bounds it."""
    validation, model = measured.validation, cohort.model
    # The notice stands above the page's title already.
    st.caption(source_line(cohort, measured, filters, with_notice=False))
    auc = measured.bootstrap.auc()
    whose = "simulated patients" if cohort.simulated else "patients"
    if model is None:
        whose += " of your file"
    if cohort.stored:
        # A card knows of the last training alone; of those that it started from, the Model page tells.
        earlier = model is not None and len(stages(model.id, model.training_data)) > 1
        if cohort.part == "out-of-fold":
            whose += ", each predicted by the one network that never saw them"
            whose += " in its last training" if earlier else ""
        else:
            whose += " that took no part in its last training" if earlier else " that never trained it"
    st.markdown(
        f"##### On {validation.n_scans} scans of {validation.n_patients} {whose}, the model ranks a scan with "
        f"hemorrhagic transformation above one without in **{auc.value:.1%}** of pairs: AUC {auc.value:.3f} "
        f"(95% interval {auc.low:.3f} to {auc.high:.3f})."
    )
    for sentence in warning_sentences(cohort, measured):
        st.warning(sentence, icon=":material/warning:")


def source_line(cohort: Cohort, measured: Measured, filters: tuple[str, ...] = (), *, with_notice: bool = True) -> str:
    """Patients, scans, events, split, source, model, its notice and filters in one line of Markdown."""
    validation, model = measured.validation, cohort.model
    share = validation.n_events / validation.n_scans
    parts = [
        f"{validation.n_patients:,} patients",
        f"{validation.n_scans:,} scans, {validation.n_events:,} with HT ({share:.0%})",
    ]
    if model is None:
        source = "source: your file"
        parts += [f"{source}, SIMULATED scans and outcomes" if cohort.simulated else source, "model: whichever made it"]
    else:
        whose = f"split by patient: {cohort.part} patients" if cohort.stored else "scored in this session"
        parts += [
            whose,
            "source: SIMULATED scans and outcomes" if cohort.simulated else "source: real scans",
            f"model {plain(model.id)}, weights {model.weights_sha256[:12]}",
        ]
        if with_notice:
            parts.append(plain(notice_for(simulated=model.simulated, training_data=model.training_data)))
    if filters:
        parts.append(f"**only {plain('; '.join(filters))}**")
    return " · ".join(parts)


def draw_at_threshold(cohort: Cohort, measured: Measured, point: OperatingPoint, prevalence: float | None) -> None:
    """ROC and confusion matrix, and every figure that the threshold moves."""
    left, right = st.columns([1.1, 1], gap="large")
    with left:
        st.subheader("ROC curve")
        figure = roc_figure(measured, point)
        draw_saved_chart(
            figure,
            ROC_KEY,
            cohort.simulated,
            on_select=partial(choose_by_roc, cohort),
            selection_mode="points",
            alt=_roc_words(measured),
        )
        hidden = any(trace.visible == "legendonly" for trace in figure.data)
        st.caption(
            "Click the model's curve to set the threshold there"
            + (", and a grey name of its legend to see that curve." if hidden else ".")
        )
        _draw_compared(measured)
    with right:
        st.subheader("Confusion matrix")
        draw_saved_chart(confusion_matrix(point.confusion), "cohort-confusion", cohort.simulated)
    figures = {name: point.figures[name] for name in AT_THRESHOLD}
    st.subheader(f"At the threshold {point.threshold:.1%}")
    half = (len(figures) + 1) // 2
    rows = figure_rows(figures, prevalence)
    left, right = st.columns(2, gap="large")
    with left:
        draw_table(rows[:half])
    with right:
        draw_table(rows[half:])
    if prevalence is not None:
        st.caption(
            "F1, accuracy, net benefit and the confusion matrix with its shares stay those of the scans as they are."
        )
    _draw_oracle(measured)


def roc_figure(measured: Measured, point: OperatingPoint) -> go.Figure:
    """The ROC picture with everything that there is to compare."""
    others = {model.name: model.curve for model in measured.compared}
    return roc(measured.curve, measured.bootstrap.auc(), point.confusion, measured.oracle_curve, others)


def _draw_compared(measured: Measured) -> None:
    if measured.compared_problem is not None:
        st.warning(f"Other models are not shown. {measured.compared_problem}", icon=":material/warning:")
    models = next(iter(model_groups(measured.compared).values()), ())
    if models:
        st.write(models_words(models))
        st.caption("More, with intervals: section Compared. The thin curves are of all scans.")


def _roc_words(measured: Measured) -> str:
    auc = measured.bootstrap.auc()
    return f"ROC curve of the model, AUC {auc.value:.3f}, 95% interval {auc.low:.3f} to {auc.high:.3f}."


def _draw_oracle(measured: Measured) -> None:
    ceiling = measured.oracle
    if ceiling is None:
        return
    parts = [f"model {ceiling.model_auc:.3f}"]
    if ceiling.image_auc is not None:
        parts.append(f"true risk given the image alone {ceiling.image_auc:.3f}")
    if ceiling.full_auc is not None:
        parts.append(f"true risk given everything the simulator knows {ceiling.full_auc:.3f}")
    st.write(
        f"**Best possible (simulator truth).** AUC on each patient's first scan: {'; '.join(parts)}. The outcome is "
        "drawn at random from the true risk, so that no model can reach 1."
    )


def draw_risks(cohort: Cohort, measured: Measured, point: OperatingPoint) -> None:
    """How the predicted risks spread, whether they mean what they say, and the figures that no threshold moves."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Predicted risk by outcome")
        draw_saved_chart(score_distribution(measured.validation, point.threshold), "cohort-scores", cohort.simulated)
    with right:
        st.subheader("Calibration")
        draw_saved_chart(calibration_curve(measured.groups), "cohort-calibration", cohort.simulated)
        draw_table(figure_rows(measured.bootstrap.calibration_parts))
        st.caption(calibration_words(measured))
    st.subheader("Whatever the threshold")
    draw_table(fixed_rows(measured))
    st.caption(resampling_words(measured))


def fixed_rows(measured: Measured) -> pd.DataFrame:
    """The figures that no threshold moves, for people; DeLong's interval beside the resampled one."""
    rows = figure_rows(measured.bootstrap.fixed)
    first = measured.validation.first_scans
    try:
        found = delong_interval(measured.validation.labels[first], measured.validation.probability[first])
    except CohortError:
        return rows
    extra = pd.DataFrame(
        [["AUC, first scan of each patient, DeLong's interval", shown("auc", found)]], columns=rows.columns
    )
    return pd.concat([rows.iloc[:1], extra, rows.iloc[1:]], ignore_index=True)


def resampling_words(measured: Measured) -> str:
    """How the intervals were made."""
    draws = measured.bootstrap.n_resamples
    return (
        f"Intervals: {draws} resamples of whole patients ({min(500, draws)} for calibration slope, intercept and the "
        "ROC band), 2.5th to 97.5th percentile; in the calibration curve Wilson's, scans taken as independent."
    )


def calibration_words(measured: Measured) -> str:
    """What the figures beside the calibration curve are made of."""
    return (
        f"Over the {measured.groups.n_scans.size} groups of the curve, of about equal size: Brier score = reliability "
        "− resolution + uncertainty + residue. Reliability is the mean squared distance of the groups from the "
        "diagonal, the calibration error the mean distance; the residue is what differs within a group. Chance alone "
        "keeps reliability, resolution and calibration error above 0; their intervals are shifted by what resampling "
        "adds to it."
    )


def draw_usefulness(cohort: Cohort, measured: Measured, point: OperatingPoint) -> None:
    """Decision curve and precision-recall."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Decision curve")
        draw_saved_chart(decision(measured.decision, point.threshold), "cohort-decision", cohort.simulated)
        st.caption(
            "Net benefit counts true positives, less false ones weighed by the odds of the threshold. Where the "
            "model's line is not above both others, calling everybody or nobody is as good. Of the scans as they are: "
            "another share with HT moves all three lines."
        )
    with right:
        st.subheader("Precision and recall")
        figure = precision_recall(measured.precision_recall, measured.bootstrap.fixed["auprc"], point)
        draw_saved_chart(figure, "cohort-precision-recall", cohort.simulated)
        st.caption("Of the scans as they are: precision moves with the share that has HT.")
    benefit = point.figures["net_benefit"]
    st.write(f"At the threshold {point.threshold:.1%}: {NAMES['net_benefit'].lower()} {shown('net_benefit', benefit)}.")


def draw_subgroups(cohort: Cohort, measured: Measured) -> None:
    """The forest plot and its table."""
    st.subheader("Subgroups")
    if not measured.subgroups:
        st.info("The table tells nothing to part the scans by: age, sex, thickness, time, tilt, side or scanner.")
        return
    with sideways("cohort-forest"):
        draw_saved_chart(forest(measured.subgroups, measured.bootstrap.auc()), "cohort-forest", cohort.simulated)
    st.caption(
        f"Dashed: AUC of all scans. Hollow: fewer than {MIN_EVENTS} events, or as few without; read no difference into "
        "these. With so many parts some differ by chance."
    )
    with st.expander("As a table"):
        st.dataframe(subgroup_rows(measured), hide_index=True, width="stretch")


def subgroup_rows(measured: Measured) -> pd.DataFrame:
    """One row a part, for people."""
    return pd.DataFrame(
        [
            {
                "Subgroup": part.name,
                "Patients": part.n_patients,
                "Scans": part.n_scans,
                "With HT": part.n_events,
                "AUC (95% interval)": shown("auc", part.auc),
            }
            for part in measured.subgroups
        ]
    )
