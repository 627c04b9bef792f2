"""Beside others: what is published, and another model's calls of the same patients."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from htcore.errors import CohortError
from htcore.evaluation import PAPER, PUBLISHED_MODELS, Interval, OperatingPoint, delong_difference, mcnemar
from htcore.ui.cohort_data import Cohort, Measured
from htcore.ui.cohort_words import NAMES, shown


def draw_compared(cohort: Cohort, measured: Measured, point: OperatingPoint, installed: Cohort) -> None:
    """The paper, other publications, and the installed model where somebody's file is of its scans."""
    if cohort.model is None:
        _draw_against_installed(measured, point, installed)
    st.subheader("Beside the published figures")
    st.dataframe(paper_rows(measured, point), hide_index=True, width="stretch")
    st.write(paper_words(cohort, measured))
    st.caption(
        f"Paper: {PAPER.citation}, doi [{PAPER.doi}](https://doi.org/{PAPER.doi}): {PAPER.n_patients} patients, "
        f"{PAPER.n_patients_with_ht} with HT, {PAPER.n_scans} scans, training and validation together."
    )
    with st.expander("Other published models"):
        st.dataframe(
            _published(), hide_index=True, width="stretch", column_config={"doi": st.column_config.LinkColumn()}
        )
        st.caption("As their abstracts have it; other patients, other inputs, other definitions of the outcome.")


def paper_rows(measured: Measured, point: OperatingPoint) -> pd.DataFrame:
    """The four figures that the paper reports, beside ours at the chosen threshold."""
    ours: dict[str, Interval] = {"auc": measured.bootstrap.auc(), **point.figures}
    return pd.DataFrame(
        [
            {"Figure": NAMES[name], "These scans": shown(name, ours[name]), "Paper": shown(name, published)}
            for name, published in PAPER.metrics.items()
        ]
    )


def paper_words(cohort: Cohort, measured: Measured) -> str:
    """Why the two columns cannot be compared, in Markdown."""
    validation = measured.validation
    whose = "of other patients than the paper's"
    if cohort.simulated:
        whose = "of simulated scans; the paper's are of real patients"
    return (
        f"**Not comparable.** Our figures are {whose}. The paper's abstract does not give the size of its "
        "validation split, the threshold or the network's make-up, and we could not read its full text. Its figures "
        f"together imply that about {PAPER.implied_prevalence:.0%} of its validation scans had HT (our arithmetic), "
        f"here it is {validation.n_events / validation.n_scans:.0%}; F1 and accuracy move with that share. Neither "
        "column says that one model is better than the other."
    )


def _published() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Year": str(model.year),
                "Input": model.inputs,
                "Patients": model.n_patients,
                "With HT": "not given" if model.n_with_ht is None else str(model.n_with_ht),
                "AUC, internal": f"{model.internal_auc:.3f}",
                "AUC, external": "not given" if model.external_auc is None else f"{model.external_auc:.3f}",
                "doi": f"https://doi.org/{model.doi}",
            }
            for model in PUBLISHED_MODELS
        ]
    )


def _draw_against_installed(measured: Measured, point: OperatingPoint, installed: Cohort) -> None:
    """AUC and calls of the file against the installed model's, on the first scan of each patient of both."""
    st.subheader("Beside the installed model")
    keys = ["patient_id", "scan_id"]
    first = measured.table.drop_duplicates("patient_id").astype({name: str for name in keys})
    theirs = installed.table.astype({name: str for name in keys})[[*keys, "ht", "probability"]]
    both = first.merge(theirs, on=keys, suffixes=("", "_installed"))
    both = both[both["ht"] == both["ht_installed"]]
    labels = both["ht"].to_numpy() == 1
    mine, other = both["probability"].to_numpy(), both["probability_installed"].to_numpy()
    try:
        difference = delong_difference(labels, mine, other)
    except CohortError:
        st.info(
            "Your file holds too few of the installed model's validation scans (same patient_id, scan_id and ht) to "
            "compare the two."
        )
        return
    calls = mcnemar(labels, mine >= point.threshold, other >= installed.threshold)
    st.write(
        f"On the first scan of {len(both)} patients that both know: AUC of your file minus that of the installed model "
        f"{shown('auc', difference.difference)}, DeLong's p {difference.p_value:.3g}. At {point.threshold:.1%} and the "
        f"model's own {installed.threshold:.1%}, {calls.only_first} scans were called right by your file alone and "
        f"{calls.only_second} by the model alone, McNemar's exact p {calls.p_value:.3g}."
    )
