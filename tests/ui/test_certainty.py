from __future__ import annotations

from dataclasses import replace
from html import escape

import plotly.graph_objects as go
import pytest

from htcore.evaluation import Interval
from htcore.inference.peers import Peers
from htcore.plots import gauge
from htcore.types import RiskEstimate
from htcore.ui.words import interval_percent, mirror_sentence, peers_sentence, percent, risk_sentence


def number_of(figure: go.Figure) -> str:
    """What stands in the middle of the dial."""
    return str(next(figure.select_annotations({"name": "risk"})).text)


@pytest.mark.parametrize(
    ("probability", "interval", "prefix", "words"),
    [
        (0.9999, (0.998, 1.0), ">", "more than 99"),
        (0.0004, (0.0, 0.002), "<", "fewer than 1"),
        (0.6, (0.5, 0.7), "", "about 60"),
    ],
)
def test_no_risk_is_shown_as_none_or_certain(
    probability: float, interval: tuple[float, float], prefix: str, words: str
) -> None:
    risk = RiskEstimate(probability, interval, "", 0.5, 0.5, 0.0)
    figure = gauge(risk, 0.5)
    assert min(figure.data[0].gauge.steps[0].range) >= 0 and max(figure.data[0].gauge.steps[0].range) <= 100
    assert number_of(figure).startswith(escape(prefix)) and 1 <= figure.data[0].value <= 99
    sentence = risk_sentence(risk, simulated=True)
    assert words in sentence and "100 go" not in sentence and " 0 go" not in sentence


@pytest.mark.parametrize(
    ("probability", "interval", "number", "span", "band", "words"),
    [
        (0.998, (0.97, 0.9999), (">", 95), ">95%", (95, 100), "more than 95 go on to bleed (interval more than 95)"),
        (
            0.93,
            (0.88, 0.97),
            ("", 93),
            "88% to >95%",
            (88, 100),
            "about 93 go on to bleed (interval 88 to more than 95)",
        ),
        (
            0.01,
            (0.001, 0.09),
            ("<", 5),
            "<5% to 9%",
            (0, 9),
            "fewer than 5 go on to bleed (interval fewer than 5 to 9)",
        ),
    ],
)
def test_no_more_is_shown_than_the_calibration_supports(
    probability: float,
    interval: tuple[float, float],
    number: tuple[str, float],
    span: str,
    band: tuple[float, float],
    words: str,
) -> None:
    risk = RiskEstimate(probability, interval, "", 0.5, 0.5, 0.0, (0.05, 0.95))
    figure = gauge(risk, 0.5)
    dial = figure.data[0]
    assert number_of(figure) == f"{escape(number[0])}{number[1]:.0f}%" and dial.value == pytest.approx(number[1])
    assert dial.gauge.steps[0].range == pytest.approx(band)
    assert f"interval {span} " in figure.layout.annotations[1].text
    assert words in risk_sentence(risk, simulated=True)
    assert risk.probability == probability


def test_page_report_and_command_use_the_same_words() -> None:
    risk = RiskEstimate(0.998, (0.97, 0.9999), "", 0.5, 0.5, 0.0, (0.05, 0.95))
    assert percent(risk.probability, risk.limits) == interval_percent(risk) == "over 95%"
    assert interval_percent(replace(risk, interval=(0.4, 0.97))) == "40% to over 95%"
    assert mirror_sentence("left insula", risk, 0.38).endswith("over 95% → 38%.")


def test_what_was_observed_tells_no_risk_past_the_calibration() -> None:
    share = Interval(0.9, 0.8, 0.96)
    peers = Peers(0.95, 0.999, 40, 38, 36, share)
    assert "(risk over 93%)" in peers_sentence(peers, (0.07, 0.93), simulated=True)
    wider = replace(peers, low=0.88)
    assert "(risk 88% to over 93%)" in peers_sentence(wider, (0.07, 0.93), simulated=True)
