from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from htcore.errors import UsageError
from htcore.evaluation import (
    Bootstrap,
    Confusion,
    ValidationSet,
    cost_threshold,
    decision_curve,
    evaluate,
    metrics,
    operating_point,
    precision_recall_curve,
    resamples_for,
    roc_curve,
    sensitivity_threshold,
    youden_threshold,
)
from htcore.inference import calibrate
from htcore.ui.cohort.words import shown
from tests.evaluation.cohort import frame


@pytest.fixture(scope="module")
def validation() -> ValidationSet:
    return ValidationSet.from_frame(frame(n_patients=150))


@pytest.fixture(scope="module")
def bootstrap(validation: ValidationSet) -> Bootstrap:
    return Bootstrap(validation, 200)


def table(ht: list[int], probability: list[float]) -> ValidationSet:
    names = [f"P{k}" for k in range(len(ht))]
    return ValidationSet.from_frame(
        pd.DataFrame({"patient_id": names, "scan_id": names, "ht": ht, "probability": probability})
    )


def counted(tp: int, fp: int, fn: int, tn: int) -> ValidationSet:
    return table([1] * tp + [0] * fp + [1] * fn + [0] * tn, [0.9] * (tp + fp) + [0.1] * (fn + tn))


def test_published_worked_example_of_a_diagnostic_test() -> None:
    """Altman and Bland's liver scan (10.1136/bmj.308.6943.1552, 308.6938.1552): 231 of 258 and 54 of 86."""
    point = operating_point(Bootstrap(counted(231, 32, 27, 54), 50), 0.5)
    value = {name: figure.value for name, figure in point.figures.items()}
    assert value["sensitivity"] == pytest.approx(0.90, abs=0.005)
    assert value["specificity"] == pytest.approx(0.63, abs=0.005)
    assert value["ppv"] == pytest.approx(0.88, abs=0.005)
    assert value["npv"] == pytest.approx(0.67, abs=0.005)
    assert value["lr_positive"] == pytest.approx((231 / 258) / (32 / 86))
    assert value["lr_negative"] == pytest.approx((27 / 258) / (54 / 86))
    assert point.confusion == Confusion(231, 32, 27, 54)
    assert point.prevalence == pytest.approx(0.75)


def test_published_worked_example_at_another_prevalence() -> None:
    """The same test where a quarter has the disease (10.1136/bmj.309.6947.102): PPV 0.45, NPV 0.95."""
    point = operating_point(Bootstrap(counted(231, 32, 27, 54), 50), 0.5, prevalence=0.25)
    assert point.figures["ppv"].value == pytest.approx(0.45, abs=0.005)
    assert point.figures["npv"].value == pytest.approx(0.95, abs=0.005)


def test_own_prevalence_changes_nothing_and_another_moves_predictive_values_alone(bootstrap: Bootstrap) -> None:
    plain = operating_point(bootstrap, 0.4)
    same = operating_point(bootstrap, 0.4, plain.prevalence)
    rare = operating_point(bootstrap, 0.4, 0.05)
    for name, figure in plain.figures.items():
        assert same.figures[name].value == pytest.approx(figure.value), name
        assert (rare.figures[name] == figure) is (name not in {"ppv", "npv"}), name
    assert rare.figures["ppv"].value < plain.figures["ppv"].value
    assert rare.figures["npv"].value > plain.figures["npv"].value
    assert rare.figures["ppv"].low < rare.figures["ppv"].value < rare.figures["ppv"].high


def test_lookup_agrees_with_counting_at_every_threshold_and_resample(validation: ValidationSet) -> None:
    rounded = ValidationSet(validation.patient, validation.labels, np.round(validation.probability, 1))
    bootstrap = Bootstrap(rounded, 30)
    for threshold in (0.0, 0.1, 0.35, 0.5, 1.0):
        expected = metrics.at_threshold(rounded.labels, rounded.probability, threshold, bootstrap._weights)
        tp, fp, events, others = bootstrap.called(np.array([threshold]))
        found = metrics.of_cells(tp[:, 0], fp[:, 0], events - tp[:, 0], others - fp[:, 0])
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=f"{name} at {threshold}")


