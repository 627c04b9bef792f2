"""Beside others: other models of the same patients, what is published, and another model's calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from htcore import transforms
from htcore.errors import CohortError
from htcore.evaluation import (
    MIN_EVENTS,
    PAPER,
    PUBLISHED_MODELS,
    ComparedModel,
    Interval,
    OperatingPoint,
    delong_difference,
    mcnemar,
)
from htcore.ui.cohort.data import Cohort, Measured
from htcore.ui.cohort.words import NAMES, shown
from htcore.ui.figures import TOLD_APART, difference, draw_table, listed, p_cell, p_words
from htcore.ui.words import plain

# How benchmarks name a model that learnt from part of the patients, or from images as another version prepares them.
_NAME = re.compile(r"(?P<what>.+?)(?:, (?P<patients>\d+) patients)?(?:, preparation (?P<preparation>\d+))?")
_BETTER, _ALIKE, _WORSE = "does **better** than", "**cannot be told apart** from", "does **worse** than"
_NAMED_ONE_BY_ONE = 3
MODELS_TITLE = "Beside other models, on the same patients"
MODELS_CAPTION = (
    "First scan of each patient; DeLong's 95% intervals. Difference: AUC of this page's model less that of the other, "
    f"above 0 where this model ranks better; told apart where p < {TOLD_APART:g} (DeLong's test, not corrected for "
    "several comparisons). Where the images were prepared in an older way, or fewer patients were learnt from, a "
    "difference is not of the kind of model alone."
)


def draw_compared(cohort: Cohort, measured: Measured, point: OperatingPoint, installed: Cohort) -> None:
    """Other models, the paper, other publications, and the installed model where a file is of its scans."""
    if cohort.model is None:
        _draw_against_installed(measured, point, installed)
    _draw_models(measured)
    st.subheader("Beside the published figures")
    draw_table(paper_rows(measured, point))
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


def _draw_models(measured: Measured) -> None:
    if measured.compared_problem is not None:
        st.warning(f"Other models are not shown. {measured.compared_problem}", icon=":material/warning:")
    for number, (title, models) in enumerate(model_groups(measured.compared).items()):
        if number == 0:
            st.subheader(title)
        else:
            st.markdown(f"**{title}**")
        st.write(models_words(models))
        draw_table(model_rows(models))
    if measured.compared:
        st.caption(MODELS_CAPTION)


def model_groups(models: Sequence[ComparedModel]) -> dict[str, tuple[ComparedModel, ...]]:
    """Those of images prepared as for this model first, then those of an older preparation; by title, none empty."""
    groups: dict[str, list[ComparedModel]] = {}
    now = int(transforms.VERSION)
    for older in (False, True):
        for model in models:
            preparation = _parts(model)["preparation"]
            if older is (preparation is not None and int(preparation) < now):
                title = f"Learnt from images prepared in an older way (preparation {preparation}, this model: {now})"
                groups.setdefault(title if older else MODELS_TITLE, []).append(model)
    return {title: tuple(found) for title, found in groups.items()}


def model_name(model: ComparedModel) -> str:
    """Its name in words; what it learnt from said as such, so that nobody takes it for the patients measured on."""
    parts = _parts(model)
    return str(parts["what"]) + ("" if parts["patients"] is None else f", learnt from {parts['patients']} patients")


def _parts(model: ComparedModel) -> dict[str, str | None]:
    found = _NAME.fullmatch(model.name)
    return {"what": model.name, "patients": None, "preparation": None} if found is None else found.groupdict()


def model_rows(models: Sequence[ComparedModel]) -> pd.DataFrame:
    """One row another model, for people; patients only where not all scored the same number."""
    rows = pd.DataFrame(
        {
            "Model": [model_name(model) for model in models],
            "AUC (95% interval)": [shown("auc", model.auc) for model in models],
            "Difference (95% interval)": [
                difference(found.value, found.low, found.high)
                for found in (model.difference.difference for model in models)
            ],
            "p": [p_cell(model.difference.p_value) for model in models],
        }
    )
    counts = [model.n_patients for model in models]
    return rows if len(set(counts)) == 1 else rows.assign(Patients=counts)


def models_words(models: Sequence[ComparedModel]) -> str:
    """Which models this one beats, cannot be told apart from, and is beaten by: one sentence of Markdown."""
    return _sentence(models, lambda name: f"*{plain(name)}*")


def models_text(models: Sequence[ComparedModel]) -> str:
    """The same for a file: without Markdown."""
    return _sentence(models, str).replace("**", "")


def _sentence(models: Sequence[ComparedModel], write: Callable[[str], str]) -> str:
    if any(min(model.n_events, model.n_patients - model.n_events) < MIN_EVENTS for model in models):
        return f"Fewer than {MIN_EVENTS} patients with HT, or without: too few to say which model is better."
    verdicts: dict[str, list[ComparedModel]] = {words: [] for words in (_BETTER, _ALIKE, _WORSE)}
    for model in models:
        apart = _BETTER if model.difference.difference.value > 0 else _WORSE
        verdicts[apart if model.difference.p_value < TOLD_APART else _ALIKE].append(model)
    clauses = "; it ".join(
        f"{verdict} {_named(others, len(models), write)}" for verdict, others in verdicts.items() if others
    )
    whose, own = "the same patients", ""
    if len(counts := {model.n_patients for model in models}) == 1:
        area = models[0].own_auc
        own = f" (AUC {area.value:.3f}, {area.low:.3f} to {area.high:.3f})"
        whose = f"each of {counts.pop()} patients"
    return f"On the first scan of {whose} this model{own} {clauses}."


def _named(models: Sequence[ComparedModel], asked: int, write: Callable[[str], str]) -> str:
    """Each with its AUC and p; many of the ``asked`` as their number and range."""
    if len(models) <= _NAMED_ONE_BY_ONE:
        return listed(
            [
                f"{write(model_name(model))} (AUC {model.auc.value:.3f}, {p_words(model.difference.p_value)})"
                for model in models
            ]
        )
    areas = [model.auc.value for model in models]
    p_values = [model.difference.p_value for model in models]
    sizes = f"p {p_cell(min(p_values))} to {p_cell(max(p_values))}"
    if p_cell(min(p_values)) == p_cell(max(p_values)):
        sizes = f"each {p_words(max(p_values))}"
    count = f"all {asked}" if len(models) == asked else f"{len(models)} of {asked}"
    learnt = [patients for model in models if (patients := _parts(model)["patients"]) is not None]
    few = f"; {len(learnt)} of them learnt from {listed(list(dict.fromkeys(learnt)))} patients alone" if learnt else ""
    return f"{count} (AUC {min(areas):.3f} to {max(areas):.3f}, {sizes}{few})"


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
        found = delong_difference(labels, mine, other)
    except CohortError:
        st.info(
            "Your file holds too few of the installed model's validation scans (same patient_id, scan_id and ht) to "
            "compare the two."
        )
        return
    calls = mcnemar(labels, mine >= point.threshold, other >= installed.threshold)
    st.write(
        f"On the first scan of {len(both)} patients that both know: AUC of your file minus that of the installed model "
        f"{shown('auc', found.difference)}, DeLong's {p_words(found.p_value)}. At {point.threshold:.1%} and the "
        f"model's own {installed.threshold:.1%}, {calls.only_first} scans were called right by your file alone and "
        f"{calls.only_second} by the model alone, McNemar's exact {p_words(calls.p_value)}."
    )
