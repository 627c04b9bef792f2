from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from htcore.types import EVIDENCE_TOP, Finding, QualityReport
from htcore.ui.notice import RESEARCH_NOTICE
from htcore.ui.viewer.description import SliceMarks, describe, marks, telling_slices
from tests.ui.opened import refused, scored, small_volume


def affine(column: tuple[float, float, float], row: tuple[float, float, float]) -> np.ndarray:
    out = np.eye(4)
    out[:3, 0], out[:3, 1] = column, row
    out[:3, 2] = np.cross(column, row)
    return out


@pytest.mark.parametrize(
    ("column", "row", "expected"),
    [
        ((0.5, 0, 0), (0, 0.5, 0), SliceMarks("R", "L", "A", "P")),
        ((-0.5, 0, 0), (0, 0.5, 0), SliceMarks("L", "R", "A", "P")),
        ((-0.5, 0, 0), (0, -0.5, 0), SliceMarks("L", "R", "P", "A")),
        ((0.5, 0, 0), (0, 0.47, -0.16), SliceMarks("R", "L", "A", "P")),
        ((0, 0.5, 0), (0, 0, -0.5), SliceMarks("A", "P", "H", "F")),
    ],
)
def test_marks_name_the_patients_sides(
    column: tuple[float, float, float], row: tuple[float, float, float], expected: SliceMarks
) -> None:
    assert marks(affine(column, row)) == expected


def test_marks_follow_a_mirrored_acquisition() -> None:
    assert marks(small_volume().affines[0]).right == "L"
    assert marks(small_volume(flip_columns=True).affines[0]).right == "R"


def test_starts_at_the_slice_that_moves_the_logit_most() -> None:
    assert telling_slices(scored().evidence) == (7, 3, 5)
    assert describe(scored())["start"] == 7


def test_refused_study_starts_in_the_middle_without_scale_or_contributions() -> None:
    out = describe(refused())
    assert (out["start"], out["telling"], out["scale"]) == (5, [], None)
    assert {entry["contribution"] for entry in out["slices"]} == {None}


def test_one_scale_serves_all_studies() -> None:
    opened = scored()
    assert opened.evidence is not None
    faint = replace(opened, evidence=replace(opened.evidence, evidence_map=opened.evidence.evidence_map / 100))
    assert describe(opened)["scale"] == describe(faint)["scale"] == {"evidence": EVIDENCE_TOP}


def test_the_notice_is_the_models() -> None:
    opened = scored()
    assert describe(opened)["notice"] == RESEARCH_NOTICE
    assert opened.model is not None
    other = replace(opened.model, simulated=False, training_data="300 scans of one hospital")
    assert describe(replace(opened, model=other))["notice"].endswith("trained on 300 scans of one hospital")


def test_nothing_is_said_of_weights_while_none_have_scored_the_scan() -> None:
    before = replace(scored(), risk=None, evidence=None, model=None)
    assert describe(before)["notice"] == describe(refused())["notice"] == "Research use only"


def test_description_is_json_with_one_entry_a_slice() -> None:
    out = json.loads(json.dumps(describe(scored())))
    assert out["shape"] == [10, 35, 30]
    assert out["pixel_mm"] == [6.0, 6.0]
    assert [entry["z_mm"] for entry in out["slices"]] == [-54.0 + 12 * k for k in range(10)]
    assert out["slices"][3]["contribution"] == 0.4


def test_a_refused_scan_opens_where_the_finding_lies() -> None:
    opened = refused()
    assert describe(opened)["start"] == 5
    place = tuple(float(value) for value in opened.volume.centres_mm[8])
    findings = (
        Finding("metal", "warn", "Metal.", tuple(float(value) for value in opened.volume.centres_mm[1])),
        Finding("acute_blood", "refuse", "Blood.", place),
    )
    assert describe(replace(opened, quality=QualityReport(findings)))["start"] == 8