def test_figures_agree_with_scikit_learn(validation: ValidationSet, bootstrap: Bootstrap) -> None:
    y, called = validation.labels, validation.probability >= 0.4
    value = {name: figure.value for name, figure in operating_point(bootstrap, 0.4).figures.items()}
    positive, negative = sk.class_likelihood_ratios(y, called)
    assert value["lr_positive"] == pytest.approx(positive)
    assert value["lr_negative"] == pytest.approx(negative)
    assert value["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y, called))
    assert value["accuracy"] == pytest.approx(sk.accuracy_score(y, called))


def test_page_and_command_give_the_same_figures(validation: ValidationSet, bootstrap: Bootstrap) -> None:
    told = evaluate(validation, 0.37, bootstrap=bootstrap).metrics
    point = operating_point(bootstrap, 0.37).figures
    shared = set(told) & set(point)
    assert shared >= {"sensitivity", "specificity", "ppv", "npv", "lr_positive", "balanced_accuracy"}
    for name in shared:
        assert told[name] == point[name], name


def test_undefined_figures_are_nan_and_their_intervals_too() -> None:
    nobody = operating_point(Bootstrap(counted(3, 1, 1, 4), 20), 1.0).figures
    for name in ("ppv", "lr_positive", "net_benefit"):
        assert np.isnan([nobody[name].value, nobody[name].low, nobody[name].high]).all(), name
    assert nobody["specificity"].value == 1.0 and nobody["npv"].value == pytest.approx(5 / 9)


def test_perfect_separation_and_three_patients() -> None:
    figures = operating_point(Bootstrap(table([1, 0, 0], [0.9, 0.2, 0.1]), 100), 0.5).figures
    assert figures["sensitivity"].value == figures["specificity"].value == figures["ppv"].value == 1.0
    assert figures["lr_negative"].value == 0.0 and np.isnan(figures["lr_positive"].value)
    # A resample of three may hold no event: it gives no sensitivity, the others are all 1. One patient shows little.
    assert (figures["sensitivity"].low, figures["sensitivity"].high) == (pytest.approx(0.025), 1.0)
    assert figures["net_benefit"].value == pytest.approx(1 / 3)


def test_one_false_alarm_leaves_the_likelihood_ratio_without_upper_limit() -> None:
    # Of 100 without HT one is called: every third resample or so draws it not once, and has an infinite ratio.
    labels = np.arange(200) < 100
    called = np.where(labels, np.arange(200) % 3 == 0, np.arange(200) == 150)
    bootstrap = Bootstrap(ValidationSet(np.arange(200), labels, np.where(called, 0.8, 0.2)))
    found = bootstrap.at_threshold(0.5)["lr_positive"]
    assert found.value == pytest.approx(34.0) and found.high == np.inf and 5 < found.low < 20
    assert shown("lr_positive", found).endswith("to ∞)")


def test_shares_of_none_and_all_have_the_exact_interval_of_so_many_patients() -> None:
    # Four patients who bled, two scans each, none called; six who did not, none called: Clopper and Pearson's 0 of 4
    # is 0 to 60.2%, 6 of 6 is 54.1% to 100% (their tables of 1934, and any calculator).
    rows = [(f"p{i}", f"p{i}-{k}", int(i < 4), 0.1 + 0.01 * i) for i in range(10) for k in range(2)]
    table = pd.DataFrame(rows, columns=["patient_id", "scan_id", "ht", "probability"])
    found = Bootstrap(ValidationSet.from_frame(table)).at_threshold(0.5)
    sensitivity, specificity = found["sensitivity"], found["specificity"]
    assert (sensitivity.value, sensitivity.low) == (0.0, 0.0) and sensitivity.high == pytest.approx(0.602, abs=5e-4)
    assert (specificity.value, specificity.high) == (1.0, 1.0) and specificity.low == pytest.approx(0.541, abs=5e-4)
    elsewhere = operating_point(Bootstrap(ValidationSet.from_frame(table)), 0.105, 0.2).figures
    assert elsewhere["npv"].value < 1.0 and elsewhere["npv"].low < elsewhere["npv"].high
    perfect = table.assign(probability=table["ht"])
    ranked = Bootstrap(ValidationSet.from_frame(perfect)).auc()
    # Four pairs that share no patient, all in order: 4 of 4 is 39.8% to 100%.
    assert (ranked.value, ranked.high) == (1.0, 1.0) and ranked.low == pytest.approx(0.398, abs=5e-4)
    elsewhere = operating_point(Bootstrap(ValidationSet.from_frame(perfect)), 0.5, 0.2).figures
    assert elsewhere["ppv"].value == 1.0 and 0.1 < elsewhere["ppv"].low < 0.6


def test_impossible_requests_are_refused(bootstrap: Bootstrap) -> None:
    for prevalence in (0.0, 1.0, -0.2, float("nan")):
        with pytest.raises(UsageError, match="prevalence"):
            operating_point(bootstrap, 0.5, prevalence)
    with pytest.raises(UsageError, match="threshold"):
        operating_point(bootstrap, 1.2)
    for ratio in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="cost"):
            cost_threshold(ratio)


