from __future__ import annotations

from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from htcore.errors import BundleError
from htcore.evaluation import ValidationSet, evaluate
from htcore.types import ModelIdentity
from htcore.ui import session
from htcore.ui.cohort_view import metrics_csv
from tests.evaluation.cohort import frame

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "cohort.py")
MODEL = ModelIdentity("test-model", "ab" * 32, "simulated cohort", simulated=True)


def page_with(monkeypatch: pytest.MonkeyPatch, table: pd.DataFrame) -> AppTest:
    bundle = SimpleNamespace(
        validation=table, identity=MODEL, calibration=SimpleNamespace(threshold=0.413, prevalence=0.49)
    )
    monkeypatch.setattr(session, "current_bundle", lambda: bundle)
    return AppTest.from_file(PAGE, default_timeout=30).run()


def texts(page: AppTest) -> str:
    return "\n".join(str(e.value) for e in [*page.markdown, *page.caption, *page.subheader, *page.warning])


def test_without_a_model_the_page_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise BundleError("The model is missing: train one.")

    monkeypatch.setattr(session, "current_bundle", missing)
    page = AppTest.from_file(PAGE, default_timeout=20).run()
    assert not page.exception
    assert page.error[0].value == "The model is missing: train one."
    assert not page.slider


def test_page_shows_figures_source_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    page = page_with(monkeypatch, table)
    assert not page.exception and not page.error
    shown = texts(page)
    auc = evaluate(ValidationSet.from_frame(table), 0.5).metrics["auc"]
    assert f"AUC {auc.value:.3f} (95% interval {auc.low:.3f} to {auc.high:.3f})" in shown
    assert "SIMULATED" in shown and "Not comparable" in shown and "about 67%" in shown
    assert "abababababab" in shown and "test\\-model" in shown
    assert "Best possible (simulator truth)" in shown
    assert [metric.value for metric in page.metric][:2] == ["60", "80"]
    assert page.dataframe[0].value["Paper"][0] == "0.842 (0.758 to 0.921)"


def test_slider_starts_at_the_models_threshold_and_moves_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame())
    assert page.slider[0].value == pytest.approx(41.3)
    page.slider[0].set_value(0.0).run()
    assert not page.exception
    sensitivity = page.dataframe[0].value.set_index("Figure")["This model"]["Sensitivity"]
    assert sensitivity == "100.0% (100.0% to 100.0%)"
    page.slider[0].set_value(100.0).run()
    assert "undefined" in set(page.dataframe[1].value["Value (95% interval)"])


def test_calibration_patients_are_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame(seed=1).assign(part="calibration"))
    assert "flatter the model" in texts(page)


def test_mixed_tables_are_measured_on_validation_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = frame(seed=2).assign(part="calibration")
    page = page_with(monkeypatch, pd.concat([frame(), fitted.assign(patient_id="C" + fitted["patient_id"])]))
    assert page.metric[1].value == "80" and "flatter" not in texts(page)


def test_one_class_is_an_error_not_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame().assign(ht=1))
    assert not page.exception
    assert "Too little to evaluate" in page.error[0].value


def test_download_carries_figures_and_source() -> None:
    found = evaluate(ValidationSet.from_frame(frame()), 0.4, n_resamples=20)
    table = pd.read_csv(StringIO(metrics_csv(found, MODEL)))
    assert set(table["metric"]) == set(found.metrics)
    assert set(table["scans"]) == {"simulated"} and set(table["threshold"]) == {0.4}
