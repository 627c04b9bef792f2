"""The cohort page as files: what people take along says whose figures they are, and what bounds them."""

from __future__ import annotations

from io import StringIO

import pandas as pd
import pytest

from htcore.evaluation import case_table, operating_point
from htcore.training.card import CAVEATS
from htcore.ui.cohort.data import Cohort, measure
from htcore.ui.cohort.report import cases_csv, figures_csv, report_html, roc_csv, subgroups_csv
from htcore.ui.cohort.whole import whole_page
from htcore.ui.cohort.words import shown, warning_sentences
from tests.evaluation.cohort import frame
from tests.pages.test_cohort import BARE, MODEL


def test_downloads_carry_figures_and_source() -> None:
    table = frame()
    cohort, measured = Cohort(table, "k" * 64, MODEL, "validation", 0.4, simulated=True), measure(table)
    point = operating_point(measured.bootstrap, 0.4, 0.2)
    written = pd.read_csv(StringIO(figures_csv(cohort, measured, point, ("age 60 to 80 years",))))
    by_name = written.set_index("metric")
    assert by_name.loc["auc", "value"] == pytest.approx(measured.bootstrap.auc().value)
    assert by_name.loc["ppv", "low"] == pytest.approx(point.figures["ppv"].low)
    assert set(written["scans"]) == {"simulated"} and set(written["threshold"]) == {0.4}
    assert set(written["prevalence_of_predictive_values"]) == {0.2} and set(written["filters"]) == {
        "age 60 to 80 years"
    }
    parts = pd.read_csv(StringIO(subgroups_csv(cohort, measured)))
    assert parts["n_scans"].tolist() == [part.n_scans for part in measured.subgroups]


def test_every_table_says_of_which_scans_and_model_it_is() -> None:
    table, filters = frame(), ("age 60 to 80 years", "slice thickness 1 to 3 mm")
    cohort, measured = Cohort(table, "k" * 64, MODEL, "validation", 0.4, simulated=True), measure(table)
    rows = case_table(table, 0.4)
    cases = pd.read_csv(StringIO(cases_csv(rows, cohort, measured, 0.4, filters)))
    assert cases["scan_id"].tolist() == table["scan_id"].tolist() and set(cases["threshold"]) == {0.4}
    curve = pd.read_csv(StringIO(roc_csv(cohort, measured, filters)))
    assert len(curve) == measured.curve.thresholds.size
    parts = pd.read_csv(StringIO(subgroups_csv(cohort, measured, filters)))
    for written in (cases, curve, parts):
        for name, value in (("filters", "; ".join(filters)), ("model", MODEL.id), ("scans", "simulated")):
            assert set(written[name]) == {value}
        assert set(written["weights_sha256"]) == {MODEL.weights_sha256}
    for written in (cases, curve):
        assert set(written["n_scans"]) == {80} and set(written["n_patients"]) == {60}


@pytest.mark.parametrize(
    ("part", "stored", "n_patients", "words"),
    [
        ("validation", True, 60, "say nothing about how well the model does on real patients"),
        ("calibration", True, 60, "fitted on these same patients, so the figures flatter the model"),
        ("out-of-fold", True, 60, CAVEATS["out-of-fold"]),
        (None, False, 60, "Fair only if none of these patients trained or calibrated the model"),
        ("validation", True, 12, "the intervals are unsteady"),
    ],
)
def test_what_bounds_the_figures_goes_with_them(part: str | None, stored: bool, n_patients: int, words: str) -> None:
    table = frame(n_patients=n_patients)
    cohort = Cohort(table, "k" * 64, MODEL, part, 0.4, stored=stored, simulated=True)
    measured = measure(table)
    point = operating_point(measured.bootstrap, 0.4)
    assert sum(words in sentence for sentence in warning_sentences(cohort, measured)) == 1
    page = whole_page(cohort, measured, point, (), None)
    assert any(words in text for text in page.words)
    written = pd.read_csv(StringIO(figures_csv(cohort, measured, point)))
    assert written["warnings"].str.contains(words, regex=False).all()


def test_report_is_one_file_with_notice_model_date_and_the_pages_figures() -> None:
    table = frame()
    cohort, measured = Cohort(table, "k" * 64, MODEL, "validation", 0.4, simulated=True), measure(table)
    point = operating_point(measured.bootstrap, 0.4)
    page = report_html(whole_page(cohort, measured, point, ("age <60>",), None))
    for words in ("Research use only", "SIMULATED", "test-model", "ab" * 32, "age &lt;60&gt;", "Not comparable"):
        assert words in page, words
    assert shown("sensitivity", point.figures["sensitivity"]) in page
    assert page.count("Plotly.newPlot(") == page.count('"showSendToCloud": false') == 7
    head = page[: page.index("<script")]
    assert "<script src=" not in page and "<link" not in head
    measured = measure(table[BARE])
    own = Cohort(measured.table, "k" * 64, None, None, 0.5, stored=False)
    page = report_html(whole_page(own, measured, operating_point(measured.bootstrap, 0.5), (), None))
    assert "source not known" in page and "SIMULATED" not in page
