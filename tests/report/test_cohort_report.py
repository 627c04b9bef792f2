"""The cohort page on paper: every chart and table, and the notice on each page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from fpdf import FPDF
from pypdf import PdfReader
from pypdf.generic import ContentStream

from htcore.evaluation import Confusion, Interval, Subgroup, operating_point, roc_curve
from htcore.plots import forest, roc
from htcore.plots.palette import SKY, VERMILION
from htcore.report import write_cohort_report
from htcore.report.charts import draw_chart, ticks
from htcore.report.page import printable
from htcore.types import ModelIdentity
from htcore.ui.cohort.data import Cohort, measure
from htcore.ui.cohort.whole import WholePage, whole_page
from htcore.ui.cohort.words import shown
from tests.evaluation.cohort import frame

MODEL = ModelIdentity("test-model", "ab" * 32, "simulated cohort", simulated=True)


def page_of(simulated: bool | None = True) -> WholePage:
    table = frame()
    scores = table[["scan_id"]].assign(**{"Age alone": table["age"]}).to_csv(index=False).encode()
    measured = measure(table, scores)
    model = MODEL if simulated else None
    cohort = Cohort(table, "k" * 64, model, "validation", 0.4, stored=bool(simulated), simulated=simulated)
    point = operating_point(measured.bootstrap, 0.4)
    return whole_page(cohort, measured, point, ("age 60 to 80 years",), None, datetime(2026, 11, 28, 12, 0))


def texts(pdf: bytes) -> str:
    """The words that the PDF draws, in their order."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())


def drawing(pdf: bytes) -> Iterator[list[tuple[str, list[Any]]]]:
    """Operators and operands of each page."""
    reader = PdfReader(BytesIO(pdf))
    for page in reader.pages:
        found = ContentStream(page.get_contents(), reader)
        yield [(operator.decode(), operands) for operands, operator in found.operations]


def fills(page: list[tuple[str, list[Any]]]) -> Iterator[tuple[str, str]]:
    """Shape (``box`` or ``path``) and colour, ``#rrggbb``, of all that a page fills, as a viewer takes it."""
    colour, kept, shape = "#000000", [], ""
    for operator, operands in page:
        if operator == "q":
            kept.append(colour)
        elif operator == "Q":
            colour = kept.pop()
        elif operator in ("rg", "g"):
            parts = operands if operator == "rg" else 3 * operands
            colour = "#" + "".join(f"{round(255 * float(part)):02X}" for part in parts)
        elif operator in ("re", "m"):
            shape = "box" if operator == "re" else "path"
        elif operator in ("f", "B"):
            yield shape, colour


def right_edges(page: list[tuple[str, list[Any]]], bold: str = "") -> Iterator[tuple[str, float]]:
    """Words and where they end, mm from the left, in letters a fifth wider than Helvetica; upward words left out."""
    measure_by = FPDF()
    turned, kept, left = False, [], 0.0
    for operator, operands in page:
        if operator == "q":
            kept.append(turned)
        elif operator == "Q":
            turned = kept.pop()
        elif operator == "cm":
            turned = abs(float(operands[1])) > 0.5
        elif operator == "Tf":
            measure_by.set_font("Helvetica", "B" if operands[0] == bold else "", float(operands[1]))
        elif operator == "Td":
            left = float(operands[0]) / measure_by.k
        elif operator == "Tj" and not turned:
            words = str(operands[0])
            yield words, left + 1.2 * measure_by.get_string_width(words.encode("latin-1", "replace").decode("latin-1"))


def test_the_pdf_holds_what_the_page_holds() -> None:
    page = page_of()
    pdf = write_cohort_report(page)
    told = texts(pdf)
    assert pdf.startswith(b"%PDF")
    for name in (*page.tables, *page.charts):
        assert name in told, name
    for rows in page.tables.values():
        assert printable(str(rows.iloc[-1, 1]).split(" (")[0]) in told
    assert "Age alone" in told and "2026-11-28 12:00" in told and "age 60 to 80 years" in told
    assert shown("brier", measure(frame()).bootstrap.fixed["brier"]) in told
    pages = len(PdfReader(BytesIO(pdf)).pages)
    assert told.count(f"of {pages}.") == pages >= 2
    assert told.count("SIMULATED") >= pages


def test_a_file_of_unknown_source_is_called_so() -> None:
    told = texts(write_cohort_report(page_of(None)))
    assert "source not known" in told and "SIMULATED" not in told


def test_no_fill_of_a_chart_reaches_the_tables() -> None:
    page = page_of()
    charts_end = write_cohort_report(replace(page, tables={}, words=()))
    assert sum(len(list(fills(one))) for one in drawing(charts_end)) > 20
    whole = [list(fills(one)) for one in drawing(write_cohort_report(page))]
    assert sum(map(len, whole)) == sum(len(list(fills(one))) for one in drawing(charts_end))


