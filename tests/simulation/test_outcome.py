"""The outcome model: odds ratios, prevalence and how well a perfect reader could do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from htcore.errors import UsageError
from htcore.simulation import outcome
from htcore.simulation.outcome import EffectSizes

EFFECTS = EffectSizes()
PREVALENCE = 231 / 474


@pytest.fixture(scope="module")
def rows() -> tuple[outcome.ImageFactors, outcome.ClinicalFactors]:
    rng = np.random.default_rng(7)
    image = outcome.draw_image_factors(rng, 20_000)
    return image, outcome.draw_clinical_factors(rng, image)


def test_one_nihss_point_adds_two_thirds_of_its_log_odds_ratio(rows) -> None:
    clinical = rows[1]
    more = replace(clinical, nihss=clinical.nihss + 1)
    step = outcome.clinical_predictor(more, EFFECTS) - outcome.clinical_predictor(clinical, EFFECTS)
    np.testing.assert_allclose(step, 0.063540, atol=1e-6)  # ln(1.10) x 2/3


def test_artery_sign_adds_its_shrunk_log_odds_ratio_times_the_gain(rows) -> None:
    image = rows[0]
    with_sign = outcome.image_predictor(replace(image, artery_sign=np.ones(20_000)), EFFECTS)
    without = outcome.image_predictor(replace(image, artery_sign=np.zeros(20_000)), EFFECTS)
    np.testing.assert_allclose(with_sign - without, 0.959350 * 2 / 3 * EFFECTS.image_gain, atol=1e-5)


def test_an_infarct_that_does_not_show_hides_its_volume(rows) -> None:
    hidden = replace(rows[0], depth_hu=np.zeros(20_000))
    larger = replace(hidden, volume_ml=hidden.volume_ml * 4)
    np.testing.assert_allclose(outcome.image_predictor(hidden, EFFECTS), outcome.image_predictor(larger, EFFECTS))


def test_intercept_sets_the_prevalence_and_the_oracles_lie_where_they_should(rows) -> None:
    image, clinical = rows
    intercept = outcome.solve_intercept(PREVALENCE, EFFECTS)
    p = expit(intercept + outcome.image_predictor(image, EFFECTS) + outcome.clinical_predictor(clinical, EFFECTS))
    assert p.mean() == pytest.approx(PREVALENCE, abs=0.01)
    rng = np.random.default_rng(8)
    seen = outcome.p_given_image(rng, image, EFFECTS, intercept, draws=60)
    assert seen.mean() == pytest.approx(p.mean(), abs=0.005)
    ht = rng.random(p.size) < p
    assert 0.88 <= roc_auc_score(ht, seen) <= 0.91
    assert roc_auc_score(ht, p) > roc_auc_score(ht, seen) + 0.005


def test_image_probability_is_calibrated_within_fifths(rows) -> None:
    image, clinical = rows
    intercept = outcome.solve_intercept(PREVALENCE, EFFECTS)
    p = expit(intercept + outcome.image_predictor(image, EFFECTS) + outcome.clinical_predictor(clinical, EFFECTS))
    seen = outcome.p_given_image(np.random.default_rng(9), image, EFFECTS, intercept, draws=60)
    for part in np.array_split(np.argsort(seen), 5):
        assert p[part].mean() == pytest.approx(seen[part].mean(), abs=0.01)


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.2, 1.3])
def test_impossible_prevalence_is_refused(prevalence: float) -> None:
    with pytest.raises(UsageError, match="prevalence"):
        outcome.solve_intercept(prevalence, EFFECTS)


def test_about_one_scan_in_five_shows_almost_nothing(rows) -> None:
    faint = (rows[0].depth_hu < 2.5) | (rows[0].volume_ml < 2)
    assert 0.14 < faint.mean() < 0.24


def test_a_later_scan_is_darker_and_later() -> None:
    rng = np.random.default_rng(1)
    image = outcome.draw_image_factors(rng, 1)
    later, hours = outcome.later_scan(rng, image, 3.0)
    assert later.depth_hu[0] > image.depth_hu[0] and hours > 6.0
    assert later.volume_ml[0] == image.volume_ml[0]
