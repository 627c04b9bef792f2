"""The cohort page as files: tables as CSV, and all of it as one HTML page that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from htcore.evaluation import Interval, OperatingPoint
from htcore.ui.charts import FORMAT_KEY, TOOLBAR, take_away
from htcore.ui.cohort.data import Cohort, Measured
from htcore.ui.cohort.whole import WholePage, source_of, whole_page
from htcore.ui.cohort.words import warning_sentences

Write = Callable[[WholePage], str | bytes]

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1b2733;background:#fff;max-width:1000px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0}th,td{border:1px solid #c9d1d9;padding:.25rem .6rem;text-align:left}
th{background:#f1f4f7}.notice{border:2px solid #D55E00;padding:.5rem 1rem;font-weight:600}
figure{margin:1rem 0;break-inside:avoid}h2{margin-top:2rem}
"""


def draw_downloads(
    cohort: Cohort,
    measured: Measured,
    point: OperatingPoint,
    filters: tuple[str, ...],
    prevalence: float | None,
    as_pdf: Write,
) -> None:
    """The buttons; each file is made when it is asked for."""
    st.subheader("Tables")
    with st.container(horizontal=True):
        _button(
            "Figures (CSV)", partial(figures_csv, cohort, measured, point, filters), "cohort-figures.csv", "text/csv"
        )
        _button(
            "Subgroups (CSV)", partial(subgroups_csv, cohort, measured, filters), "cohort-subgroups.csv", "text/csv"
        )
        _button("ROC points (CSV)", partial(roc_csv, cohort, measured, filters), "cohort-roc.csv", "text/csv")
    st.subheader("Pictures")
    st.segmented_control(
        "The camera in a chart's toolbar saves",
        ("svg", "png"),
        default=st.session_state.get(FORMAT_KEY, "svg"),
        format_func=str.upper,
        key="cohort-format",
        on_change=_keep_format,
    )
    st.subheader("The whole page")
    with st.container(horizontal=True):
        for label, write, name, mime in (
            ("Report (HTML)", report_html, "cohort-report.html", "text/html"),
            ("Report (PDF)", as_pdf, "cohort-report.pdf", "application/pdf"),
        ):
            make = partial(_written, write, cohort, measured, point, filters, prevalence)
            _button(label, make, name, mime)
    st.caption(
        "One file each that needs neither this program nor a network. In the HTML the charts answer to the pointer; "
        "the PDF is for paper."
    )


def _written(write: Write, *shown: Any) -> str | bytes:
    """Made on the click, so that it carries the time of it."""
    return write(whole_page(*shown))


def _button(label: str, make: Any, name: str, mime: str) -> None:
    st.download_button(
        label, make, file_name=name, mime=mime, icon=":material/download:", key=f"download-{name}", on_click="ignore"
    )


def _keep_format() -> None:
    st.session_state[FORMAT_KEY] = st.session_state["cohort-format"] or "svg"


def _provenance(cohort: Cohort, measured: Measured, filters: tuple[str, ...]) -> dict[str, Any]:
    """What a row must carry so that nobody takes it for more than it is."""
    model = cohort.model
    return {
        "filters": "; ".join(filters),
        "n_patients": measured.validation.n_patients,
        "n_scans": measured.validation.n_scans,
        "n_events": measured.validation.n_events,
        "model": "not known" if model is None else model.id,
        "weights_sha256": "" if model is None else model.weights_sha256,
        "scans": source_of(cohort),
    }


def figures_csv(cohort: Cohort, measured: Measured, point: OperatingPoint, filters: tuple[str, ...] = ()) -> str:
    """Every figure with its interval, threshold, source and what bounds it, one row a figure."""
    figures: dict[str, Interval] = {
        **measured.bootstrap.fixed,
        **measured.bootstrap.calibration_parts,
        **point.figures,
    }
    shared = {
        "threshold": point.threshold,
        "prevalence_of_predictive_values": point.prevalence,
        **_provenance(cohort, measured, filters),
        "warnings": " ".join(warning_sentences(cohort, measured)),
    }
    return pd.DataFrame([{"metric": name, **vars(found), **shared} for name, found in figures.items()]).to_csv(
        index=False
    )


def subgroups_csv(cohort: Cohort, measured: Measured, filters: tuple[str, ...] = ()) -> str:
    """One row a part of the scans, each with its own counts."""
    whole = _provenance(cohort, measured, filters)
    rows = [
        {
            "factor": part.factor,
            "part": part.name,
            **whole,
            "n_patients": part.n_patients,
            "n_scans": part.n_scans,
            "n_events": part.n_events,
            **{f"auc_{name}": value for name, value in vars(part.auc).items()},
        }
        for part in measured.subgroups
    ]
    return pd.DataFrame(rows).to_csv(index=False)


def roc_csv(cohort: Cohort, measured: Measured, filters: tuple[str, ...] = ()) -> str:
    """One row a point of the model's curve, with its source."""
    curve = measured.curve
    return pd.DataFrame(
        {
            "threshold": curve.thresholds,
            "false_positive_rate": curve.false_positive_rate,
            "sensitivity": curve.sensitivity,
            **_provenance(cohort, measured, filters),
        }
    ).to_csv(index=False)


def cases_csv(
    cases: pd.DataFrame, cohort: Cohort, measured: Measured, threshold: float, filters: tuple[str, ...] = ()
) -> str:
    """Rows of `case_table` at ``threshold``, with their source."""
    shared = {"threshold": threshold, **_provenance(cohort, measured, filters)}
    known = cases.drop(columns="stored_row", errors="ignore")
    return known.assign(**shared).to_csv(index=False, float_format="%.6g")


def report_html(page: WholePage) -> str:
    """All of the page in one file: notice, source, charts, tables, and what bounds them."""
    cells = "".join(f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in page.facts.items())
    pictures = "".join(
        f"<figure><h2>{name}</h2>{_drawing(figure, page.simulated, first=number == 0)}</figure>"
        for number, (name, figure) in enumerate(page.charts.items())
    )
    written = "".join(f"<h2>{name}</h2>{rows.to_html(index=False, border=0)}" for name, rows in page.tables.items())
    words = "".join(f"<p>{html.escape(text)}</p>" for text in page.words)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Cohort report</title>'
        f"<style>{_STYLE}</style></head><body><h1>Cohort report</h1>"
        f'<p class="notice">{html.escape(page.notice)}</p><table>{cells}</table>'
        f"{pictures}{written}{words}</body></html>"
    )


def _drawing(figure: go.Figure, simulated: bool | None, *, first: bool) -> str:
    """A chart as part of an HTML page; the ``first`` brings the program that draws them all."""
    return str(take_away(figure, simulated).to_html(full_html=False, include_plotlyjs=first, config=TOOLBAR))
