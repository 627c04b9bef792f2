from __future__ import annotations

import numpy as np

from htcore.evaluation import ValidationSet
from htcore.plots.place import place_among

SET = ValidationSet(np.arange(5), np.array([True, True, False, False, False]), np.array([0.62, 1.0, 0.0, 0.11, 0.12]))


def test_scans_stand_in_their_step_by_outcome() -> None:
    figure = place_among(SET, 0.62, 0.5, simulated=True)
    bled, free = figure.data[0], figure.data[1]
    assert {x: y for x, y in zip(bled.x, bled.y, strict=True) if y} == {62.5: 1, 97.5: 1}
    assert {x: y for x, y in zip(free.x, free.y, strict=True) if y} == {2.5: -1, 12.5: -2}
    assert (bled.name, free.name) == ("bled (2)", "did not bleed (3)")
    assert "Simulated" in figure.layout.yaxis.title.text


def test_the_scan_and_the_threshold_are_marked_and_stay_on_the_axis() -> None:
    marks = [shape.x0 for shape in place_among(SET, 1.0, 0.5, simulated=False).layout.shapes]
    assert marks == [50, 99]
