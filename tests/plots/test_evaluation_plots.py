from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from htcore.evaluation import (
    Bootstrap,
    Confusion,
    Interval,
    Subgroup,
    ValidationSet,
    decision_curve,
    operating_point,
    precision_recall_curve,
    reliability,
    roc_curve,
)
from htcore.plots import (
    FlowRow,
    calibration_curve,
    confusion_matrix,
    decision,
    flow,
    forest,
    precision_recall,
    roc,
    score_distribution,
)
from htcore.plots.palette import translucent
from htcore.plots.roc import short_names
from htcore.plots.thin import thinned
from tests.evaluation.cohort import frame

EMPTY = Interval(float("nan"), float("nan"), float("nan"))


@pytest.fixture(scope="module")
def validation() -> ValidationSet:
    return ValidationSet.from_frame(frame())


def test_roc_shows_band_chance_ceiling_model_and_operating_point(validation: ValidationSet) -> None:
    curve = roc_curve(validation.labels, validation.probability, Bootstrap(validation, 20))
    oracle = roc_curve(validation.labels, validation.columns["p_ht_image"])
    figure = roc(curve, Interval(0.8, 0.7, 0.9), Confusion(3, 1, 1, 4), oracle)
    traces = {trace.name: trace for trace in figure.data}
    assert (traces["chosen threshold"].x[0], traces["chosen threshold"].y[0]) == (0.2, 0.75)
    assert "model, AUC 0.800 (0.700 to 0.900)" in traces
    assert any(name.startswith("best possible (simulator truth)") for name in traces)
    assert {"95% band", "chance"} <= traces.keys()
    assert (
        len(
            roc(
                roc_curve(validation.labels, validation.probability), Interval(0.8, 0.7, 0.9), Confusion(3, 1, 1, 4)
            ).data
        )
        == 3
    )


def test_confusion_matrix_shows_counts_and_shares_of_row_and_column() -> None:
    heatmap = confusion_matrix(Confusion(3, 1, 1, 4)).data[0]
    assert heatmap.text[0][0] == "<b>4 scans</b><br>80% of row<br>80% of column"
    assert heatmap.text[1][1] == "<b>3 scans</b><br>75% of row<br>75% of column"
    assert heatmap.texttemplate == "%{text}" and all("rgba" not in colour for _, colour in heatmap.colorscale)
    assert heatmap.text[1][0] == "<b>1 scan</b><br>25% of row<br>20% of column"


def test_confusion_matrix_rounds_nothing_to_none_or_all() -> None:
    text = confusion_matrix(Confusion(0, 0, 1, 400)).data[0].text
    assert text[0] == [
        "<b>400 scans</b><br>100% of row<br>over 99% of column",
        "<b>0 scans</b><br>0% of row<br>none of column",
    ]
    text = confusion_matrix(Confusion(300, 0, 1, 9)).data[0].text
    assert text[1] == [
        "<b>1 scan</b><br>under 1% of row<br>10% of column",
        "<b>300 scans</b><br>over 99% of row<br>100% of column",
    ]


def test_distribution_shows_every_scan_in_percent(validation: ValidationSet) -> None:
    figure = score_distribution(validation, 0.4)
    assert sum(trace.y.sum() for trace in figure.data) == validation.n_scans
    assert figure.layout.shapes[0].x0 == pytest.approx(40)


def test_calibration_curve_shows_groups_with_intervals(validation: ValidationSet) -> None:
    groups = reliability(validation)
    trace = calibration_curve(groups).data[1]
    assert trace.y == pytest.approx(100 * groups.observed)
    assert trace.y + trace.error_y.array == pytest.approx(100 * groups.high)


def test_axes_have_units_and_the_ground_is_clear(validation: ValidationSet) -> None:
    for figure in (score_distribution(validation, 0.5), calibration_curve(reliability(validation))):
        assert "%" in figure.layout.xaxis.title.text and "can" in figure.layout.yaxis.title.text
        assert figure.layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_translucent() -> None:
    assert translucent("#0072B2", 0.5) == "rgba(0,114,178,0.5)"


def test_points_of_the_roc_carry_thresholds_that_json_can_hold(validation: ValidationSet) -> None:
    curve = roc_curve(validation.labels, validation.probability)
    trace = next(t for t in roc(curve, Interval(0.8, 0.7, 0.9), Confusion(3, 1, 1, 4)).data if "model" in t.name)
    assert trace.customdata[0] == 1.0 and np.isfinite(trace.customdata).all()
    np.testing.assert_array_equal(trace.customdata[1:], curve.thresholds[1:])
    assert "markers" in trace.mode


def test_a_long_curve_is_thinned_and_keeps_its_ends_and_shape() -> None:
    x = np.linspace(0, 1, 50_001) ** 3
    y = np.sqrt(x)
    kept = thinned(x, y)
    assert kept[0] == 0 and kept[-1] == x.size - 1 and kept.size <= 600
    assert np.abs(np.interp(x, x[kept], y[kept]) - y).max() < 0.005
    assert thinned(x[:10], y[:10]).tolist() == list(range(10))


