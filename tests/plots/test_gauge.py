from __future__ import annotations

from dataclasses import replace

import pytest

from htcore.plots import gauge
from htcore.types import RiskEstimate

RISK = RiskEstimate(0.62, (0.48, 0.74), "made for this test", 0.5, 0.49, -0.1)


def test_gauge_is_in_percent_with_interval_threshold_and_prevalence() -> None:
    dial = gauge(RISK, 0.49).data[0]
    assert dial.value == pytest.approx(62)
    assert dial.gauge.threshold.value == pytest.approx(50)
    bands = {step.name: step.range for step in dial.gauge.steps}
    assert bands["interval"] == pytest.approx((48, 74))
    assert bands["prevalence"] == pytest.approx((48.5, 49.5))


def test_gauge_keeps_marks_on_the_dial() -> None:
    bands = {step.name: step.range for step in gauge(replace(RISK, probability=0.0), 0.0).data[0].gauge.steps}
    assert bands["prevalence"][0] == 0.0


def test_gauge_says_its_numbers_and_leaves_the_ground_clear() -> None:
    figure = gauge(RISK, 0.49)
    number, text = (note.text for note in figure.layout.annotations)
    assert number == "62%" and figure.data[0].mode == "gauge"
    assert "48% to 74%" in text and "threshold 50%" in text and "prevalence 49%" in text
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
