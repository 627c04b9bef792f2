"""What guidelines for reporting such a model ask for: what is answered, where, and what cannot be.

Items after TRIPOD+AI (Collins et al. 2024, 10.1136/bmj-2023-078378) and CLAIM 2024 (Tejani et al.,
10.1148/ryai.240300), in our words and grouped; the numbers are TRIPOD+AI's where it has the item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd
import streamlit as st

Answer = Literal["answered", "in part", "cannot be answered"]
_MARKS: dict[Answer, str] = {
    "answered": "✓\u00a0answered",
    "in part": "◐\u00a0in\u00a0part",
    "cannot be answered": "✗\u00a0cannot\u00a0be",
}


@dataclass(frozen=True)
class ReportingItem:
    """One demand of a guideline, and how it stands.

    Attributes
    ----------
    simulated, real : the answer for a model of simulated, of a hospital's own scans.
    where : page, file or command that answers it, or why nothing can.
    """

    guideline: str
    demand: str
    simulated: Answer
    real: Answer
    where: str


ITEMS = (
    ReportingItem("TRIPOD+AI 1, 2", "Title and abstract name the model's purpose", "answered", "answered", "This page"),
    ReportingItem("TRIPOD+AI 3, 4", "Context, intended use, aims", "answered", "answered", "This page, README"),
    ReportingItem(
        "TRIPOD+AI 5; CLAIM data",
        "Source of the data, dates, centres",
        "in part",
        "cannot be answered",
        "Simulated: generator and seed, docs/simulation.md; there are no dates or centres. Real: only the hospital "
        "can say",
    ),
    ReportingItem(
        "TRIPOD+AI 6",
        "Who was eligible, who was left out and why",
        "answered",
        "in part",
        "Flow above; reasons in the card. Clinical criteria of a real cohort: the hospital",
    ),
    ReportingItem(
        "TRIPOD+AI 7; CLAIM preprocessing",
        "Preparation of the data",
        "answered",
        "answered",
        "Code of transforms and quality; the version is stored in the bundle",
    ),
    ReportingItem(
        "TRIPOD+AI 8; CLAIM reference standard",
        "Outcome: definition, who judged it, when, blinded",
        "cannot be answered",
        "cannot be answered",
        "Simulated outcomes are drawn from published odds ratios and judged by nobody. Real: the hospital",
    ),
    ReportingItem("TRIPOD+AI 9", "Predictors: definition, timing", "answered", "answered", "Only the plain CT; README"),
    ReportingItem(
        "TRIPOD+AI 10",
        "How the sample size was arrived at",
        "in part",
        "in part",
        "Counts mirror the paper's; there was no calculation. Data efficiency, where the bundle has it",
    ),
    ReportingItem(
        "TRIPOD+AI 11",
        "Missing data",
        "answered",
        "answered",
        "The network needs the image alone; unknown covariates leave a subgroup, never the model",
    ),
    ReportingItem(
        "TRIPOD+AI 12; CLAIM model, training",
        "Model, training, tuning, calibration",
        "answered",
        "answered",
        "Training above, config.json, training_log.csv, docs/training.md",
    ),
    ReportingItem(
        "TRIPOD+AI 12; CLAIM evaluation",
        "Measures of discrimination, calibration and usefulness, with intervals",
        "answered",
        "answered",
        "Cohort page; python -m htcore evaluate",
    ),
    ReportingItem(
        "TRIPOD+AI 12, 14",
        "Fairness and heterogeneity between groups",
        "in part",
        "in part",
        "Subgroups on the cohort page. Ethnicity and income are not in the tables",
    ),
    ReportingItem(
        "TRIPOD+AI 13",
        "Class imbalance",
        "answered",
        "answered",
        "Settings above; prevalence control on the cohort page",
    ),
    ReportingItem(
        "TRIPOD+AI 15; CLAIM output", "Output and threshold, and how it was chosen", "answered", "answered", "Card"
    ),
    ReportingItem(
        "TRIPOD+AI 16; CLAIM partitions",
        "Training and evaluation apart",
        "answered",
        "answered",
        "Flow above: divided by patient, checked for leaks at training",
    ),
    ReportingItem(
        "TRIPOD+AI 17",
        "Ethical approval",
        "cannot be answered",
        "cannot be answered",
        "No patients in simulated data. Real: the hospital",
    ),
    ReportingItem(
        "TRIPOD+AI 18",
        "Funding, conflicts, protocol, registration",
        "cannot be answered",
        "cannot be answered",
        "There is no registered protocol",
    ),
    ReportingItem("TRIPOD+AI 18", "Data and code can be had", "answered", "in part", "Code and simulator: yes"),
    ReportingItem(
        "TRIPOD+AI 19", "Patients and public involved", "cannot be answered", "cannot be answered", "None took part"
    ),
    ReportingItem(
        "TRIPOD+AI 20",
        "Flow and characteristics of the participants",
        "in part",
        "in part",
        "Flow above; characteristics through the cohort page's parts and filters",
    ),
    ReportingItem("TRIPOD+AI 21", "Patients and events in each analysis", "answered", "answered", "Flow above; card"),
    ReportingItem("TRIPOD+AI 22", "Full model to use on new patients", "answered", "answered", "The bundle itself"),
    ReportingItem("TRIPOD+AI 23", "Performance, also in key groups", "answered", "answered", "Cohort page"),
    ReportingItem(
        "TRIPOD+AI 24", "Updating of the model", "answered", "answered", "The card names the weights it started from"
    ),
    ReportingItem(
        "CLAIM external validation",
        "Performance on other centres' patients",
        "cannot be answered",
        "cannot be answered",
        "No public data pairs a baseline plain CT with this outcome; load a CSV on the cohort page to do it",
    ),
    ReportingItem(
        "CLAIM comparison with people",
        "Readers on the same scans",
        "cannot be answered",
        "cannot be answered",
        "Nobody has read the simulated scans",
    ),
    ReportingItem(
        "CLAIM explainability", "Maps, and proof that they mean something", "in part", "in part", "Checks above, if any"
    ),
    ReportingItem("CLAIM failure analysis", "Cases where it is wrong", "answered", "answered", "Cohort page, Cases"),
    ReportingItem(
        "TRIPOD+AI 25–27", "Limits, use in practice, next steps", "answered", "answered", "Not for, above; README"
    ),
)


def draw_reporting(*, simulated: bool) -> None:
    """The table, with what cannot be answered as plain as what is."""
    st.subheader("What reporting guidelines ask for")
    answers = [item.simulated if simulated else item.real for item in ITEMS]
    rows = pd.DataFrame(
        {
            "Guideline": [item.guideline for item in ITEMS],
            "Demand": [item.demand for item in ITEMS],
            "Stands": [_MARKS[answer] for answer in answers],
            "Where, or why not": [item.where for item in ITEMS],
        }
    )
    counts = ", ".join(f"{answers.count(kind)} {kind}" for kind in _MARKS)
    st.write(f"Of {len(ITEMS)} groups of items: {counts}.")
    st.table(rows.set_index("Guideline"))
    st.caption(
        "After TRIPOD+AI (doi 10.1136/bmj-2023-078378) and CLAIM 2024 (doi 10.1148/ryai.240300), in our words; judged "
        "by the authors of this program, by nobody else."
    )
