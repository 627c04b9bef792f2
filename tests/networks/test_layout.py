"""Slices in common: computed once for each surroundings, and found again."""

from __future__ import annotations

import torch

from htcore.networks.layout import SharedSlices, WholeScans


def test_what_is_seen_around_each_slice_is_that_of_the_whole_scans() -> None:
    slices = torch.arange(1.0, 6.0)[:, None, None, None]
    place = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 4], [2, 2, 2, 2]])
    shared, whole = SharedSlices(place), WholeScans(4)
    first = shared.keep(slices)
    x, volumes = slices, slices[place].flatten(0, 1)
    for _ in range(3):
        mine, its = shared.around(x), whole.around(volumes)
        for one, other in zip(mine, its, strict=True):
            torch.testing.assert_close(one[shared.place], other)
        x, volumes = (own + 10 * below + 100 * above for below, own, above in (mine, its))
        volumes = volumes.flatten(0, 1)
    torch.testing.assert_close(first()[shared.place].flatten(), slices[place].flatten())


def test_a_slice_is_told_apart_by_what_it_sees_and_no_further() -> None:
    shared = SharedSlices(torch.tensor([[0, 1, 2, 3, 4], [0, 1, 2, 3, 5]]))
    x = torch.zeros(6, 1, 1, 1)
    counts = []
    for _ in range(4):
        x = shared.around(x)[1]
        counts.append(len(x))
    assert counts == [7, 8, 9, 10]  # one more slice below the different one each time


def test_parts_are_put_together_in_order() -> None:
    x = torch.arange(200.0)[:, None]
    torch.testing.assert_close(SharedSlices(torch.arange(200)[None]).run(lambda a, b: a + b, x, x), 2 * x)
