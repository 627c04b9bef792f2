from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from sklearn.linear_model import LogisticRegression

from htcore.errors import CohortError, UsageError
from htcore.evaluation import (
    PAPER,
    Bootstrap,
    Confusion,
    ValidationSet,
    delong_difference,
    delong_interval,
    delong_variance,
    evaluate,
    metrics,
    precision_recall_curve,
    reliability,
    roc_curve,
    to_json,
)
from tests.evaluation.cohort import frame


@pytest.fixture(scope="module")
def validation() -> ValidationSet:
    return ValidationSet.from_frame(frame(n_patients=150))


def tiny() -> pd.DataFrame:
    """Worked by hand: 2 of 3 events at or above 0.5, one of 3 others."""
    return pd.DataFrame(
        {
            "patient_id": list("abcdef"),
            "scan_id": ["1"] * 6,
            "ht": [1, 1, 1, 0, 0, 0],
            "probability": [0.9, 0.6, 0.3, 0.6, 0.2, 0.1],
        }
    )


def test_hand_worked_figures() -> None:
    result = evaluate(ValidationSet.from_frame(tiny()), 0.5, n_resamples=50)
    value = {name: interval.value for name, interval in result.metrics.items()}
    assert result.confusion == Confusion(2, 1, 1, 2)
    # Pairs: 0.9 beats 3; 0.6 beats 2 and ties 1; 0.3 beats 2.
    assert value["auc"] == pytest.approx(7.5 / 9)
    for name in ("f1", "sensitivity", "specificity", "accuracy", "ppv", "npv"):
        assert value[name] == pytest.approx(2 / 3)
    assert value["brier"] == pytest.approx((0.01 + 0.16 + 0.49 + 0.36 + 0.04 + 0.01) / 6)
    assert (result.n_patients, result.n_scans, result.n_events) == (6, 6, 3)


def test_outcomes_may_be_zeros_and_ones(validation: ValidationSet) -> None:
    true, p = validation.labels, validation.probability
    for numbers in (true.astype(int), true.astype(float)):
        assert delong_interval(numbers, p) == delong_interval(true, p)
        assert delong_difference(numbers, p, 1 - p) == delong_difference(true, p, 1 - p)
        assert Confusion.at(numbers, p, 0.4) == Confusion.at(true, p, 0.4)
        assert np.array_equal(roc_curve(numbers, p).false_positive_rate, roc_curve(true, p).false_positive_rate)
        assert np.array_equal(precision_recall_curve(numbers, p).precision, precision_recall_curve(true, p).precision)


@pytest.mark.parametrize("wrong", [2, -1, np.nan])
def test_outcomes_of_other_numbers_are_refused(validation: ValidationSet, wrong: float) -> None:
    numbers = validation.labels.astype(float)
    numbers[3] = wrong
    for measure in (delong_interval, roc_curve):
        with pytest.raises(UsageError, match="outcomes are true and false"):
            measure(numbers, validation.probability)


def test_figures_agree_with_scikit_learn(validation: ValidationSet) -> None:
    y, p = validation.labels, validation.probability
    value = {name: interval.value for name, interval in evaluate(validation, 0.4, n_resamples=20).metrics.items()}
    called = p >= 0.4
    assert value["auc"] == pytest.approx(sk.roc_auc_score(y, p))
    assert value["auprc"] == pytest.approx(sk.average_precision_score(y, p))
    assert value["f1"] == pytest.approx(sk.f1_score(y, called))
    assert value["npv"] == pytest.approx(sk.precision_score(~y, ~called))
    assert value["brier"] == pytest.approx(sk.brier_score_loss(y, p))
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(np.log(p / (1 - p))[:, None], y)
    assert value["calibration_slope"] == pytest.approx(fitted.coef_[0, 0], abs=1e-4)
    assert value["calibration_intercept"] == pytest.approx(fitted.intercept_[0], abs=1e-4)


def test_weighted_figures_with_ties_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    y, p = rng.random(80) < 0.4, rng.integers(0, 6, 80) / 5
    weights = rng.integers(0, 4, (10, 80)).astype(float)
    expected_auc = [sk.roc_auc_score(y, p, sample_weight=row) for row in weights]
    expected_ap = [sk.average_precision_score(y, p, sample_weight=row) for row in weights]
    np.testing.assert_allclose(metrics.auc(y, p, weights), expected_auc)
    np.testing.assert_allclose(metrics.auprc(y, p, weights), expected_ap)


def test_intervals_resample_patients_not_scans() -> None:
    once = frame(n_patients=60).drop_duplicates("patient_id")
    copies = [once.assign(scan_id=once["scan_id"] + suffix) for suffix in "abcd"]
    single = Bootstrap(ValidationSet.from_frame(once)).fixed["auc"]
    copied = Bootstrap(ValidationSet.from_frame(pd.concat(copies, ignore_index=True))).fixed["auc"]
    assert copied.value == pytest.approx(single.value)
    assert copied.high - copied.low == pytest.approx(single.high - single.low, rel=1e-6)


def test_intervals_hold_the_value_and_repeat_for_a_seed(validation: ValidationSet) -> None:
    first, second = (evaluate(validation, 0.5, n_resamples=300, seed=3) for _ in range(2))
    assert to_json(first) == to_json(second)
    for interval in first.metrics.values():
        assert interval.low <= interval.value <= interval.high
    assert to_json(evaluate(validation, 0.5, n_resamples=300, seed=4)) != to_json(first)


def test_moving_the_threshold_is_quick(validation: ValidationSet) -> None:
    bootstrap = Bootstrap(validation)
    evaluate(validation, 0.5, bootstrap=bootstrap)
    durations = []
    for threshold in (0.2, 0.5, 0.8):
        start = time.perf_counter()
        evaluate(validation, threshold, bootstrap=bootstrap)
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.1