def test_decision_curve_shows_model_all_none_and_threshold(validation: ValidationSet) -> None:
    curve = decision_curve(Bootstrap(validation, 20))
    figure = decision(curve, 0.4)
    traces = {trace.name: trace for trace in figure.data}
    assert traces["call by the model"].y == pytest.approx(100 * curve.model)
    assert traces["call every scan"].y == pytest.approx(100 * curve.treat_all)
    assert traces["call none"].y == (0, 0)
    assert figure.layout.shapes[0].x0 == pytest.approx(40)
    assert figure.layout.yaxis.range[1] >= 100 * curve.model.max()


def test_precision_recall_marks_the_chosen_point_where_there_is_one(validation: ValidationSet) -> None:
    bootstrap = Bootstrap(validation, 20)
    curve = precision_recall_curve(validation.labels, validation.probability)
    point = operating_point(bootstrap, 0.5)
    marked = precision_recall(curve, Interval(0.7, 0.6, 0.8), point).data[-1]
    assert (marked.x[0], marked.y[0]) == (point.figures["sensitivity"].value, point.figures["ppv"].value)
    nobody = precision_recall(curve, Interval(0.7, 0.6, 0.8), operating_point(bootstrap, 1.0))
    assert "chosen threshold" not in [trace.name for trace in nobody.data]


def test_forest_greys_small_parts_and_leaves_out_those_without_an_auc() -> None:
    parts = [
        Subgroup("Age under 60 years", 50, 60, 25, Interval(0.8, 0.7, 0.9), "Age"),
        Subgroup("Age 60 and over years", 50, 60, 19, Interval(0.7, 0.5, 0.9), "Age"),
        Subgroup("Side left", 50, 60, 45, Interval(0.6, 0.5, 0.7), "Side"),
        Subgroup("Side right", 5, 6, 0, EMPTY, "Side"),
    ]
    steady, unsteady = forest(parts, Interval(0.75, 0.7, 0.8)).data
    assert [label.split(" · ")[0] for label in steady.y] == ["Age under 60 years"]
    assert [label.split(" · ")[0] for label in unsteady.y] == ["Age 60 and over years", "Side left"]
    assert steady.y[0].endswith("60 scans, 25 HT")
    assert steady.error_x.array[0] == pytest.approx(0.1)


def test_flow_draws_every_box_and_exclusion() -> None:
    figure = flow([FlowRow(("100 scans",), "3 left out"), FlowRow(("70 train", "27 calibrate"))])
    assert [note.text for note in figure.layout.annotations] == ["100 scans", "3 left out", "70 train", "27 calibrate"]
    assert sum(shape.type == "rect" for shape in figure.layout.shapes) == 4


def test_other_models_differ_by_more_than_colour(validation: ValidationSet) -> None:
    curve = roc_curve(validation.labels, validation.probability)
    others = {f"model {k}": curve for k in range(12)}
    figure = roc(curve, Interval(0.8, 0.7, 0.9), Confusion(3, 1, 1, 4), None, others)
    lines = {trace.name: trace.line for trace in figure.data}
    drawn = [lines[name] for name in others]
    assert len({(line.color, line.dash) for line in drawn}) == 12
    assert all(before.dash != after.dash for before, after in pairwise(drawn))
    assert {line.width for line in drawn} == {1.5}
    assert [trace.visible for trace in figure.data if trace.name in others] == [True] * 3 + ["legendonly"] * 9


def test_names_in_the_legend_are_short_and_still_differ() -> None:
    names = ["radiomics, regression", "network, mean, 474 patients", "network, maximum, 474 patients", "a", "a, b"]
    assert short_names(names) == ["radiomics", "network, mean", "network, maximum", "a", "a, b"]


@pytest.mark.parametrize("n_others", [0, 7, 12])
def test_no_name_in_the_legend_takes_height_from_the_roc(validation: ValidationSet, n_others: int) -> None:
    curve = roc_curve(validation.labels, validation.probability, Bootstrap(validation, 20))
    others = {f"model {k}": curve for k in range(n_others)}
    layout = roc(curve, Interval(0.8, 0.7, 0.9), Confusion(3, 1, 1, 4), curve, others).layout
    plot_px = layout.height - layout.margin.t - layout.margin.b
    # A line of a legend takes 19 pixels in a browser.
    assert plot_px >= 380 and layout.margin.b >= 50 + 19 * (5 + n_others)
    assert layout.legend.orientation == "v" and layout.legend.y * plot_px == pytest.approx(-50)


@pytest.mark.parametrize("low", [0.02, 0.2, 0.6])
def test_the_axis_of_the_forest_holds_every_interval(low: float) -> None:
    parts = [Subgroup("Sex F", 50, 60, 25, Interval(low + 0.05, low, 1.0)), Subgroup("Sex M", 5, 6, 0, EMPTY)]
    left, right = forest(parts, Interval(0.7, 0.65, 0.75)).layout.xaxis.range
    assert left < min(low, 0.5) and right > 1