def alone(figure: go.Figure, width: float = 90) -> list[tuple[str, list[Any]]]:
    """What a page draws that holds one chart."""
    pdf = FPDF(format="A4")
    pdf.core_fonts_encoding = "cp1252"
    pdf.add_page()
    draw_chart(pdf, figure, 20, 20, width)
    (page,) = drawing(bytes(pdf.output()))
    return page


def test_marks_and_their_samples_in_the_legend_have_one_colour() -> None:
    charts = page_of().charts
    found = list(fills(alone(charts["Decision curve"])))
    assert found == [("path", SKY), ("box", SKY)]
    found = list(fills(alone(charts["Precision and recall"])))
    assert found == [("path", VERMILION), ("path", VERMILION)]


def words_of(page: list[tuple[str, list[Any]]]) -> dict[str, tuple[float, float]]:
    """Words and where they begin, points from the lower left corner."""
    found, at = {}, (0.0, 0.0)
    for operator, operands in page:
        if operator == "Td":
            at = (float(operands[0]), float(operands[1]))
        elif operator == "Tj":
            found[str(operands[0])] = at
    return found


def test_the_roc_keeps_its_height_and_leaves_out_what_waits_in_the_legend() -> None:
    curve = roc_curve(np.array([0, 1, 0, 1] * 9, dtype=bool), np.linspace(0, 1, 36))
    for n_others in (0, 12):
        others = {f"other {k}": curve for k in range(n_others)}
        figure = roc(curve, Interval(0.8, 0.7, 0.9), Confusion(3, 1, 1, 4), None, others)
        words = words_of(alone(figure))
        top, bottom = words["100%"][1], words["20%"][1]
        assert (top - bottom) / 72 * 25.4 > 50
        assert sum(name.startswith("other") for name in words) == min(3, n_others)
        named = [words[name][1] for name in ("model, AUC 0.800 (0.700 to 0.900)", "chosen threshold", "chance")]
        assert named == sorted(named, reverse=True)


def test_the_forest_names_its_parts_and_draws_every_interval() -> None:
    page = page_of()
    figure = page.charts["Subgroups"]
    drawn = alone(figure, 170)
    words = words_of(drawn)
    assert set(figure.layout.yaxis.categoryarray) <= words.keys() and {"chance", "all scans"} <= words.keys()
    shown = sum(len(trace.x) for trace in figure.data)
    assert shown >= 4
    boxes = [shape for shape, _ in fills(drawn) if shape == "box"]
    assert len(boxes) == shown + len(figure.data)


def test_long_names_are_cut_where_their_room_ends() -> None:
    name, auc = "Scanner " + "of a very long name " * 9, Interval(0.7, 0.6, 0.8)
    drawn = alone(forest([Subgroup(name, 50, 60, 25, auc), Subgroup("Sex F", 50, 60, 25, auc)], auc))
    (found,) = (at for words, at in words_of(drawn).items() if words.startswith("Scanner") and words.endswith("..."))
    assert found[0] > 20 / 25.4 * 72
    curve = roc_curve(np.array([0, 1], dtype=bool), np.array([0.2, 0.8]))
    drawn = alone(roc(curve, auc, Confusion(3, 1, 1, 4), None, {name: curve}))
    assert max(edge for words, edge in right_edges(drawn) if words.startswith("Scanner")) <= 110


def test_hatching_is_more_than_one_stroke_a_bar() -> None:
    figure = go.Figure(go.Bar(x=[50], y=[4], width=10, marker={"color": SKY, "pattern": {"shape": "/"}}))
    hatched = sum(operator == "l" for operator, _ in alone(figure))
    figure.update_traces(marker={"pattern": {"shape": ""}})
    assert hatched - sum(operator == "l" for operator, _ in alone(figure)) > 10


def test_words_stay_on_the_page_even_in_wider_letters() -> None:
    page = page_of()
    long = pd.DataFrame(
        {"Compared with": ["a network by a very long name " * 4] * 50, **dict.fromkeys("abcd", "x " * 9)}
    )
    pdf = write_cohort_report(replace(page, tables={**page.tables, "Long": long}))
    for number, drawn in enumerate(drawing(pdf)):
        for words, edge in right_edges(drawn, bold="/F1"):
            assert edge <= 210 - 10, (number, words)


def test_a_table_that_fits_on_a_page_is_not_torn() -> None:
    page = page_of()
    rows = pd.DataFrame({"Part": [f"row {k}" for k in range(40)], "Scans": 1})
    for before in (1, 8, 15):
        tables = {"Before": rows[:before], "Kept": rows}
        pages = [
            one.extract_text() for one in PdfReader(BytesIO(write_cohort_report(replace(page, tables=tables)))).pages
        ]
        (holder,) = (text for text in pages if "Kept" in text)
        assert "row 0" in holder and "row 39" in holder


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (-0.01, 1.01, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-12, 53, [-10, 0, 10, 20, 30, 40, 50]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)
