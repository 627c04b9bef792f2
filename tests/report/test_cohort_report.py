"""The cohort page on paper: every chart and table, and the notice on each page."""

from __future__ import annotations

import re
import zlib
from datetime import datetime

import pytest

from htcore.evaluation import operating_point
from htcore.report import write_cohort_report
from htcore.report.charts import ticks
from htcore.types import ModelIdentity
from htcore.ui.cohort_data import Cohort, measure
from htcore.ui.cohort_whole import WholePage, whole_page
from htcore.ui.cohort_words import shown
from tests.evaluation.cohort import frame

MODEL = ModelIdentity("test-model", "ab" * 32, "simulated cohort", simulated=True)


def page_of(simulated: bool | None = True) -> WholePage:
    table = frame()
    scores = table[["scan_id"]].assign(**{"Age alone": table["age"]}).to_csv(index=False).encode()
    measured = measure(table, scores)
    model = MODEL if simulated else None
    cohort = Cohort(table, "k" * 64, model, True, 0.4, stored=bool(simulated), simulated=simulated)
    point = operating_point(measured.bootstrap, 0.4)
    return whole_page(cohort, measured, point, ("age 60 to 80 years",), None, datetime(2026, 11, 28, 12, 0))


def texts(pdf: bytes) -> str:
    """The words that the PDF draws, in their order, one line a piece."""
    words = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, flags=re.DOTALL):
        try:
            drawn = zlib.decompress(stream)
        except zlib.error:
            continue
        words += re.findall(rb"\((.*?)(?<!\\)\) Tj", drawn, flags=re.DOTALL)
    return "\n".join(word.decode("cp1252").replace("\\(", "(").replace("\\)", ")") for word in words)


def test_the_pdf_holds_what_the_page_holds() -> None:
    page = page_of()
    pdf = write_cohort_report(page)
    told = texts(pdf).replace("\n", " ")
    assert pdf.startswith(b"%PDF")
    for name in (*page.tables, *page.charts):
        assert name in told, name
    for rows in page.tables.values():
        assert str(rows.iloc[-1, 1]).split(" (")[0] in told
    assert "Age alone" in told and "2026-11-28 12:00" in told and "age 60 to 80 years" in told
    assert shown("brier", measure(frame()).bootstrap.fixed["brier"]) in told
    pages = len(re.findall(rb"/Type /Page\b", pdf))
    assert told.count(f"of {pages}.") == pages >= 2
    assert told.count("SIMULATED") >= pages


def test_a_file_of_unknown_source_is_called_so() -> None:
    told = texts(write_cohort_report(page_of(None)))
    assert "source not known" in told and "SIMULATED" not in told


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
