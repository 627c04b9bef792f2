"""The outcome model: odds ratios, prevalence and how well a perfect reader could do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
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


def test_one_nihss_point_adds_its_published_log_odds_ratio(rows) -> None:
    clinical = rows[1]
    more = replace(clinical, nihss=clinical.nihss + 1)
    step = outcome.clinical_predictor(more, EFFECTS) - outcome.clinical_predictor(clinical, EFFECTS)
    np.testing.assert_allclose(step, 0.095310, atol=1e-6)  # ln(1.10) x 2/3 x 1.5


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
    assert 0.92 <= roc_auc_score(ht, p) <= 0.94
    assert roc_auc_score(ht, p) > roc_auc_score(ht, seen) + 0.015


def test_every_odds_ratio_put_in_is_recovered_and_another_is_not() -> None:
    rng = np.random.default_rng(10)
    image = outcome.draw_image_factors(rng, 60_000)
    clinical = outcome.draw_clinical_factors(rng, image)
    true = {name: outcome.log_effect(EFFECTS, name) for name in outcome.IMAGE_EFFECTS + outcome.CLINICAL_EFFECTS}
    parts = {**outcome.image_parts(image, EFFECTS), **outcome.clinical_parts(clinical, EFFECTS)}
    assert parts.keys() == true.keys()
    intercept = outcome.solve_intercept(PREVALENCE, EFFECTS)
    p = expit(intercept + sum(parts.values()))
    ht = rng.random(p.size) < p
    values = np.column_stack([np.ones(p.size), *(parts[name] / true[name] for name in true)])
    fitted = sm.Logit(ht, values).fit(disp=0)
    # 14 intervals at once: Bonferroni keeps the chance that any of them misses at 5%.
    low, high = fitted.conf_int(alpha=0.05 / values.shape[1]).T
    assert low[0] <= intercept <= high[0]
    for name, bottom, top in zip(true, low[1:], high[1:], strict=True):
        assert bottom <= true[name] <= top, name
        assert not bottom <= 2 * true[name] <= top, f"{name}: the interval is too wide to tell"
        assert bottom > 0, name


def test_clinical_factors_without_effect_have_none(rows) -> None:
    image, clinical = rows
    intercept = outcome.solve_intercept(PREVALENCE, EFFECTS)
    known = intercept + outcome.image_predictor(image, EFFECTS) + outcome.clinical_predictor(clinical, EFFECTS)
    ht = np.random.default_rng(12).random(known.size) < expit(known)
    idle = [clinical.sex, clinical.onset_to_ct_h / 10, clinical.systolic_bp_mmhg / 20, clinical.thrombectomy]
    fitted = sm.Logit(ht, np.column_stack([np.ones(known.size), *idle]), offset=known).fit(disp=0)
    low, high = fitted.conf_int(alpha=0.05 / 5).T
    assert ((low <= 0) & (high >= 0)).all()


def test_nihss_follows_volume_and_the_left_side(rows) -> None:
    image, clinical = rows
    assert np.corrcoef(np.log(image.volume_ml), clinical.nihss)[0, 1] > 0.3
    left = image.side > 0
    difference = clinical.nihss[left].mean() - clinical.nihss[~left].mean()
    assert difference == pytest.approx(1.0, abs=0.25)  # SE 0.09


def test_grades_follow_the_infarcts_size_in_the_stated_shares() -> None:
    def shares(volume_ml: float) -> list[float]:
        rng = np.random.default_rng(3)
        drawn = [outcome.draw_grade(rng, volume_ml) for _ in range(4000)]
        return [drawn.count(grade) / 4000 for grade in ("HI1", "HI2", "PH1", "PH2")]

    # haematoma 0.15 + 0.0025 x volume, at most 0.6; SE of a share at most 0.008
    assert shares(20.0) == pytest.approx([0.44, 0.36, 0.12, 0.08], abs=0.025)
    assert shares(500.0) == pytest.approx([0.22, 0.18, 0.36, 0.24], abs=0.025)


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("volume_ml", -5.0),
        ("volume_ml", 0.0),
        ("volume_ml", float("nan")),
        ("depth_hu", -1.0),
        ("cortical_share", 1.2),
        ("mass_effect_mm", -0.1),
    ],
)
def test_impossible_infarct_is_refused(rows, name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        replace(rows[0], **{name: np.full(20_000, value)})


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_impossible_odds_ratio_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="nihss"):
        EffectSizes(nihss=value)


def test_about_one_scan_in_five_shows_almost_nothing(rows) -> None:
    faint = (rows[0].depth_hu < 2.5) | (rows[0].volume_ml < 2)
    assert 0.14 < faint.mean() < 0.24


def test_a_later_scan_is_darker_and_later() -> None:
    rng = np.random.default_rng(1)
    image = outcome.draw_image_factors(rng, 1)
    later, hours = outcome.later_scan(rng, image, 3.0)
    assert later.depth_hu[0] > image.depth_hu[0] and hours > 6.0
    assert later.volume_ml[0] == image.volume_ml[0]