def test_net_benefit_by_hand() -> None:
    """Of 9 scans 3 found and 1 false, a false one weighing 0.25 / 0.75."""
    validation = counted(3, 1, 1, 4)
    point = operating_point(Bootstrap(validation, 20), 0.25)
    assert point.figures["net_benefit"].value == pytest.approx(3 / 9 - 1 / 9 / 3)
    curve = decision_curve(Bootstrap(validation, 20), np.array([0.05, 0.25, 0.95]))
    assert curve.model[1] == pytest.approx(3 / 9 - 1 / 9 / 3)
    assert curve.treat_all[1] == pytest.approx(4 / 9 - 5 / 9 / 3)
    # Below the lowest score the model calls every scan, above the highest none.
    assert curve.model[0] == pytest.approx(curve.treat_all[0])
    assert curve.model[2] == 0.0


def test_decision_curve_agrees_with_counting_by_scikit_learn(validation: ValidationSet, bootstrap: Bootstrap) -> None:
    curve = decision_curve(bootstrap)
    y, p = validation.labels, validation.probability
    for threshold, benefit in zip(curve.thresholds[::7], curve.model[::7], strict=True):
        _, fp, _, tp = sk.confusion_matrix(y, p >= threshold).ravel()
        assert benefit == pytest.approx((tp - fp * threshold / (1 - threshold)) / y.size)
    assert (curve.low <= curve.high).all()
    assert ((curve.low - 1e-12 <= curve.model) & (curve.model <= curve.high + 1e-12)).mean() > 0.95


def test_precision_recall_agrees_with_scikit_learn(validation: ValidationSet) -> None:
    for scores in (validation.probability, np.round(validation.probability, 1)):
        curve = precision_recall_curve(validation.labels, scores)
        precision, recall, cuts = sk.precision_recall_curve(validation.labels, scores)
        np.testing.assert_allclose(curve.thresholds, cuts[::-1])
        np.testing.assert_allclose(curve.precision, precision[-2::-1])
        np.testing.assert_allclose(curve.sensitivity, recall[-2::-1])
        assert curve.base_rate == pytest.approx(validation.labels.mean()) == pytest.approx(curve.precision[-1])


def test_youden_is_the_bundles_own_rule(validation: ValidationSet) -> None:
    y, p = validation.labels, validation.probability
    for scores in (p, np.round(p, 1)):
        found = youden_threshold(roc_curve(y, scores))
        assert found == pytest.approx(calibrate.youden_threshold(scores, y.astype(float)))


def test_sensitivity_preset_is_the_highest_threshold_that_reaches_it(validation: ValidationSet) -> None:
    curve = roc_curve(validation.labels, validation.probability)
    found = sensitivity_threshold(curve, 0.9)
    events = np.sort(validation.probability[validation.labels])[::-1]
    needed = int(np.ceil(0.9 * events.size))
    assert (events >= found).sum() == needed
    assert ((events >= events[needed - 2]).sum()) < needed
    assert sensitivity_threshold(curve, 1.0) <= events[-1]


def test_cost_preset_minimises_the_expected_cost_of_a_calibrated_probability() -> None:
    assert cost_threshold(1.0) == 0.5 and cost_threshold(4.0) == pytest.approx(0.2)
    rng = np.random.default_rng(3)
    risk = rng.random(200_000)
    ht = rng.random(risk.size) < risk
    cuts = np.linspace(0.02, 0.98, 49)
    costs = [4 * (ht & (risk < cut)).sum() + (~ht & (risk >= cut)).sum() for cut in cuts]
    assert cuts[int(np.argmin(costs))] == pytest.approx(cost_threshold(4.0), abs=0.03)


def test_one_point_where_all_scores_are_equal() -> None:
    curve = roc_curve(np.array([True, False, True]), np.full(3, 0.4))
    assert youden_threshold(curve) == 0.4 and sensitivity_threshold(curve, 0.9) == 0.4


def test_intervals_are_of_patients() -> None:
    once = frame(n_patients=80).drop_duplicates("patient_id")
    copies = pd.concat([once.assign(scan_id=once["scan_id"] + suffix) for suffix in "ab"], ignore_index=True)
    single, double = (
        operating_point(Bootstrap(ValidationSet.from_frame(part)), 0.5, 0.2).figures for part in (once, copies)
    )
    for name, figure in single.items():
        assert double[name].low == pytest.approx(figure.low), name
        assert double[name].high == pytest.approx(figure.high), name


def test_resamples_are_fewer_where_scans_are_many() -> None:
    assert [resamples_for(n) for n in (3, 613, 10_000, 100_000, 2_000_000)] == [2000, 2000, 2000, 200, 100]


def test_a_threshold_of_many_scans_is_a_lookup() -> None:
    """Looked up, not counted: a thousandth of the work. The bound is loose, the machine may be busy."""
    validation = ValidationSet.from_frame(frame(n_patients=15_000))
    bootstrap = Bootstrap(validation, 100)
    bootstrap.called(np.array([0.5]))
    start = time.perf_counter()
    for threshold in (0.1, 0.4, 0.7):
        operating_point(bootstrap, threshold)
    assert (time.perf_counter() - start) / 3 < 0.1
