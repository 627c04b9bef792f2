"""The grid on which every question is asked, and the way to it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from htcore.errors import StoppedError
from htcore.limits import limited
from htcore.quality.head import measure, where_mm
from tests.quality.painted import HEAD, points_mm, volume_of
from tests.studies import other


def test_places_of_pixels_slice_by_slice() -> None:
    volume = volume_of()
    truth = points_mm(volume)
    for k, places in where_mm(volume, lambda hu: hu > 900):
        np.testing.assert_allclose(places, truth[k][volume.hu[k] > 900], atol=1e-9)


def test_the_search_stops_between_two_slices() -> None:
    stop = threading.Event()
    with limited(60.0, stop), pytest.raises(StoppedError):
        for _ in where_mm(volume_of(), lambda hu: hu > 900):
            stop.set()


def test_the_nearest_place_on_the_grid() -> None:
    head = measure(volume_of())
    points = np.random.default_rng(0).uniform(-120.0, 120.0, (500, 3))
    local = points @ head.axes.T - head.corner_mm
    found = head.to_grid(points)
    np.testing.assert_array_equal(found[:, 0], np.abs(local[:, 2:] - head.z_mm).argmin(axis=1))
    assert (found >= 0).all() and (found < head.hu.shape).all()


def test_thick_slices_above_thin_ones_stay_alone() -> None:
    volume = volume_of(other(HEAD, slabs=((40, 1.0), (18, 6.0)), thickness_mm=1.0))
    assert measure(volume).z_mm[-17:] == pytest.approx(volume.positions_mm[-17:])
