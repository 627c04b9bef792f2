from __future__ import annotations

import pytest

from htcore.evaluation import Bootstrap, Confusion, Interval, ValidationSet, reliability, roc_curve
from htcore.plots import calibration_curve, confusion_matrix, roc, score_distribution
from htcore.plots.palette import translucent
from tests.evaluation.cohort import frame


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


def test_confusion_matrix_shows_counts_and_row_shares() -> None:
    heatmap = confusion_matrix(Confusion(3, 1, 1, 4)).data[0]
    assert list(heatmap.text[0]) == ["4 scans<br>80% of row", "1 scans<br>20% of row"]
    assert list(heatmap.text[1]) == ["1 scans<br>25% of row", "3 scans<br>75% of row"]


def test_distribution_shows_every_scan_in_percent(validation: ValidationSet) -> None:
    figure = score_distribution(validation, 0.4)
    assert sum(len(trace.x) for trace in figure.data) == validation.n_scans
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
