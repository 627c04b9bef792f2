from __future__ import annotations

import pytest

from htcore.plots import gauge
from htcore.types import RiskEstimate
from htcore.ui.words import risk_sentence


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
    assert figure.data[0].number.prefix == prefix and 1 <= figure.data[0].value <= 99
    sentence = risk_sentence(risk, simulated=True)
    assert words in sentence and " 100 go" not in sentence and " 0 go" not in sentence
