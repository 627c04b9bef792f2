"""Slope and intercept against an independent fit, far from a calibrated model too."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from htcore.evaluation import metrics


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
