from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from htcore.errors import CohortError
from htcore.evaluation.delong import delong_difference, delong_interval, delong_variance


def _direct(labels: NDArray[np.bool_], first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """Difference and variance by DeLong's own formulas, pair by pair: psi and the covariances S10, S01."""
    scores = np.stack([first, second])
    positives, negatives = scores[:, labels], scores[:, ~labels]
    m, n = positives.shape[1], negatives.shape[1]
    psi = np.zeros((2, m, n))
    for r, i, j in product(range(2), range(m), range(n)):
        x, y = positives[r, i], negatives[r, j]
        psi[r, i, j] = 1.0 if x > y else 0.5 if x == y else 0.0
    s10, s01 = np.cov(psi.mean(axis=2)), np.cov(psi.mean(axis=1))
    contrast = np.array([1.0, -1.0])
    variance = contrast @ (s10 / m + s01 / n) @ contrast
    return float(psi.mean(axis=(1, 2)) @ contrast), float(variance)


def test_difference_equals_the_formulas_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(60) < 0.4
    common = rng.normal(0, 1, 60) + labels
    first = np.round(common + rng.normal(0, 0.5, 60), 1)  # rounded: ties
    second = np.round(common + rng.normal(0, 1.5, 60), 1)
    value, variance = _direct(labels, first, second)
    found = delong_difference(labels, first, second)
    assert found.difference.value == pytest.approx(value)
    assert found.difference.high - found.difference.value == pytest.approx(1.959964 * variance**0.5)
    assert 0 < found.p_value < 1


def test_the_variance_of_one_area_equals_the_formulas_of_the_paper() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(50) < 8  # few with, many without: either count has its own place
    score = np.round(rng.normal(0, 1, 50) + labels, 1)
    # Against a score that says nothing, which varies not at all.
    value, variance = _direct(labels, score, np.zeros(50))
    assert delong_variance(labels, score) == pytest.approx((value + 0.5, variance))


def test_a_score_does_not_differ_from_itself_or_its_order() -> None:
    labels = np.array([True, False, True, False, True, False])
    score = np.array([0.9, 0.2, 0.4, 0.5, 0.7, 0.1])
    same = delong_difference(labels, score, np.exp(3 * score))
    assert (same.difference.value, same.p_value) == (0.0, 1.0)


def test_chance_against_skill_is_seen_and_two_chances_are_not() -> None:
    rng = np.random.default_rng(3)
    labels = rng.random(400) < 0.5
    skill = labels + rng.normal(0, 1, 400)
    chance, other = rng.random((2, 400))
    assert delong_difference(labels, skill, chance).p_value < 1e-6
    assert delong_difference(labels, chance, other).p_value > 0.01


def test_hand_worked_auc_and_too_few_scans() -> None:
    labels = np.array([True, True, False, False])
    # Pairs: (3 > 2), (3 > 1), (1.5 < 2), (1.5 > 1): three of four.
    area, variance = delong_variance(labels, np.array([3.0, 1.5, 2.0, 1.0]))
    assert area == 0.75
    # Placements 1, 0.5 and 0.5, 1: each of variance 1/8, over two scans.
    assert variance == pytest.approx(0.125)
    for call in (
        lambda: delong_variance(labels[1:], np.ones(3)),
        lambda: delong_difference(labels[1:], *np.ones((2, 3))),
    ):
        with pytest.raises(CohortError) as caught:
            call()
        assert caught.value.code == "one_class"


def test_perfect_ranking_has_the_exact_interval_of_so_many_pairs() -> None:
    # Ten disjoint pairs, all in order: Clopper and Pearson's 10 of 10 is 69.2% to 100%.
    labels = np.repeat([True, False], [10, 30])
    found = delong_interval(labels, labels.astype(np.float64))
    assert (found.value, found.high) == (1.0, 1.0) and found.low == pytest.approx(0.692, abs=5e-4)
    reverse = delong_interval(labels, 1 - labels.astype(np.float64))
    assert (reverse.value, reverse.low) == (0.0, 0.0) and reverse.high == pytest.approx(0.308, abs=5e-4)
