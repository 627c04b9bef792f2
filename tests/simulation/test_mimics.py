"""Distractors: met as often as said, seen as said, and with no bearing on the outcome."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.special import expit

from htcore.simulation import outcome
from htcore.simulation.anatomy import draw_person
from htcore.simulation.atlas import load_atlas
from htcore.simulation.mimics import CHANCES, MimicChances, Mimics, calcify, draw_mimics, old_damage, tumour

NONE = Mimics(0, 0, False, False, False, False, False, False, 0.0)
ROWS = 4000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def p_ht(image: outcome.ImageFactors) -> np.ndarray:
    effects = outcome.EffectSizes()
    clinical = outcome.draw_clinical_factors(rng(2), image)
    known = outcome.image_predictor(image, effects) + outcome.clinical_predictor(clinical, effects)
    return expit(outcome.solve_intercept(0.487, effects) + known)


def correlations(people: list[Mimics], p: np.ndarray) -> dict[str, float]:
    values = {name: np.array([float(getattr(m, name)) for m in people]) for name in asdict(NONE)}
    return {name: float(np.corrcoef(v, p)[0, 1]) for name, v in values.items()}


@pytest.fixture(scope="module")
def image() -> outcome.ImageFactors:
    return outcome.draw_image_factors(rng(1), ROWS)


def test_mimics_are_independent_of_the_outcome(image: outcome.ImageFactors) -> None:
    people = [
        draw_person(rng(10_000 + k), float(image.atrophy[k]), float(image.leukoaraiosis[k])).mimics for k in range(ROWS)
    ]
    for name, r in correlations(people, p_ht(image)).items():
        assert abs(r) < 3.5 / np.sqrt(ROWS), name


def test_that_test_would_notice_lacunes_that_follow_leukoaraiosis(image: outcome.ImageFactors) -> None:
    chances = [MimicChances(lacunes=0.3 + 1.2 * v) for v in image.leukoaraiosis]
    people = [draw_mimics(rng(10_000 + k), c) for k, c in enumerate(chances)]
    assert correlations(people, p_ht(image))["lacunes"] > 3.5 / np.sqrt(ROWS)


def test_each_is_met_as_often_as_its_chance() -> None:
    people = [draw_mimics(rng(k)) for k in range(ROWS)]
    for name, chance in asdict(CHANCES).items():
        values = np.array([float(getattr(m, name)) for m in people])
        if name == "ventricle_asymmetry_mm":
            assert values.std() == pytest.approx(chance, rel=0.1)
        else:
            assert values.mean() == pytest.approx(chance, abs=4 * np.sqrt(chance / ROWS))


def test_nobody_without_them_has_any() -> None:
    fluid, ex_vacuo = old_damage(rng(), NONE, load_atlas())
    assert fluid.max() == 0 and ex_vacuo.max() == 0
    tissue = np.full(load_atlas().shape, 30.0, dtype=np.float32)
    calcify(tissue, rng(), NONE, load_atlas())
    assert (tissue == 30).all()


def test_an_old_infarct_is_fluid_and_widens_the_ventricle_on_its_side() -> None:
    atlas = load_atlas()
    fluid, ex_vacuo = old_damage(rng(3), replace(NONE, old_infarcts=1), atlas)
    assert 0.5 < fluid.max() <= 0.95
    hole = np.argwhere(fluid > 0.4).mean(axis=0)
    peak = np.array(np.unravel_index(int(ex_vacuo.argmax()), atlas.shape))
    assert ex_vacuo.max() > 1.0
    assert np.linalg.norm(hole - peak) < 8


def test_an_arachnoid_cyst_is_a_smooth_lake_of_fluid() -> None:
    fluid, ex_vacuo = old_damage(rng(5), replace(NONE, arachnoid_cyst=True), load_atlas())
    ml = (fluid > 0.5).sum() * 8 / 1000
    assert 1.5 < ml < 45 and fluid.max() == 1.0
    assert ex_vacuo.max() == 0


def test_oedema_of_a_tumour_keeps_to_white_matter_and_its_mass_is_denser() -> None:
    atlas = load_atlas()
    change = tumour(rng(8), atlas, atlas.wm)
    oedema = change < -4
    assert change.max() > 4.5
    assert oedema.sum() * 8 / 1000 > 3
    without_core = oedema & (atlas.gm > 0.8)
    assert without_core.sum() < 0.1 * oedema.sum()


@pytest.mark.parametrize(
    ("name", "x"), [("calcified_choroid", 23), ("calcified_ganglia", 19), ("calcified_arteries", 12)]
)
def test_calcium_lies_on_both_sides(name: str, x: float) -> None:
    atlas = load_atlas()
    tissue = np.full(atlas.shape, 30.0, dtype=np.float32)
    calcify(tissue, rng(2), replace(NONE, **{name: True}), atlas)
    across = np.flatnonzero((tissue > 45).any(axis=(1, 2))) * 2.0 + atlas.origin[0]
    assert across.min() == pytest.approx(-x, abs=6) and across.max() == pytest.approx(x, abs=6)
