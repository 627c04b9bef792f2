"""How good the model is, drawn from its validation predictions."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from htcore.evaluation import (
    PAPER,
    Bootstrap,
    Evaluation,
    Interval,
    Reliability,
    RocCurve,
    ValidationSet,
    evaluate,
    reliability,
    roc_curve,
)
from htcore.plots import calibration_curve, confusion_matrix, roc, score_distribution
from htcore.types import ModelIdentity
from htcore.ui.notice import notice_for
from htcore.ui.words import plain

_NAMES = {
    "auc": "AUC",
    "auprc": "AUPRC (average precision)",
    "f1": "F1",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "brier": "Brier score (0 is best)",
    "calibration_slope": "Calibration slope (1 is best)",
    "calibration_intercept": "Calibration intercept (0 is best)",
}
_PLAIN_NUMBERS = {"auc", "auprc", "brier", "calibration_slope", "calibration_intercept"}
_CHART = {"displayModeBar": False}


@dataclass(frozen=True, eq=False)
class Measured:
    """What no threshold moves, computed once for a set of predictions."""

    validation: ValidationSet
    bootstrap: Bootstrap
    curve: RocCurve
    oracle_curve: RocCurve | None
    groups: Reliability


def measure(table: pd.DataFrame, weights_sha256: str) -> Measured:
    """Measure the predictions ``table``, or return what was measured before for the same weights and table.

    Raises
    ------
    CohortError
        If the table cannot be evaluated.
    """
    content = hashlib.sha256(pd.util.hash_pandas_object(table).to_numpy().tobytes())
    content.update(",".join(map(str, table.columns)).encode())
    return _measure(weights_sha256, content.hexdigest(), table)


@st.cache_resource(show_spinner="Measuring the validation set", max_entries=4)
def _measure(weights_sha256: str, content_sha256: str, _table: pd.DataFrame) -> Measured:
    validation = ValidationSet.from_frame(_table)
    bootstrap = Bootstrap(validation)
    first = validation.first_scans
    oracle_curve = None
    if evaluate(validation, 0.5, bootstrap=bootstrap).oracle is not None and "p_ht_image" in validation.columns:
        truth = validation.columns["p_ht_image"][first]
        oracle_curve = roc_curve(validation.labels[first], truth) if math.isfinite(truth.sum()) else None
    curve = roc_curve(validation.labels, validation.probability, bootstrap)
    return Measured(validation, bootstrap, curve, oracle_curve, reliability(validation))


def draw_source(found: Evaluation, model: ModelIdentity, *, independent: bool) -> None:
    """Say whose scans these are, how many, which model, and the headline figure."""
    patients = "simulated patients" if model.simulated else "patients"
    auc = found.metrics["auc"]
    st.write(
        f"On {found.n_scans} scans of {found.n_patients} {patients} that never trained it, the model ranks a scan with "
        f"hemorrhagic transformation above one without in **{auc.value:.0%}** of pairs: AUC {auc.value:.3f} "
        f"(95% interval {auc.low:.3f} to {auc.high:.3f})."
    )
    if model.simulated:
        st.warning(
            "SIMULATED scans and outcomes: these figures say nothing about how well the model does on real patients.",
            icon=":material/science:",
        )
    if not independent:
        st.warning(
            "Calibration and threshold were fitted on these same patients, so the figures flatter the model. "
            "Train with a separate validation cohort for a fair measure.",
            icon=":material/warning:",
        )
    columns = st.columns(4)
    columns[0].metric("Patients", found.n_patients)
    columns[1].metric("Scans", found.n_scans)
    columns[2].metric("Scans with HT", found.n_events)
    columns[3].metric("Share with HT", f"{found.n_events / found.n_scans:.0%}")
    st.caption(
        f"Model {plain(model.id)}, weights {model.weights_sha256[:12]}, trained on {plain(model.training_data)}. "
        + notice_for(simulated=model.simulated, training_data=plain(model.training_data))
    )


def draw_charts(measured: Measured, found: Evaluation) -> None:
    """ROC and confusion matrix at the chosen threshold, then how the predictions spread and calibrate."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("ROC curve")
        figure = roc(measured.curve, found.metrics["auc"], found.confusion, measured.oracle_curve)
        st.plotly_chart(figure, key="roc", config=_CHART)
    with right:
        st.subheader("Confusion matrix")
        st.plotly_chart(confusion_matrix(found.confusion), key="confusion", config=_CHART)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Predicted risk by outcome")
        st.plotly_chart(score_distribution(measured.validation, found.threshold), key="scores", config=_CHART)
    with right:
        st.subheader("Calibration")
        st.plotly_chart(calibration_curve(measured.groups), key="calibration", config=_CHART)


