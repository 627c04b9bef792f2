from __future__ import annotations

import io
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from pypdf import PdfReader

from htcore.errors import RefusedError
from htcore.report import write_report
from htcore.report.page import printable
from htcore.report.pictures import colour_bar, colours, key_slices, overlaid, windowed
from htcore.types import EVIDENCE_TOP, Assessment, ClinicalRisk, CovariateContribution, Finding, QualityReport
from tests.ui.opened import refused, scored

DAY = date(2024, 3, 5)


def read(assessment: Assessment) -> tuple[str, PdfReader]:
    reader = PdfReader(io.BytesIO(write_report(assessment, DAY)))
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split()), reader


def test_one_page_says_what_was_found_by_which_model_on_which_input() -> None:
    text, reader = read(scored())
    assert len(reader.pages) == 1
    for expected in (
        "62% Interval 48% to 74%",
        "Threshold 50%: above threshold",
        "where 49 of 100 bleed in all",
        "42 mL for acute infarct, on the patient's left",
        "left insula: +0.31",
        "Warnings about this scan",
        "Slices are thick.",
        "Model test-model",
        "ab" * 32,
        "c0ffee" * 10,
        "05 March 2024",
        "Computed on cpu",
        "Research use only · weights trained on simulated scans. Not a medical device.",
        "Simulated study: no real patient",
        "what moved the model, not where it will bleed",
    ):
        assert expected in text, expected
    # Warnings belong to the risk, and stand before whatever else is told.
    assert text.index("62% Interval") < text.index("Slices are thick.") < text.index("mL for acute infarct")


def test_three_key_slices_are_there_twice_with_their_sides_and_the_scale() -> None:
    text, reader = read(scored())
    drawn = reader.pages[0].get_contents()
    assert drawn is not None and drawn.get_data().count(b" Do") == 7
    for index, evidence in ((8, "\u20130.90"), (4, "+0.40"), (6, "+0.30")):
        assert f"Slice {index} of 10" in text and f"evidence {evidence}" in text
    words = text.split()
    assert words.count("R") == 6 and words.count("L") == 6
    assert ">= +0.050" in text and "<= \u20130.050" in text
    assert "Log-odds per mL, on one scale for all scans" in text


def test_a_real_scan_scored_by_a_simulated_model_says_so() -> None:
    opened = scored()
    text, _ = read(replace(opened, receipt=replace(opened.receipt, simulated=False)))
    assert "a demonstration, not an estimate" in text and "no real patient" not in text


def test_many_findings_stay_on_the_page() -> None:
    findings = tuple(Finding(f"f{k}", "warn", f"Finding {k}: " + "many words " * 30) for k in range(40))
    text, reader = read(replace(scored(), quality=QualityReport(findings)))
    assert len(reader.pages) == 1
    assert "Finding 0:" in text and "Finding 39:" not in text
    assert "more: see the dashboard" in text
    assert "Input SHA-256" in text


def test_an_unfamiliar_scan_is_not_counted_among_its_like() -> None:
    opened = scored()
    warned = QualityReport((*opened.quality.findings, Finding("unfamiliar", "warn", "It looks unusual.")))
    assert "of 100 simulated scans with this score" in read(replace(opened, quality=warned))[0]
    assert "of 100 simulated scans like this one" in read(opened)[0]


def test_the_joint_risk_has_a_heading_of_its_own_and_says_on_whom_it_was_fitted() -> None:
    parts = (CovariateContribution("image", -0.1, 0.2), CovariateContribution("nihss", 14.0, 0.7))
    text, _ = read(replace(scored(), clinical=ClinicalRisk(0.75, 0.4, parts)))
    at = text.index("With clinical data Image and clinical data together: 75%")
    assert text.index("Slices are thick.") < at < text.index("Fitted on simulated patients.") < text.index("Lesion The")
    assert "With clinical data" not in read(scored())[0]


def test_a_refused_scan_has_no_report() -> None:
    with pytest.raises(RefusedError, match="nothing to report"):
        write_report(refused(), DAY)


def test_other_letters_do_not_stop_the_report() -> None:
    assert printable("−5 HU ≤ 3 mm – “ok” 漢") == "–5 HU <= 3 mm – “ok” ?"


def test_sides_follow_the_geometry() -> None:
    assert {(one.marks.left, one.marks.right) for one in key_slices(scored())} == {("R", "L")}


def test_the_colours_mean_the_same_on_every_scan() -> None:
    opened = scored()
    evidence = opened.evidence
    assert evidence is not None

    def change(per_ml: float) -> int:
        """By how much evidence of this size everywhere colours a key slice."""
        everywhere = replace(evidence, evidence_map=np.full_like(evidence.evidence_map, per_ml))
        entry = key_slices(replace(opened, evidence=everywhere))[0]
        return int(np.abs(entry.mapped.astype(int) - entry.plain).max())

    assert change(0.0) == 0
    assert change(EVIDENCE_TOP / 100) < change(EVIDENCE_TOP / 5) < change(EVIDENCE_TOP) == change(10 * EVIDENCE_TOP)


def test_colours_stop_at_the_ends_of_the_scale() -> None:
    grey = np.full((1, 3, 3), 100, dtype=np.uint8)
    out = overlaid(grey, np.array([[0.0, 1.0, -1.0]]))
    assert out[0, 0].tolist() == [100, 100, 100]
    assert out[0, 1].tolist() == [182, 80, 31]  # 0.3 of grey and 0.7 of (217, 72, 1)
    assert out[0, 2, 2] > out[0, 2, 0]
    assert colours(np.array([5.0]))[0].tolist() == [217, 72, 1]
    bar = colour_bar()
    assert bar[0, 0, 2] > bar[0, 0, 0] and bar[0, -1, 0] > bar[0, -1, 2]


def test_the_stroke_window() -> None:
    assert windowed(np.array([[-1024, 20, 40, 60, 3000]], dtype=np.int16))[0, :, 0].tolist() == [0, 0, 128, 255, 255]
