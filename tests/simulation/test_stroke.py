"""The infarct: size, side and depth, read back from images and compared with what was asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from htcore.simulation.anatomy import build_head, draw_person
from htcore.simulation.atlas import load_atlas
from htcore.simulation.outcome import TERRITORIES, ImageFactors
from htcore.simulation.scan import lesion_volume_ml, simulate_person_scan
from htcore.simulation.stroke import (
    StrokeParameters,
    add_artery_sign,
    darken,
    grow_lesion,
    territory_mask,
    white_share,
)
from htcore.transforms import prepare
from htcore.transforms.sampling import stack_from
from htcore.types import Volume

PERSONS = (11, 12, 13)
DEPTHS_HU = (2.0, 6.0, 12.0)


def factors(**changes: float) -> ImageFactors:
    values = {
        "territory": TERRITORIES.index("MCA inferior division"),
        "side": 1,
        "volume_ml": 50.0,
        "depth_hu": 8.0,
        "cortical_share": 0.6,
        "artery_sign": 0.0,
        "leukoaraiosis": 0.1,
        "atrophy": 0.3,
        "mass_effect_mm": 0.0,
    } | changes
    return ImageFactors(**{k: np.array([v]) for k, v in values.items()})  # type: ignore[arg-type]


def rendered(person: int, **changes: float) -> tuple[Volume, np.ndarray]:
    seeds = np.random.SeedSequence(person), np.random.SeedSequence(77)
    volume, mask, _ = simulate_person_scan(*seeds, factors(**changes), 160, True)
    return volume, mask


def read_back(volume: Volume, mask: np.ndarray) -> tuple[float, float]:
    """Mean HU in the infarct minus its mirror image, and mm of its centre to the patient's left of the midline."""
    grid = prepare(volume).grid
    slices, rows, columns = grid.shape
    k, r, c = np.meshgrid(np.arange(slices), np.arange(rows), np.arange(columns), indexing="ij")
    points = grid.to_mm(np.stack([c, r, k], axis=-1))
    hu = stack_from(volume.hu, volume).sample(points, -1000.0)
    lesion = stack_from(mask, volume).sample(points, 0.0) > 0.5
    mirrored = hu[:, :, ::-1]
    brain = lesion & (hu > -20) & (hu < 90) & (mirrored > -20) & (mirrored < 90)
    across_mm = (np.nonzero(lesion)[2].mean() - (columns - 1) / 2) * 4.0
    return float((hu - mirrored)[brain].mean()), float(across_mm)


@pytest.mark.parametrize("person", PERSONS)
def test_size_side_and_depth_are_read_back_from_the_images(person: int) -> None:
    side = 1 if person % 2 else -1
    differences = []
    for depth in DEPTHS_HU:
        volume, mask = rendered(person, side=side, depth_hu=depth)
        assert lesion_volume_ml(mask, volume) == pytest.approx(50.0, rel=0.15)
        difference, across_mm = read_back(volume, mask)
        assert np.sign(across_mm) == side and abs(across_mm) > 10
        differences.append(difference)
    assert differences[0] > differences[1] > differences[2]
    assert -11 < differences[2] - differences[0] < -4


@pytest.mark.parametrize("territory", TERRITORIES)
def test_volume_is_reached_inside_one_side_of_the_territory(territory: str) -> None:
    atlas, rng = load_atlas(), np.random.default_rng(21)
    head = build_head(rng, draw_person(rng, 0.3, 0.1), atlas)
    stroke = StrokeParameters(territory, -1, 4.0, 8.0, 0.5, False, 0.0)
    lesion = grow_lesion(rng, stroke, head, atlas)
    voxel_ml = 0.008 * float(np.prod(head.scale))
    assert (lesion >= 0.5).sum() * voxel_ml == pytest.approx(4.0, rel=0.1)
    assert lesion[load_atlas().axes()[0].ravel() < 0].max() == 0
    # borders are ragged by about 5 mm, no more
    core = lesion > 0.5
    assert (territory_mask(atlas, territory, -1) & core).sum() > 0.5 * core.sum()


def test_border_zones_lie_between_the_territories() -> None:
    atlas = load_atlas()
    zone = territory_mask(atlas, "watershed", 1)
    aca, mca, pca = (territory_mask(atlas, name, 1) for name in ("ACA", "MCA trunk", "PCA"))
    lateral = np.abs(np.argwhere(zone)[:, 0] * 2 + atlas.origin[0])
    assert 12 < lateral.min() and lateral.max() < 45
    high = atlas.axes()[2] > 40
    mean = [np.abs(np.argwhere(m & high)[:, 0] * 2 + atlas.origin[0]).mean() for m in (aca, zone, mca)]
    assert mean[0] < mean[1] < mean[2]
    assert (zone & ~pca).sum() > 0.5 * zone.sum()


def test_grey_matter_darkens_first() -> None:
    assert white_share(2.0) == pytest.approx(0.25)  # 0.1 + 0.075 x 2
    assert white_share(12.0) == pytest.approx(0.85)  # the ceiling
    atlas, rng = load_atlas(), np.random.default_rng(5)
    head = build_head(rng, draw_person(rng, 0.2, 0.0), atlas)
    stroke = StrokeParameters("MCA trunk", 1, 120.0, 3.0, 0.5, False, 0.0)
    lesion = grow_lesion(rng, stroke, head, atlas)
    core = (lesion > 0.95) & (head.csf < 0.02)
    loss = {}
    for depth in (3.0, 12.0):
        change = head.tissue - darken(rng, replace(stroke, depth_hu=depth), head, lesion)
        loss[depth] = [change[core & where].mean() for where in (head.white < 0.1, head.white > 0.9)]
    assert loss[3.0][0] == pytest.approx(3.0, abs=0.4) and loss[3.0][1] < 0.5 * loss[3.0][0]
    assert loss[12.0][0] == pytest.approx(12.0, abs=1.2) and loss[12.0][1] > 0.7 * loss[12.0][0]


@pytest.mark.parametrize("territory", ["MCA trunk", "PCA", "brainstem"])
def test_the_dense_artery_is_denser_than_any_brain(territory: str) -> None:
    atlas = load_atlas()
    tissue = np.full(atlas.shape, 30.0, dtype=np.float32)
    add_artery_sign(np.random.default_rng(1), tissue, StrokeParameters(territory, 1, 9, 5, 0.5, True, 0), atlas)
    dense = tissue > 43
    assert 50 <= tissue.max() <= 66 and 0.05 < dense.sum() * 0.008 < 2.5
    if territory != "brainstem":
        assert not dense[atlas.axes()[0].ravel() > 0].any()  # RAS: the patient's left has negative x
