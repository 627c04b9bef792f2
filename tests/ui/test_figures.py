from __future__ import annotations

import math

import pytest

from htcore.ui.figures import difference, listed, p_cell, p_words, share, with_interval, with_minus


@pytest.mark.parametrize(
    ("p_value", "cell", "words"),
    [
        (1.3e-19, "< 0.001", "p < 0.001"),
        (0.0, "< 0.001", "p < 0.001"),
        (0.00999, "0.010", "p = 0.010"),
        (0.0508, "0.051", "p = 0.051"),
        (0.2764, "0.28", "p = 0.28"),
        (math.nan, "not available", "p = not available"),
    ],
)
def test_p_values(p_value: float, cell: str, words: str) -> None:
    assert p_cell(p_value) == cell and p_words(p_value) == words


def test_figures_with_and_without_intervals() -> None:
    assert with_interval(0.6859, 0.6381, 0.7337) == "0.686 (0.638 to 0.734)"
    assert with_interval(0.6859, math.nan, math.nan) == "0.686"
    assert with_interval(-0.158, -0.377, 0.063) == "−0.158 (−0.377 to 0.063)"
    assert with_interval(math.nan, 0.1, 0.2) == "not available"
    assert difference(-0.0642) == "−0.064" and difference(0.0071, -0.006, 0.019) == "+0.007 (−0.006 to +0.019)"
    assert difference(math.nan) == "not available"
    assert share(0.294, 0.243, 0.352) == "29% (24 to 35%)"


def test_words_in_a_row() -> None:
    assert [listed(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("turned by yaw -15°", "turned by yaw −15°"),
        ("-3 HU", "−3 HU"),
        ("2-3 mm, x-1, follow-up", "2-3 mm, x-1, follow-up"),
    ],
)
def test_a_minus_is_told_from_a_hyphen(text: str, shown: str) -> None:
    assert with_minus(text) == shown
