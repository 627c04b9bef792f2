"""Scans on the server's disk are scored from the cohort page, which goes on showing what it showed."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from htcore import dicom, services
from htcore.errors import CohortError
from htcore.limits import checkpoint
from htcore.services import RefusedScan, ScoredScan
from htcore.settings import Settings
from htcore.training.cohort import Cohort, CohortScan
from htcore.ui.cohort import scoring
from tests.evaluation.cohort import frame
from tests.pages.test_cohort import page_with, source, texts

SCORE_SCAN = services.score_scan
TABLE = frame(n_patients=40, seed=3).head(40)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A cohort of 40 scans, the third of which is refused; they are scored once the gate is open."""
    opened, by_id = threading.Event(), TABLE.set_index("scan_id")

    def scans(path: Path) -> Cohort:
        rows = zip(TABLE["patient_id"], TABLE["scan_id"], TABLE["ht"], strict=True)
        return Cohort(tuple(CohortScan(patient, scan, path, ht == 1) for patient, scan, ht in rows), False)

    def score(scan: CohortScan, row: int, bundle: Any, progress: Any) -> ScoredScan | RefusedScan:
        progress("reading", 0.0)
        opened.wait(30)
        progress("network", 0.6)
        if row == 4:
            return RefusedScan(scan.scan_id, "too_few_slices", "Only 2 slices.", row)
        risk = float(by_id.loc[scan.scan_id, "probability"])
        known = {"patient_id": scan.patient_id, "scan_id": scan.scan_id, "ht": int(scan.ht)}
        return ScoredScan(scan.scan_id, {**known, "probability": risk})

    monkeypatch.setattr(services, "labelled_cohorts", lambda: {"ward": Path("cohort.csv")})
    monkeypatch.setattr(services, "labelled_scans", scans)
    monkeypatch.setattr(services, "score_scan", score)
    return opened


def begin(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    page = page_with(monkeypatch, frame())
    next(button for button in page.button if button.label == "Score").click().run()
    assert not page.exception
    return page


def scoring_of(page: AppTest) -> scoring.Scoring:
    found: scoring.Scoring = page.session_state[scoring._SCORING]
    return found


def test_nothing_is_offered_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame())
    assert "Score" not in [button.label for button in page.button]


def test_scans_are_scored_and_shown_and_those_left_out_are_told_by_row(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    page = begin(monkeypatch)
    assert source(page).startswith("60 patients · 80 scans")
    gate.set()
    scoring_of(page).job.wait(20)
    page.run()
    assert not page.exception and not page.error
    assert source(page).startswith("39 patients · 39 scans")
    assert "source: real scans" in source(page) and "scored in this session" in source(page)
    told = texts(page)
    assert "1 of 40 scans were left out" in told and "trained on simulated scans alone" in told
    assert "SIMULATED scans" not in told and "never trained it" not in told
    rows = next(found.value for found in page.dataframe if "Why" in found.value.columns)
    assert rows.iloc[0].tolist() == [4, TABLE["scan_id"][2], "Only 2 slices."]
    next(button for button in page.button if "Back" in button.label).click().run()
    assert source(page).startswith("60 patients · 80 scans")


def test_cancel_is_quick_loses_nothing_and_can_go_on(monkeypatch: pytest.MonkeyPatch, gate: threading.Event) -> None:
    page = begin(monkeypatch)
    scoring, first = scoring_of(page), scoring_of(page).job
    started = time.perf_counter()
    first.stop()
    assert not first.running and time.perf_counter() - started < 0.5
    page.run()
    assert "Stopped." in texts(page) and source(page).startswith("60 patients · 80 scans")
    gate.set()
    first.wait(10)
    # The scan that was under way was left at its next stage, and the others were not begun.
    assert not scoring.outcomes
    kept = {"patient_id": "kept", "scan_id": TABLE["scan_id"][0], "ht": 1, "probability": 1.0}
    scoring.outcomes[TABLE["scan_id"][0]] = ScoredScan(TABLE["scan_id"][0], kept)
    next(button for button in page.button if button.label == "Go on").click().run()
    scoring.job.wait(20)
    page.run()
    assert scoring.outcomes[TABLE["scan_id"][0]].values["patient_id"] == "kept"  # type: ignore[union-attr]
    assert source(page).startswith("39 patients")


def test_cancel_stops_in_the_middle_of_a_scan(monkeypatch: pytest.MonkeyPatch, gate: threading.Event) -> None:
    """No stage ends and no scan: the scan that is read is left at its next slice, and is no scan left out."""
    begun, went_on = threading.Event(), list[str]()

    def read(path: Path, settings: Settings) -> None:
        begun.set()
        gate.wait(30)
        checkpoint()
        went_on.append("the next slice")

    monkeypatch.setattr(services, "score_scan", SCORE_SCAN)
    monkeypatch.setattr(dicom, "read_study", read)
    page = begin(monkeypatch)
    scoring = scoring_of(page)
    assert begun.wait(20)
    next(button for button in page.button if button.label == "Cancel").click().run()
    gate.set()
    scoring.job.wait(10)
    page.run()
    assert went_on == [] and scoring.outcomes == {}
    assert not page.exception and not page.error and "Stopped. 0 of 40 scans" in texts(page)


def test_a_table_that_cannot_be_used_is_told_and_the_page_stays(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    def broken(path: Path) -> None:
        raise CohortError("Cohort table, row 3: ht must be 0 or 1; correct it or delete the row.")

    monkeypatch.setattr(services, "labelled_scans", broken)
    page = begin(monkeypatch)
    scoring_of(page).job.wait(20)
    page.run()
    assert "row 3: ht must be" in page.error[0].value and "what it showed before" in page.error[0].value
    assert source(page).startswith("60 patients · 80 scans")
    page.button(key="dismiss-scoring").click().run()
    assert not page.error


def test_scans_whose_files_say_that_they_are_simulated_are_called_so(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    real = services.score_scan

    def score(*given: Any, **named: Any) -> ScoredScan | RefusedScan:
        found = real(*given, **named)
        return replace(found, simulated=True) if isinstance(found, ScoredScan) else found

    monkeypatch.setattr(services, "score_scan", score)
    gate.set()
    page = begin(monkeypatch)
    scoring_of(page).job.wait(20)
    page.run()
    assert "SIMULATED" in source(page) and "39 patients" in source(page)
