from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from htcore.evaluation import Bootstrap, ValidationSet, operating_point
from htcore.types import ClinicalRisk, CovariateContribution, Finding, LesionMeasure, RegionContribution, RiskEstimate
from htcore.ui.words import (
    covariate_name,
    finding_sentence,
    joint_sentence,
    lesion_sentence,
    percent,
    plain,
    region_name,
    risk_sentence,
    timing_sentence,
    values_sentence,
)
from tests.ui.opened import refused, scored


def estimate(probability: float) -> RiskEstimate:
    return RiskEstimate(probability, (0.48, 0.74), "method", 0.5, 0.49, 0.0)


@pytest.mark.parametrize(
    ("probability", "text"), [(0.0, "under 1%"), (0.014, "1%"), (0.5, "50%"), (0.994, "over 99%"), (1.0, "over 99%")]
)
def test_percent_never_claims_certainty(probability: float, text: str) -> None:
    assert percent(probability) == text


def test_risk_sentence_counts_scans_and_says_simulated() -> None:
    sentence = risk_sentence(estimate(0.62), simulated=True)
    assert "of 100 simulated scans like this one" in sentence
    assert "about 62 go on to bleed (interval 48 to 74)" in sentence
    assert "above its threshold of 50%" in sentence
    assert "where 49 of 100 bleed in all" in sentence


def test_a_scan_whose_like_were_not_measured_is_not_told_as_one_of_a_hundred_like_it() -> None:
    sentence = risk_sentence(estimate(0.62), simulated=True, familiar=False)
    assert "of 100 simulated scans with this score, about 62" in sentence and "like this one" not in sentence


def test_risk_sentence_below_the_threshold_on_real_scans() -> None:
    sentence = risk_sentence(estimate(0.3), simulated=False)
    assert "below its threshold" in sentence
    assert "simulated" not in sentence


def test_calls_that_were_all_right_are_not_told_as_certain() -> None:
    labels = np.array([True] * 4 + [False] * 16 + [True] * 4)
    validation = ValidationSet(np.arange(24), labels, np.array([0.9] * 4 + [0.2] * 20))
    told = values_sentence(operating_point(Bootstrap(validation), 0.5, 0.27), simulated=False)
    assert "those called above the threshold over 99% (" in told and "over 99% (over 99%" not in told
    assert "specificity over 99% (79% to over 99%) on validation scans" in told


def test_lesion_sentence() -> None:
    assert lesion_sentence(LesionMeasure(42.4, "left", None)) == (
        "The model takes 42 mL for acute infarct, on the patient's left."
    )
    assert lesion_sentence(LesionMeasure(57.0, "left", None, 49.5, 7.5)) == (
        "The model takes 57 mL for acute infarct, of which 49 mL on the patient's left and 8 mL on the right."
    )
    assert lesion_sentence(LesionMeasure(10.0, "midline", None, 4.6, 5.4)).endswith(
        "of which 5 mL on the patient's right and 5 mL on the left."
    )
    # What is too little to tell stays untold.
    assert lesion_sentence(LesionMeasure(50.9, "right", None, 0.9, 50.0)).endswith("infarct, on the patient's right.")
    assert "less than 1 mL for acute infarct" in lesion_sentence(LesionMeasure(0.3, "right", None))
    assert "no acute infarct" in lesion_sentence(LesionMeasure(0.0, None, None))


def test_the_joint_risk_has_the_scans_interval_moved_along_and_names_what_is_known() -> None:
    # The scan has odds of 1, the joint risk of 3: 0.25 (odds 1/3) becomes 0.5, 0.75 (odds 3) becomes 0.9.
    risk = replace(estimate(0.5), interval=(0.25, 0.75))
    parts = (
        CovariateContribution("image", 0.0, 0.0),
        CovariateContribution("nihss", 14.0, 0.7),
        CovariateContribution("atrial_fibrillation", 1.0, 0.4),
        CovariateContribution("glucose_mmol_l", 6.5, 0.0),
    )
    sentence = joint_sentence(ClinicalRisk(0.75, 0.4, parts), risk, simulated=True)
    assert "75% (interval 50% to 90%" in sentence
    assert "has 40%. Fitted on simulated patients." in sentence
    assert joint_sentence(ClinicalRisk(0.75, 0.4, parts), risk, simulated=False).endswith("Fitted on patients.")
    assert "NIHSS 14 points, atrial fibrillation, glucose 6.5 mmol/L" in sentence
    assert covariate_name(CovariateContribution("atrial_fibrillation", 0.0, -0.1)) == "no atrial fibrillation"


def test_regions_have_the_names_of_a_report() -> None:
    named = [region_name(RegionContribution(name, "left", 0.1, None)) for name in ("I", "IC", "M5", "PCA")]
    assert named == ["left insula", "left internal capsule", "left M5", "left PCA territory"]


def test_timing_is_left_out_where_unknown() -> None:
    assert timing_sentence(scored()) == "Computed on cpu in 1.2 s."
    assert "in" not in timing_sentence(refused().__class__(refused().volume, refused().receipt, refused().quality))


def test_markdown_of_a_header_is_shown_and_not_obeyed() -> None:
    assert plain("![x](http://a)") == r"\!\[x\]\(http\://a\)"


def test_a_finding_with_a_place_names_the_slice_as_the_viewer_counts() -> None:
    volume = refused().volume
    place = tuple(float(value) for value in volume.centres_mm[6] + [12.0, 5.0, 1.0])
    finding = Finding("acute_blood", "refuse", "Blood.", place)
    assert volume.nearest_slice(place) == 6
    assert finding_sentence(finding, volume) == "Blood. Look at slice 7 of 10."
    assert finding_sentence(Finding("tilt", "info", "Tilted."), volume) == "Tilted."