def draw_oracle(found: Evaluation) -> None:
    """How near the model comes to the best anyone could do on simulated scans."""
    if found.oracle is None:
        return
    parts = [f"model {found.oracle.model_auc:.3f}"]
    if found.oracle.image_auc is not None:
        parts.append(f"true risk given the image alone {found.oracle.image_auc:.3f}")
    if found.oracle.full_auc is not None:
        parts.append(f"true risk given everything the simulator knows {found.oracle.full_auc:.3f}")
    st.write(
        f"**Best possible (simulator truth).** AUC on each patient's first scan: {'; '.join(parts)}. The outcome is "
        "drawn at random from the true risk, so that no model can reach 1."
    )


def draw_comparison(found: Evaluation, *, simulated: bool) -> None:
    """The four figures the paper reports, beside ours, and why the two columns cannot be compared."""
    st.subheader("Beside the published figures")
    rows = [
        {"Figure": _NAMES[name], "This model": _shown(name, found.metrics[name]), "Paper": _shown(name, published)}
        for name, published in PAPER.metrics.items()
    ]
    st.dataframe(rows, hide_index=True, width="stretch")
    whose = "simulated scans; the paper's are of real patients" if simulated else "other patients than the paper's"
    st.write(
        f"**Not comparable.** Our figures are of {whose}. The paper's abstract does not give the size of its "
        "validation split, the threshold or the network's make-up, and we could not read its full text. Its figures "
        f"together imply that about {PAPER.implied_prevalence:.0%} of its validation scans had HT (our arithmetic), "
        f"here it is {found.n_events / found.n_scans:.0%}; F1 and accuracy move with that share. Neither column says "
        "that one model is better than the other."
    )
    st.caption(
        f"Paper: {PAPER.citation}, doi [{PAPER.doi}](https://doi.org/{PAPER.doi}): {PAPER.n_patients} patients, "
        f"{PAPER.n_patients_with_ht} with HT, {PAPER.n_scans} scans, training and validation together."
    )


def draw_tables(found: Evaluation, model: ModelIdentity) -> None:
    """All figures with intervals, those of parts of the scans, and the download."""
    st.subheader("All figures")
    rows = [{"Figure": _NAMES[name], "Value (95% interval)": _shown(name, v)} for name, v in found.metrics.items()]
    st.dataframe(rows, hide_index=True, width="stretch")
    st.caption(
        f"At the threshold {found.threshold:.0%}. Intervals: 2000 resamples of whole patients (500 for calibration)."
    )
    st.download_button(
        "Download the figures (CSV)",
        metrics_csv(found, model),
        file_name="cohort-figures.csv",
        mime="text/csv",
        icon=":material/download:",
    )
    if found.subgroups:
        st.subheader("Parts of the scans")
        parts = [
            {
                "Part": part.name,
                "Patients": part.n_patients,
                "Scans": part.n_scans,
                "With HT": part.n_events,
                "AUC (95% interval)": _shown("auc", part.auc),
            }
            for part in found.subgroups
        ]
        st.dataframe(parts, hide_index=True, width="stretch")


def metrics_csv(found: Evaluation, model: ModelIdentity) -> str:
    """The figures as CSV, with what they rest on in every row."""
    rows = [
        {
            "metric": name,
            **vars(interval),
            "threshold": found.threshold,
            "n_patients": found.n_patients,
            "n_scans": found.n_scans,
            "n_events": found.n_events,
            "model": model.id,
            "weights_sha256": model.weights_sha256,
            "scans": "simulated" if model.simulated else "real",
        }
        for name, interval in found.metrics.items()
    ]
    return pd.DataFrame(rows).to_csv(index=False)


def _shown(name: str, interval: Interval) -> str:
    if not math.isfinite(interval.value):
        return "undefined"
    if name in _PLAIN_NUMBERS:
        return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"
