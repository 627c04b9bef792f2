"""Values stand at the same millimetres on every grid."""

from __future__ import annotations

import numpy as np

from htcore.transforms import prepare
from htcore.transforms.reproject import map_on, uniform_grid, volume_on
from htcore.transforms.sampling import stack_from
from tests.phantom import head_hu, head_volume


def test_stack_gives_stored_values_at_pixel_centres() -> None:
    volume = head_volume(tilt_deg=18.5, gaps_mm=(4.0,) * 10 + (1.08,) + (7.0,) * 10, flip_columns=True)
    rng = np.random.default_rng(3)
    indices = np.stack([rng.integers(0, n, 500) for n in volume.shape], axis=-1)
    pixels = np.stack([indices[:, 2], indices[:, 1], np.zeros(500), np.ones(500)], axis=-1)
    points = np.einsum("nij,nj->ni", volume.affines[indices[:, 0], :3], pixels)
    got = stack_from(volume.hu, volume).sample(points, outside=-2000.0)
    assert np.abs(got - volume.hu[tuple(indices.T)]).max() < 0.05


def test_averaging_pixels_and_slices_keeps_positions() -> None:
    volume = head_volume(spacing_mm=0.75, gaps_mm=(1.0,) * 120)
    stack = stack_from(volume.hu, volume, pixel_mm=2.0, slice_mm=2.5)
    assert stack.values.shape == (60, 93, 80)
    inside = np.array([[0.0, 0.0, -30.0], [30.0, -20.0, -10.0], [-42.0, 20.0, 20.0], [42.0, 20.0, 20.0]])
    assert np.abs(stack.sample(inside, 0.0) - head_hu(inside)).max() < 3.0


def test_thick_slices_above_thin_ones_stay_as_they_are() -> None:
    """Sixty-one thin slices over the base, 0.625 mm apart, and 25 of 5 mm above."""
    volume = head_volume(spacing_mm=2.0, gaps_mm=(0.625,) * 60 + (5.0,) * 25)
    stack = stack_from(volume.hu, volume, slice_mm=2.5)
    assert len(stack.values) == 16 + 25
    np.testing.assert_array_equal(stack.values[-25:], volume.hu[-25:])
    np.testing.assert_allclose(stack.positions_mm[-25:], volume.positions_mm[-25:])


def test_beyond_the_scan_is_outside() -> None:
    volume = head_volume()
    points = np.array([[0.0, 0.0, 500.0], [0.0, 400.0, 0.0]])
    assert (stack_from(volume.hu, volume).sample(points, outside=-7.0) == -7.0).all()


def test_uniform_grid_shows_the_head_where_it_is() -> None:
    volume = head_volume(tilt_deg=15.0)
    grid = uniform_grid(volume, pixel_mm=2.0)
    hu = volume_on(volume, grid)
    assert hu.dtype == np.int16
    k = grid.shape[0] // 2
    truth = head_hu(grid.points_mm(k))
    brain = (truth > 0) & (truth < 60)
    assert np.median(np.abs(hu[k][brain] - truth[brain])) < 3.0


def test_a_map_and_the_scan_overlay_on_the_uniform_grid() -> None:
    volume = head_volume(yaw_deg=7.0)
    prepared = prepare(volume)
    grid = uniform_grid(volume, pixel_mm=4.0)
    brain = map_on(prepared.brain.astype(np.float32), prepared.grid, grid) > 0.5
    hu = volume_on(volume, grid)
    assert np.mean((hu[brain] > 0) & (hu[brain] < 60)) > 0.97
