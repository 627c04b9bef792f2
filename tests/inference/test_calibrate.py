"""Calibration worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from htcore.bundle import Calibration
from htcore.errors import TrainingError, UsageError
from htcore.inference import estimate_risk, fit_calibration
from htcore.inference.calibrate import fit_platt, shift_prevalence, supported, youden_threshold


def test_platt_on_two_groups_gives_their_frequencies() -> None:
    # At logit −1: 1 of 4 with HT; at +1: 3 of 4. The curve through both has log-odds ∓ ln 3.
    logits = np.repeat([-1.0, 1.0], 4)
    labels = np.array([1, 0, 0, 0, 1, 1, 1, 0], dtype=float)
    slope, intercept = fit_platt(logits, labels)
    assert slope == pytest.approx(np.log(3), abs=0.01) and intercept == pytest.approx(0.0, abs=1e-3)


def test_platt_weights_count_scans() -> None:
    logits, labels = np.array([-1.0, -1.0, 1.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0])
    slope, _ = fit_platt(logits, labels, np.array([1.0, 3.0, 3.0, 1.0]))
    assert slope == pytest.approx(np.log(3), abs=0.01)


def test_a_calibration_never_turns_the_ranking_round_and_stays_finite() -> None:
    worse = fit_platt(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.0]))
    perfect = fit_platt(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    assert worse[0] > 0 and np.isfinite(worse).all() and 1 < perfect[0] < 50


def test_youden_by_hand() -> None:
    probability = np.array([0.1, 0.2, 0.6, 0.3, 0.7, 0.8])
    labels = np.array([0, 0, 0, 1, 1, 1])
    # From 0.3: sensitivity 1, specificity 2/3; from 0.7: 2/3 and 1. The lower wins, halfway between 0.2 and 0.3.
    assert youden_threshold(probability, labels) == pytest.approx(0.25)


def test_prior_shift_by_hand() -> None:
    # Odds 1 at prevalence 1/2; at 1/5 the prior odds are a quarter: 0.25 / 1.25 = 0.2.
    assert shift_prevalence(0.5, 0.5, 0.2) == pytest.approx(0.2)
    assert shift_prevalence(0.37, 0.3, 0.3) == 0.37
    for bad in (0.0, 1.0, -0.1):
        with pytest.raises(UsageError):
            shift_prevalence(0.5, 0.5, bad)


CALIBRATION = Calibration(1.0, 0.0, tuple((1.0, float(b)) for b in np.linspace(-1, 1, 201)), 0.5, 0.5, 10, 10)


def test_risk_by_hand() -> None:
    risk = estimate_risk(CALIBRATION, 0.0)
    assert risk.probability == pytest.approx(0.5) and risk.category == "above threshold" and risk.logit == 0.0
    # Percentiles of intercepts −1 … 1 are ∓ 0.95: expit 0.2789 and 0.7211.
    assert risk.interval == pytest.approx((0.2789, 0.7211), abs=1e-3)
    assert "201 resamples" in risk.interval_method and "does not cover" in risk.interval_method


def test_another_prevalence_moves_probability_interval_and_threshold_alike() -> None:
    here, there = estimate_risk(CALIBRATION, 0.3), estimate_risk(CALIBRATION, 0.3, prevalence=0.2)
    assert there.probability < here.probability and there.prevalence == 0.2
    assert there.interval[0] < there.probability < there.interval[1]
    assert there.threshold == pytest.approx(0.2) and there.category == here.category


def test_interval_always_holds_the_probability() -> None:
    skewed = Calibration(1.0, 3.0, ((1.0, 0.0), (1.0, 0.1)), 0.5, 0.5, 10, 10)
    risk = estimate_risk(skewed, 0.0)
    assert risk.interval[0] <= risk.probability <= risk.interval[1]
    extreme = estimate_risk(CALIBRATION, 500.0)
    assert 0 < extreme.interval[0] <= extreme.probability <= extreme.interval[1] < 1


def test_patients_are_resampled_and_the_seed_decides() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, 60)
    labels = (rng.random(60) < 1 / (1 + np.exp(-logits))).astype(float)
    patients = [f"p{n // 2}" for n in range(60)]
    first = fit_calibration(logits, labels, patients, np.random.default_rng(1), resamples=20)
    again = fit_calibration(logits, labels, patients, np.random.default_rng(1), resamples=20)
    assert first == again and first.n_patients == 30 and first.n_scans == 60 and len(first.resamples) == 20
    assert Calibration.from_json(first.to_json()) == first
    assert min(a for a, _ in first.resamples) < first.slope < max(a for a, _ in first.resamples)


def test_one_outcome_only_is_refused() -> None:
    with pytest.raises(TrainingError, match="with and without"):
        fit_calibration(np.zeros(4), np.ones(4), ["a", "b", "c", "d"], np.random.default_rng(0))


def test_limits_by_hand_and_where_they_move() -> None:
    # Of 60 patients who all bled, a true risk of 0.05 ** (1 / 60) is still not excluded at 95%: about 1 - 3 / 60.
    def calibration(n_patients: int) -> Calibration:
        return Calibration(1.0, 0.0, (), 0.5, 0.5, n_patients, n_patients)

    low, high = supported(calibration(600))
    assert high**60 == pytest.approx(0.05) and high == pytest.approx(1 - 3 / 60, abs=0.002)
    assert low == pytest.approx(1 - high)
    assert supported(calibration(30)) == supported(calibration(200)) == pytest.approx((1 - 0.05**0.05, 0.05**0.05))
    assert supported(calibration(6000))[1] > high
    risk = estimate_risk(calibration(600), 8.0)
    assert risk.limits == pytest.approx((low, high)) and risk.probability > 0.999
    # A prevalence of 20% in place of 50% divides the odds by 4.
    moved = estimate_risk(calibration(600), 8.0, 0.2).limits
    assert moved[1] / (1 - moved[1]) == pytest.approx(high / (1 - high) / 4)


def test_known_risks_spare_the_curve_the_draw_of_outcomes() -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 1.5, 150)
    risks = expit(0.8 * logits + 0.3)
    errors = []
    for _ in range(20):
        labels = (rng.random(150) < risks).astype(np.float64)
        drawn, known = (
            fit_calibration(logits, labels, [str(k) for k in range(150)], rng, resamples=2, risks=given)
            for given in (None, risks)
        )
        assert known.slope == pytest.approx(0.8, abs=0.01) and known.intercept == pytest.approx(0.3, abs=0.01)
        assert known.prevalence == pytest.approx(risks.mean())
        errors.append(abs(drawn.intercept - 0.3))
    assert np.mean(errors) > 0.05
