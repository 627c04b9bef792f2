"""Thin slices are averaged by the millimetre; even stacks by number."""

from __future__ import annotations

import numpy as np
import pytest

from htcore.slices import slice_groups


def positions(*slabs: tuple[int, float]) -> np.ndarray:
    """From 0 on, so many steps of so many millimetres."""
    return np.concatenate([[0.0], np.cumsum(np.repeat([step for _, step in slabs], [count for count, _ in slabs]))])


def sizes(positions_mm: np.ndarray, size: int) -> list[int]:
    groups = slice_groups(positions_mm, size)
    assert [one.start for one in groups[1:]] == [one.stop for one in groups[:-1]]
    return [one.stop - one.start for one in groups]


def test_an_even_stack_leaves_its_rest_out() -> None:
    assert sizes(positions((10, 0.625)), 4) == [4, 4]
    assert sizes(positions((10, 0.625)) + 0.02 * (np.arange(11) % 2), 4) == [4, 4]
    assert sizes(positions((3, 5.0)), 1) == [1, 1, 1, 1]


def test_thick_slices_above_thin_ones_stay_alone() -> None:
    assert sizes(positions((11, 0.625), (4, 5.0)), 4) == [4, 4, 4, 1, 1, 1, 1]


def test_a_rest_before_thick_slices_is_a_group() -> None:
    assert sizes(positions((9, 0.625), (4, 5.0)), 4) == [4, 4, 2, 1, 1, 1, 1]


def test_nothing_is_averaged_across_a_gap() -> None:
    assert sizes(positions((4, 1.0), (1, 20.0), (4, 1.0)), 2) == [2, 2, 1, 2, 2, 1]


def test_steps_in_between_count_by_their_millimetres() -> None:
    """Of 0.6 mm four make 2.4 mm, of 1.2 mm two."""
    assert sizes(positions((12, 0.6), (6, 1.2)), 4) == [4, 4, 4, 2, 2, 2, 1]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_slices_than_a_group(count: int) -> None:
    assert sizes(np.arange(count) * 0.5, 5) == [count]
