from __future__ import annotations

import pytest

from htcore.plots.waterfall import MAX_STEPS, waterfall


def test_steps_are_ranked_and_end_in_their_sum() -> None:
    bars = waterfall(
        [("left insula", 0.2), ("left M5", -0.5), ("right M1", 0.1), ("left M6", -0.001)], "together"
    ).data[0]
    assert list(bars.y) == ["left M5", "left insula", "right M1", "left M6", "together"]
    assert list(bars.x) == pytest.approx([-0.5, 0.2, 0.1, -0.001, -0.201])
    assert list(bars.measure) == ["relative"] * 4 + ["total"]
    assert list(bars.text) == ["−0.50", "+0.20", "+0.10", "0", "−0.20"]


def test_small_regions_are_one_step_and_nothing_is_lost() -> None:
    bars = waterfall([(f"region {k}", 1.0 / (k + 1)) for k in range(20)]).data[0]
    assert len(bars.y) == MAX_STEPS + 1 and set(bars.measure) == {"relative"}
    assert bars.y[MAX_STEPS] == "12 other regions"
    assert sum(bars.x) == pytest.approx(sum(1.0 / (k + 1) for k in range(20)))
