"""A person's head: tissue in its range, everybody different, age in ventricles and sulci, bone and air in place."""

from __future__ import annotations

import numpy as np
import pytest

from htcore.simulation.anatomy import Head, build_head, draw_person, tentorium_height
from htcore.simulation.atlas import load_atlas, sheet_distance


def head(seed: int, atrophy: float = 0.4, leukoaraiosis: float = 0.0) -> Head:
    rng = np.random.default_rng(seed)
    return build_head(rng, draw_person(rng, atrophy, leukoaraiosis), load_atlas())


def at(field: np.ndarray, x: float, y: float, z: float) -> float:
    index = [round((v - o) / 2) for v, o in zip((x, y, z), load_atlas().origin, strict=True)]
    return float(field[tuple(index)])


def test_same_generator_same_head_another_another() -> None:
    first, again, other = head(3), head(3), head(4)
    for name in ("tissue", "white", "csf", "skull_mm", "face", "warp_mm"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert not np.array_equal(getattr(first, name), getattr(other, name))


def test_grey_is_denser_than_white_and_fluid_is_darkest() -> None:
    brain, atlas = head(5), load_atlas()
    inside = (atlas.envelope < -6) & (brain.csf < 0.05)
    grey = np.median(brain.tissue[inside & (brain.white < 0.1) & (atlas.gm > 0.7)])
    white = np.median(brain.tissue[inside & (brain.white > 0.9)])
    fluid = np.median(brain.tissue[brain.csf > 0.98])
    assert 33 < grey < 43 and 24 < white < 34 and 3 < fluid < 16
    assert 4 < grey - white < 11.5


def test_age_widens_ventricles_and_sulci() -> None:
    atlas = load_atlas()
    near, shell = np.abs(atlas.ventricle) < 8, (atlas.envelope < 0) & (atlas.envelope > -10)
    young, middle, old = (head(6, atrophy) for atrophy in (0.05, 0.5, 0.95))
    for where in (near, shell):
        shares = [brain.csf[where].mean() for brain in (young, middle, old)]
        assert shares[0] < shares[1] < shares[2]
        assert shares[2] > 1.3 * shares[0]


def test_leukoaraiosis_darkens_white_matter_beside_the_ventricles() -> None:
    atlas = load_atlas()
    near = (atlas.ventricle > 4) & (atlas.ventricle < 10) & (atlas.wm > 0.8) & (atlas.axes()[2] > 0)
    change = head(7, 0.4, 1.0).tissue[near].mean() - head(7, 0.4, 0.0).tissue[near].mean()
    assert -8.5 < change < -2


def test_the_skull_varies_in_thickness_and_is_thin_round_the_sphenoid_sinus() -> None:
    atlas, skull = load_atlas(), head(8).skull_mm
    vault = (np.abs(atlas.envelope) < 2) & (atlas.axes()[2] > 20)
    low, high = np.quantile(skull[vault], [0.05, 0.95])
    assert 2.5 <= low < high < 14 and high - low > 1.5
    assert at(skull, 0, 14, -30) == pytest.approx(2.2)


@pytest.mark.parametrize(
    ("place", "low", "high"),
    [
        ((33, 48, -30), -110, -60),  # fat behind the eye
        ((33, 70, -38), 0, 30),  # vitreous
        ((-30, 58, -74), -1000, -800),  # maxillary sinus
        ((8, 18, -40), -1000, -500),  # sphenoid sinus
        ((62, -23, -42), -1000, -500),  # ear canal
    ],
)
def test_the_face_holds_fat_fluid_and_air_where_they_belong(
    place: tuple[float, float, float], low: float, high: float
) -> None:
    assert low <= at(load_atlas().face, *place) <= high


def test_bone_rises_between_temporal_lobe_and_cerebellum() -> None:
    envelope = load_atlas().envelope
    assert at(envelope, 34, -28, -37) > 0 > at(envelope, 34, -10, -30)
    assert at(envelope, 34, -60, -40) < 0


def test_the_tentorium_is_highest_in_the_middle_and_falls_backwards() -> None:
    x, y = np.array([0.0, 40.0, 0.0]), np.array([-50.0, -50.0, -90.0])
    middle, side, back = tentorium_height(x, y)
    assert middle > side > back


def test_sheets_are_a_sulcus_width_apart() -> None:
    distance = sheet_distance(np.random.default_rng(0), 1.7)
    crossings = ((distance[1:-1] < distance[:-2]) & (distance[1:-1] <= distance[2:]) & (distance[1:-1] < 1.5)).sum()
    spacing_mm = distance[1:-1].size * 2.0 / crossings
    assert 9 < spacing_mm < 25
