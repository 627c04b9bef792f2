from __future__ import annotations

import pytest

from htcore.types import Finding, LesionMeasure, RiskEstimate
from htcore.ui.words import finding_sentence, lesion_sentence, percent, plain, risk_sentence, timing_sentence
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
    assert "Of 100 simulated scans" in sentence
    assert "about 62 go on to bleed (interval 48 to 74)" in sentence
    assert "above the threshold of 50%" in sentence
    assert "where 49 of 100 bleed in all" in sentence


def test_risk_sentence_below_the_threshold_on_real_scans() -> None:
    sentence = risk_sentence(estimate(0.3), simulated=False)
    assert "below the threshold" in sentence
    assert "simulated" not in sentence


def test_lesion_sentence() -> None:
    assert lesion_sentence(LesionMeasure(42.4, "left", None)) == (
        "The model sees 42 mL of acute infarct, on the patient's left."
    )
    assert "no acute infarct" in lesion_sentence(LesionMeasure(0.0, None, None))


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