def test_undefined_figures_are_null_in_json() -> None:
    written = to_json(evaluate(ValidationSet.from_frame(tiny()), 1.0, n_resamples=20))
    assert written["schema"] == "htcore.evaluation/1"
    assert written["metrics"]["ppv"] == {"value": None, "low": None, "high": None}
    assert written["oracle"] is None and written["subgroups"] == []
    json.dumps(written, allow_nan=False)


def test_separated_outcomes_have_no_calibration_slope() -> None:
    table = tiny().assign(probability=[0.9, 0.8, 0.7, 0.3, 0.2, 0.1])
    result = evaluate(ValidationSet.from_frame(table), 0.5, n_resamples=20)
    assert np.isnan(result.metrics["calibration_slope"].value)
    assert result.metrics["auc"].value == 1.0


def test_oracle_counts_first_scans_only() -> None:
    table = frame()
    first = table.drop_duplicates("patient_id")
    ceiling = evaluate(ValidationSet.from_frame(table), 0.5, n_resamples=5).oracle
    assert ceiling is not None
    assert ceiling.full_auc == pytest.approx(sk.roc_auc_score(first["ht"], first["p_ht"]))
    assert ceiling.image_auc == pytest.approx(sk.roc_auc_score(first["ht"], first["p_ht_image"]))
    assert ceiling.model_auc == pytest.approx(sk.roc_auc_score(first["ht"], first["probability"]))


def test_subgroups_part_the_scans(validation: ValidationSet) -> None:
    parts = evaluate(validation, 0.5, n_resamples=20).subgroups
    for title in ("Lesion", "Age", "Slice thickness", "Sex"):
        assert sum(part.n_scans for part in parts if part.name.startswith(title)) == validation.n_scans
    assert "Sex F" in {part.name for part in parts}


def test_delong_agrees_with_all_pairs(validation: ValidationSet) -> None:
    labels, scores = validation.labels, np.round(validation.probability, 1)
    wins = (scores[labels][:, None] > scores[~labels]) + 0.5 * (scores[labels][:, None] == scores[~labels])
    m, n = wins.shape
    expected = wins.mean(axis=1).var(ddof=1) / m + wins.mean(axis=0).var(ddof=1) / n
    assert delong_variance(labels, scores) == pytest.approx((wins.mean(), expected))
    interval = delong_interval(labels, scores)
    assert interval.high - interval.value == pytest.approx(1.959964 * expected**0.5)


def test_delong_needs_two_of_each() -> None:
    with pytest.raises(CohortError) as caught:
        delong_variance(np.array([True, False, False]), np.array([0.3, 0.2, 0.1]))
    assert caught.value.code == "one_class"


def test_roc_curve_agrees_with_scikit_learn(validation: ValidationSet) -> None:
    curve = roc_curve(validation.labels, validation.probability, Bootstrap(validation, 50))
    false, found, cuts = sk.roc_curve(validation.labels, validation.probability, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, false)
    np.testing.assert_allclose(curve.sensitivity, found)
    np.testing.assert_allclose(curve.thresholds, cuts)
    assert curve.band is not None and (curve.band[1] <= curve.band[2]).all()


def test_reliability_counts_every_scan_once(validation: ValidationSet) -> None:
    groups = reliability(validation)
    assert groups.n_scans.sum() == validation.n_scans
    assert (groups.observed * groups.n_scans).sum() == pytest.approx(validation.n_events)
    assert ((groups.low <= groups.observed) & (groups.observed <= groups.high)).all()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("ht", 2, "Row 2, column ht"),
        ("ht", None, "Row 2, column ht"),
        ("probability", "high", "Row 2, column probability"),
        ("probability", 1.5, "Row 2, column probability"),
        ("probability", float("inf"), "Row 2, column probability"),
        ("patient_id", None, "Row 2, column patient_id"),
        ("p_ht", -0.1, "Row 2, column p_ht"),
        ("age", "old", "Row 2, column age"),
    ],
)
def test_bad_values_are_named_by_row_and_column(column: str, value: object, words: str) -> None:
    table = frame().astype(object)
    table.iloc[1, list(table.columns).index(column)] = value
    with pytest.raises(CohortError, match=words):
        ValidationSet.from_frame(table)


def test_repeated_scan_and_missing_column_are_refused() -> None:
    with pytest.raises(CohortError, match="Row 2, column scan_id"):
        ValidationSet.from_frame(tiny().assign(patient_id=["a", "a", *"cdef"]))
    with pytest.raises(CohortError, match="Column probability is missing"):
        ValidationSet.from_frame(tiny().drop(columns="probability"))


@pytest.mark.parametrize("table", [tiny().assign(ht=0), tiny().assign(ht=1), tiny().iloc[[2, 3]], tiny().iloc[:0]])
def test_one_class_or_too_few_patients_are_refused(table: pd.DataFrame) -> None:
    with pytest.raises(CohortError) as caught:
        ValidationSet.from_frame(table)
    assert caught.value.code == "one_class"


def test_impossible_parameters_are_refused(validation: ValidationSet) -> None:
    for threshold in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError):
            evaluate(validation, threshold, n_resamples=2)
    with pytest.raises(UsageError):
        Bootstrap(validation, 0)


def test_papers_figures_imply_its_prevalence() -> None:
    f1, recall, accuracy = (PAPER.metrics[name].value for name in ("f1", "sensitivity", "accuracy"))
    precision = f1 * recall / (2 * recall - f1)
    # accuracy = 1 - q (1 - recall) - q recall (1 - precision) / precision, for a share q of events
    share = (1 - accuracy) / ((1 - recall) + recall * (1 - precision) / precision)
    assert share == pytest.approx(PAPER.implied_prevalence, abs=0.005)
