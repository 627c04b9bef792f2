from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from scipy.special import logit

from htcore.serialise import evidence_json, json_safe, prediction_json, quality_json
from htcore.types import (
    CanonicalGrid,
    ClinicalRisk,
    CovariateContribution,
    Evidence,
    Finding,
    LesionMeasure,
    QualityReport,
    RegionContribution,
    SliceContribution,
)
from htcore.ui.words import joint_sentence
from tests.ui.opened import scored


def test_a_findings_place_stands_beside_the_keys_of_the_contract() -> None:
    report = QualityReport(
        (Finding("acute_blood", "refuse", "Blood.", (1.5, -2.0, 3.0)), Finding("tilt", "info", "T."))
    )
    found = json.loads(json.dumps(json_safe(quality_json(report))))
    assert found == {
        "verdict": "refuse",
        "findings": [
            {"code": "acute_blood", "severity": "refuse", "message": "Blood.", "place_mm": [1.5, -2.0, 3.0]},
            {"code": "tilt", "severity": "info", "message": "T.", "place_mm": None},
        ],
    }


def test_the_evidences_regions_and_sides_stand_beside_the_keys_of_the_contract() -> None:
    empty = np.zeros((1, 2, 2), dtype=np.float32)
    evidence = Evidence(
        CanonicalGrid((1, 2, 2), np.eye(4)),
        empty,
        empty,
        (SliceContribution(0, 12.5, 0.25),),
        (RegionContribution("M2", "left", 0.75, 0.31), RegionContribution("C", "right", -0.5)),
        LesionMeasure(3.5, "left", (1.0, 2.0, 3.0), 2.5, 1.0),
        -0.125,
        sides_disagree=True,
    )
    assert json.loads(json.dumps(json_safe(evidence_json(evidence)))) == {
        "slices": [{"index": 0, "z_mm": 12.5, "contribution": 0.25}],
        "regions": [
            {"name": "M2", "side": "left", "contribution": 0.75, "probability_if_mirrored": 0.31},
            {"name": "C", "side": "right", "contribution": -0.5, "probability_if_mirrored": None},
        ],
        "lesion": {"volume_ml": 3.5, "side": "left", "peak_mm": [1.0, 2.0, 3.0], "left_ml": 2.5, "right_ml": 1.0},
        "bias": -0.125,
        "sides_disagree": True,
    }


def test_the_joint_risk_has_the_interval_that_page_and_report_tell() -> None:
    joint = ClinicalRisk(0.75, 0.4, (CovariateContribution("image", 0.5, 0.5),))
    opened = replace(scored(), clinical=joint)
    risk = opened.risk
    assert risk is not None
    found = prediction_json(opened)["clinical"]
    # All three move by as much in log-odds.
    moves = [logit(after) - logit(before) for before, after in zip(risk.interval, found["interval"], strict=True)]
    np.testing.assert_allclose(moves, logit(0.75) - logit(risk.probability))
    assert found["probability"] == 0.75
    assert f"interval {100 * found['interval'][0]:.0f}% to" in joint_sentence(joint, risk, simulated=True)
    assert prediction_json(scored())["clinical"] is None
