from __future__ import annotations

import math

import pytest

from htcore.evaluation import Interval
from htcore.plots.learning_curve import LearningPoint, learning_curve, loss_curve


def test_points_carry_their_intervals_and_are_not_joined() -> None:
    points = [LearningPoint(100, Interval(0.62, 0.57, 0.68)), LearningPoint(400, Interval(0.7, 0.66, 0.74))]
    figure = learning_curve(points, 0.9)
    dots, chance, best = figure.data
    assert dots.mode == "markers" and list(dots.x) == [100, 400]
    assert list(dots.error_y.array) == pytest.approx([0.06, 0.04])
    assert list(dots.error_y.arrayminus) == pytest.approx([0.05, 0.04])
    assert list(chance.y) == [0.5, 0.5] and list(best.y) == [0.9, 0.9] and "0.900" in best.name
    assert figure.layout.xaxis.type == "log" and "Patients learnt from" in figure.layout.xaxis.title.text
    assert min(best.x) < 100 and max(best.x) > 400


def test_kinds_look_apart_and_an_unknown_best_draws_no_line() -> None:
    unknown = Interval(0.7, math.nan, math.nan)
    figure = learning_curve([LearningPoint(100, unknown, "epochs 6"), LearningPoint(100, unknown, "epochs 20")], None)
    short, long, chance = figure.data
    assert (short.name, long.name) == ("epochs 6", "epochs 20")
    assert short.marker.symbol != long.marker.symbol and short.marker.color != long.marker.color
    assert "chance" in chance.name


def test_losses_are_drawn_over_their_own_epochs() -> None:
    figure = loss_curve({"training scans": ([1, 2, 3], [0.9, 0.8, 0.7]), "others": ([2, 3], [0.95, 0.9])})
    first, second = figure.data
    assert list(first.x) == [1, 2, 3] and list(second.x) == [2, 3] and list(second.y) == [0.95, 0.9]
    assert figure.layout.yaxis.rangemode is None and figure.layout.xaxis.title.text == "Epoch"
