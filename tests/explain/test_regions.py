"""Where the regions lie: drawn right in MNI space, laid on a scan by its brain, left and right alike."""

from __future__ import annotations

import numpy as np
import pytest

from htcore.explain.regions import ASPECTS, OUTSIDE, REGIONS, draw, fit_head, region_labels
from htcore.types import CanonicalGrid
from tests.explain.test_evidence import grid

SHAPE = (30, 48, 40)


def ellipsoid(half_width_mm: float = 68.0, half_length_mm: float = 84.0, half_height_mm: float = 72.0) -> np.ndarray:
    """A head on the test grid, its vertex near the last slice as ``prepare`` puts it."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    x, y, z = (i - 19.5) * 4.0, (j - 23.5) * 4.0, (k - 29.0) * 5.0 + half_height_mm
    return (x / half_width_mm) ** 2 + (y / half_length_mm) ** 2 + (z / half_height_mm) ** 2 <= 1


def name_at(lateral: float, y: float, z: float) -> str:
    index = int(draw(*(np.array([value], dtype=np.float64) for value in (lateral, y, z)))[0])
    return "" if index == OUTSIDE else REGIONS[index]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ((12, 16, 6), "C"),  # head of the caudate
        ((27, 4, 2), "L"),  # putamen
        ((17, -4, 8), "IC"),  # genu and beginning of the posterior limb
        ((38, 4, 2), "I"),
        ((45, 35, 5), "M1"),  # frontal operculum
        ((58, -8, -2), "M2"),  # temporal lobe beside the insula
        ((55, -45, 8), "M3"),
        ((38, 35, 38), "M4"),
        ((45, -8, 45), "M5"),
        ((42, -50, 45), "M6"),
        ((6, 50, 15), "ACA"),
        ((8, -85, 5), "PCA"),  # calcarine cortex
        ((10, -18, 8), "PCA"),  # thalamus
        ((25, -65, -40), "cerebellum"),
        ((4, -28, -30), "brainstem"),  # pons
    ],
)
def test_landmarks_have_their_names(place: tuple[float, float, float], name: str) -> None:
    assert name_at(*place) == name


def test_the_deep_regions_lie_where_the_average_brain_has_grey_and_white_matter() -> None:
    from nilearn import datasets

    grey, white = (
        np.asarray(load(resolution=2).dataobj)
        for load in (datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)
    )
    affine = datasets.load_mni152_gm_template(resolution=2).affine
    x, y, z = (affine[a, 3] + affine[a, a] * np.arange(grey.shape[a]) for a in range(3))
    labels = draw(np.abs(x)[:, None, None], y[None, :, None], z[None, None, :])
    share = {
        name: grey[labels == REGIONS.index(name)].sum() / (grey + white)[labels == REGIONS.index(name)].sum()
        for name in ("C", "L", "I", "IC")
    }
    assert share["IC"] < 0.4 and min(share["C"], share["I"]) > 0.6, share
    assert share["L"] > share["IC"] + 0.15, share


def test_every_voxel_of_brain_has_a_region_and_both_sides_are_alike() -> None:
    brain = ellipsoid()
    brain[12, 20, 3:8] = False  # a bite out of one side
    labels = region_labels(brain, grid())
    assert set(np.unique(labels)) == {OUTSIDE, *range(len(REGIONS))}
    np.testing.assert_array_equal(labels, labels[..., ::-1])
    np.testing.assert_array_equal(labels != OUTSIDE, brain | brain[..., ::-1])


def test_a_scan_without_brain_has_no_region() -> None:
    assert (region_labels(np.zeros(SHAPE, dtype=np.bool_), grid()) == OUTSIDE).all()


def test_the_fit_follows_the_heads_size_and_place() -> None:
    fit = fit_head(ellipsoid(), grid())
    # 68 of 71 mm to the side, 168 of 170 mm from front to back; an ellipsoid's poles are slimmer than a head's.
    assert fit.scale[0] == pytest.approx(68 / 71, abs=0.03) and fit.scale[1] == pytest.approx(168 / 170, abs=0.06)
    assert fit.scale[2] == pytest.approx(np.sqrt(fit.scale[0] * fit.scale[1]))
    small = fit_head(ellipsoid(58.0, 74.0, 64.0), grid())
    assert small.scale[0] < fit.scale[0] - 0.1 and small.scale[1] < fit.scale[1] - 0.08
    moved = fit_head(np.roll(ellipsoid(), 2, axis=1), grid())  # two rows of 4 mm to the back
    assert moved.row_mm_of_zero == pytest.approx(fit.row_mm_of_zero + 8.0)


def test_a_scan_that_ends_early_names_its_upper_part_the_same() -> None:
    brain = ellipsoid()
    short = brain.copy()
    short[:12] = False  # the lowest 90 mm are still in view
    np.testing.assert_array_equal(region_labels(short, grid())[14:], region_labels(brain, grid())[14:])


def test_the_grids_own_voxel_size_counts() -> None:
    """The same head on voxels of half the height has the same volume of each region, nearly."""
    fine_affine = grid().affine.copy()
    fine_affine[:3, 2] /= 2
    fine = CanonicalGrid((60, 48, 40), fine_affine)
    coarse_labels = region_labels(ellipsoid(), grid())
    fine_labels = region_labels(np.repeat(ellipsoid(), 2, axis=0), fine)
    for name in ASPECTS:
        index = REGIONS.index(name)
        volume, again = (coarse_labels == index).sum() * 0.08, (fine_labels == index).sum() * 0.04
        assert again == pytest.approx(volume, rel=0.35, abs=3.0), name
