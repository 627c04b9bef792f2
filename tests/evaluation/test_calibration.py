"""Slope and intercept against an independent fit, far from a calibrated model too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from htcore.evaluation import Bootstrap, ValidationSet, evaluate, metrics, to_json
from tests.evaluation.cohort import frame


@pytest.mark.parametrize("true_slope", [0.15, 0.4, 1.0, 4.0])
def test_slope_and_intercept_agree_with_scikit_learn(true_slope: float) -> None:
    rng = np.random.default_rng(5)
    log_odds = rng.normal(0.7, 2.5, 600)
    labels = rng.random(600) < 1 / (1 + np.exp(-(true_slope * log_odds - 0.3)))
    weights = np.vstack([np.ones(600), rng.multinomial(600, np.full(600, 1 / 600), size=50)])
    slope, intercept = metrics.calibration(labels, log_odds, weights)
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(log_odds[:, None], labels)
    assert slope[0] == pytest.approx(fitted.coef_[0, 0], abs=1e-3)
    assert intercept[0] == pytest.approx(fitted.intercept_[0], abs=1e-3)
    assert np.isfinite(slope).all(), "no resample is lost, however overconfident the model"


def test_separated_or_equal_predictions_have_no_slope() -> None:
    labels = np.array([False, False, True, True])
    for log_odds in (np.array([-2.0, -1.0, 1.0, 2.0]), np.zeros(4)):
        slope, intercept = metrics.calibration(labels, log_odds, np.ones((1, 4)))
        assert np.isnan(slope).all() and np.isnan(intercept).all()


def test_brier_parts_worked_by_hand() -> None:
    # Two groups of two: risks 0.1 and 0.3 with no event, 0.6 and 0.8 with one; half of a quarter is the base rate.
    labels = np.array([False, False, True, False])
    probability = np.array([0.1, 0.3, 0.6, 0.8])
    found = metrics.calibration_parts(labels, probability, np.array([0, 0, 1, 1]), np.ones((1, 4)))
    assert found["brier_reliability"][0] == pytest.approx((0.2**2 + 0.2**2) / 2)
    assert found["brier_resolution"][0] == pytest.approx((0.25**2 + 0.25**2) / 2)
    assert found["brier_uncertainty"][0] == pytest.approx(0.25 * 0.75)
    assert found["expected_calibration_error"][0] == pytest.approx(0.2)
    # Variance of the risks within the groups, less twice their covariance with the outcome.
    assert found["brier_residue"][0] == pytest.approx(0.01 - 2 * (0 - 0.1 * 0.5) / 2)


def test_brier_parts_of_resamples_agree_with_an_independent_computation() -> None:
    """pandas on the scans that were drawn, written out, in groups cut by pandas."""
    table = frame(n_patients=80).drop_duplicates("patient_id").reset_index(drop=True)
    labels, probability = table["ht"].to_numpy() == 1, table["probability"].to_numpy()
    rng = np.random.default_rng(2)
    weights = np.vstack([np.ones(80), rng.multinomial(80, np.full(80, 1 / 80), size=5)])
    group = metrics.risk_groups(probability)
    found = metrics.calibration_parts(labels, probability, group, weights)
    cut = pd.qcut(table["probability"], 8, labels=False).to_numpy()
    np.testing.assert_array_equal(group, cut)
    for k, row in enumerate(weights.astype(int)):
        drawn = table.assign(group=cut).loc[np.repeat(np.arange(80), row)]
        per = drawn.groupby("group").agg(n=("ht", "size"), seen=("ht", "mean"), told=("probability", "mean"))
        share, base = per["n"] / len(drawn), drawn["ht"].mean()
        reliability = (share * (per["told"] - per["seen"]) ** 2).sum()
        resolution = (share * (per["seen"] - base) ** 2).sum()
        assert found["brier_reliability"][k] == pytest.approx(reliability)
        assert found["brier_resolution"][k] == pytest.approx(resolution)
        assert found["expected_calibration_error"][k] == pytest.approx(
            (share * (per["told"] - per["seen"]).abs()).sum()
        )
        score = ((drawn["probability"] - drawn["ht"]) ** 2).mean()
        assert found["brier_residue"][k] == pytest.approx(score - (reliability - resolution + base * (1 - base)))


def test_one_risk_a_group_leaves_no_residue() -> None:
    labels = np.array([True, False, True, False, False, True])
    probability = np.array([0.2, 0.2, 0.5, 0.5, 0.9, 0.9])
    found = metrics.calibration_parts(labels, probability, metrics.risk_groups(probability), np.ones((1, 6)))
    assert found["brier_residue"][0] == pytest.approx(0)


def test_intervals_of_the_parts_hold_their_figures_and_go_into_the_json() -> None:
    """Chance raises the calibration error of a resample: unshifted, its interval could lie above the figure."""
    validation = ValidationSet.from_frame(frame(n_patients=150))
    found = Bootstrap(validation, 200).calibration_parts
    for name, interval in found.items():
        assert interval.low <= interval.value <= interval.high, name
    written = to_json(evaluate(validation, 0.5, 200))["calibration"]
    assert written["brier_reliability"]["low"] == found["brier_reliability"].low
    assert sum(group["n_scans"] for group in written["groups"]) == validation.n_scans
    total = found["brier_reliability"].value - found["brier_resolution"].value + found["brier_uncertainty"].value
    assert total + found["brier_residue"].value == pytest.approx(evaluate(validation, 0.5, 2).metrics["brier"].value)
