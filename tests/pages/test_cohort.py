from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from htcore.errors import BundleError, CohortError
from htcore.evaluation import PAPER, Bootstrap, ValidationSet, evaluate, operating_point, youden_threshold
from htcore.inference.calibrate import Calibration
from htcore.training.card import CAVEATS
from htcore.types import ModelIdentity
from htcore.ui import session
from htcore.ui.case_pictures import publish
from htcore.ui.cohort import cases
from htcore.ui.cohort.controls import ROC_KEY
from htcore.ui.cohort.data import Cohort, measure
from htcore.ui.cohort.words import shown
from htcore.ui.session import PREVALENCE
from tests.evaluation.cohort import frame
from tests.small_bundle import write_small_bundle

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "cohort.py")
MODEL = ModelIdentity("test-model", "ab" * 32, "simulated cohort", simulated=True)
OWN_THRESHOLD = 0.413
BARE = ["patient_id", "scan_id", "ht", "probability"]


def page_with(
    monkeypatch: pytest.MonkeyPatch, table: pd.DataFrame, section: str | None = None, baselines: bytes | None = None
) -> AppTest:
    bundle = SimpleNamespace(
        validation=table,
        identity=MODEL,
        calibration=Calibration(1.0, 0.0, (), OWN_THRESHOLD, 0.49, n_patients=300, n_scans=300),
        measurement={"baselines.csv": baselines}.get,
        thumbnails=None,
    )
    monkeypatch.setattr(session, "current_bundle", lambda: bundle)
    page = AppTest.from_file(PAGE, default_timeout=30)
    if section is not None:
        page.session_state["cohort-section"] = section
    return page.run()


def texts(page: AppTest) -> str:
    return "\n".join(str(e.value) for e in [*page.markdown, *page.caption, *page.subheader, *page.warning, *page.info])


def source(page: AppTest) -> str:
    """The line that says whose scans these are."""
    return next(str(e.value) for e in page.caption if " patients · " in str(e.value))


def slider(page: AppTest) -> Any:
    return next(s for s in page.slider if s.key.startswith("threshold-"))


def figures(page: AppTest) -> dict[str, str]:
    """The tables of figures on the screen, by name."""
    tables = [found.value for found in page.table if "Figure" in found.value.columns]
    # In these tables Markdown is at work.
    return {re.sub(r"\\(.)", r"\1", row["Figure"]): row.iloc[1] for table in tables for _, row in table.iterrows()}


def test_without_a_model_the_page_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise BundleError("The model is missing: train one.")

    monkeypatch.setattr(session, "current_bundle", missing)
    page = AppTest.from_file(PAGE, default_timeout=20).run()
    assert not page.exception
    assert page.error[0].value == "The model is missing: train one."
    assert not page.slider


def test_page_opens_with_source_model_and_headline(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    page = page_with(monkeypatch, table)
    assert not page.exception and not page.error
    line, told = source(page), texts(page)
    found = evaluate(ValidationSet.from_frame(table), OWN_THRESHOLD)
    auc = found.metrics["auc"]
    assert line.startswith(f"60 patients · 80 scans, {found.n_events} with HT")
    for words in ("split by patient: validation patients", "SIMULATED", "test\\-model", "weights abababababab"):
        assert words in line, words
    assert f"AUC {auc.value:.3f} (95% interval {auc.low:.3f} to {auc.high:.3f})" in told
    assert "Best possible (simulator truth)" in told


def test_page_shows_the_figures_of_the_command_at_the_models_own_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    found = evaluate(ValidationSet.from_frame(table), OWN_THRESHOLD).metrics
    page = page_with(monkeypatch, table)
    told = figures(page)
    assert slider(page).value == pytest.approx(41.3)
    for name, words in (("sensitivity", "Sensitivity"), ("ppv", "Positive predictive value"), ("f1", "F1")):
        assert told[words] == shown(name, found[name])
    assert told["Positive likelihood ratio"] == shown("lr_positive", found["lr_positive"])
    told = figures(page_with(monkeypatch, table, "Risks"))
    assert told["Brier score (0 is best)"] == shown("brier", found["brier"])
    assert told["AUC"] == shown("auc", found["auc"])


def test_slider_moves_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame())
    slider(page).set_value(0.0).run()
    assert not page.exception
    # Of all who bled none is missed: as far as so many patients can tell.
    sensitivity = re.fullmatch(r"100\.0% \((\d+\.\d)% to 100\.0%\)", figures(page)["Sensitivity"])
    assert sensitivity and 80 < float(sensitivity[1]) < 100
    slider(page).set_value(100.0).run()
    assert figures(page)["Positive predictive value"] == "undefined"


def test_presets_set_the_threshold_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    validation = ValidationSet.from_frame(table)
    bootstrap, curve = Bootstrap(validation), measure(table).curve
    page = page_with(monkeypatch, table)
    assert "on these very scans" not in texts(page)
    page.button(key="preset-youden").click().run()
    assert "This threshold was chosen on these very scans" in texts(page)
    best = youden_threshold(curve)
    assert slider(page).value == pytest.approx(100 * best, abs=0.051)
    assert figures(page)["Specificity"] == shown("specificity", operating_point(bootstrap, best).figures["specificity"])
    page.button(key="preset-sensitivity").click().run()
    assert float(figures(page)["Sensitivity"].split("%")[0]) >= 90
    page.number_input(key="cost-ratio").set_value(4.0).run()
    page.button(key="preset-cost").click().run()
    assert slider(page).value == pytest.approx(20.0)
    page.button(key="preset-own").click().run()
    assert figures(page)["F1"] == shown("f1", operating_point(bootstrap, OWN_THRESHOLD).figures["f1"])


def test_a_click_on_the_roc_sets_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    from htcore.ui.cohort import controls

    cohort = Cohort(frame(), "k" * 64, MODEL, "validation", 0.5, simulated=True)
    state: dict[str, Any] = {}
    monkeypatch.setattr(controls.st, "session_state", state)
    for given, expected in (([0.37], 0.37), (0.21, 0.21)):
        state[ROC_KEY] = {"selection": {"points": [{"customdata": given}]}}
        controls.choose_by_roc(cohort)
        exact, widget = controls._keys(cohort)
        assert state[exact] == expected and state[widget] == pytest.approx(100 * expected)
    for nothing in ([], [{}], [{"customdata": None}], [{"customdata": [7.0]}], [{"customdata": []}]):
        state[ROC_KEY] = {"selection": {"points": nothing}}
        controls.choose_by_roc(cohort)
        assert state[exact] == 0.21


def test_prevalence_moves_predictive_values_alone_and_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    page = page_with(monkeypatch, table)
    before = figures(page)
    page.number_input(key="cohort-prevalence").set_value(10.0).run()
    after = figures(page)
    expected = operating_point(Bootstrap(ValidationSet.from_frame(table)), OWN_THRESHOLD, 0.10).figures
    assert after["Positive predictive value where 10.0% have HT"] == shown("ppv", expected["ppv"])
    assert after["Negative predictive value where 10.0% have HT"] == shown("npv", expected["npv"])
    assert {name: after[name] for name in ("Sensitivity", "F1")} == {
        name: before[name] for name in ("Sensitivity", "F1")
    }
    assert page.session_state[PREVALENCE] == pytest.approx(0.10)
    page.button(key="preset-cost").click().run()
    own = table["ht"].mean()
    odds = (1 / 3) / (0.1 / 0.9) * own / (1 - own)
    assert slider(page).value == pytest.approx(100 * odds / (1 + odds), abs=0.051)
    page.number_input(key="cohort-prevalence").set_value(None).run()
    assert PREVALENCE not in page.session_state and "Positive predictive value" in figures(page)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("Risks", "Calibration"),
        ("Usefulness", "Decision curve"),
        ("Subgroups", "Subgroups"),
        ("Cases", "The most confident mistakes"),
        ("Compared", "Not comparable"),
        ("Download", "The whole page"),
    ],
)
def test_every_section_opens_with_a_whole_and_with_a_bare_table(
    monkeypatch: pytest.MonkeyPatch, section: str, words: str
) -> None:
    bare = frame()[BARE]
    for table in (frame(), bare):
        page = page_with(monkeypatch, table, section)
        assert not page.exception and not page.error
        assert words in texts(page)


def test_the_paper_stands_beside_with_intervals_and_why_not_comparable(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame(), "Compared")
    table = page.table[0].value.set_index("Figure")
    assert table["Paper"]["AUC"] == shown("auc", PAPER.metrics["auc"])
    assert len(table) == 4 and "simulated scans; the paper's are of real patients" in texts(page)
    assert f"about {PAPER.implied_prevalence:.0%}" in texts(page)


def test_cases_are_listed_mistakes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    page = page_with(monkeypatch, table, "Cases")
    missed, false, every = (found.value for found in page.dataframe[:3])
    called = table["probability"] >= OWN_THRESHOLD
    wrong = table[(table["ht"] == 1) & ~called]
    assert missed["scan_id"].iloc[0] == wrong.loc[wrong["probability"].idxmin(), "scan_id"]
    wrong = table[(table["ht"] == 0) & called]
    assert false["scan_id"].iloc[0] == wrong.loc[wrong["probability"].idxmax(), "scan_id"]
    assert len(every) == len(table) and "no thumbnails" in texts(page)
    page.button_group(key="cohort-kinds").set_value(["FN"]).run()
    assert set(page.dataframe[2].value["kind"]) == {"FN"}
    page.button_group(key="cohort-kinds").set_value([]).run()
    assert not page.exception and "No scan is of the kinds chosen." in texts(page)


def test_no_case_shows_a_risk_beyond_what_the_calibration_supports(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    table.loc[:1, "probability"] = [0.001, 0.999]
    page = page_with(monkeypatch, table, "Cases")
    shown = convert_arrow_bytes_to_pandas_df(page.dataframe[2].proto.arrow_data.styler.display_values)
    # 300 calibration patients: 0.05 to the power of one in thirty.
    told = dict(zip(shown["scan_id"], shown["probability"], strict=True))
    assert [told[scan] for scan in table["scan_id"][:2]] == ["<10%", ">90%"]
    assert all(10 <= int(cell.strip("<>%")) <= 90 for cell in told.values())
    assert "beyond 10% and 90%" in texts(page)


def pictured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: pd.DataFrame, *, simulated: bool = True
) -> tuple[AppTest, dict[str, str]]:
    """The cases of a bundle with pictures, where it may have any, and the address that each scan's must have."""
    thumbnails = np.arange(len(table), dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), dtype=np.uint8)
    bundle = write_small_bundle(
        tmp_path / "m", validation=table, thumbnails=thumbnails if simulated else None, simulated=simulated
    )
    monkeypatch.setattr(session, "current_bundle", lambda: bundle)
    page = AppTest.from_file(PAGE, default_timeout=30)
    page.session_state["cohort-section"] = "Cases"
    folder = publish(bundle)
    return page.run(), {scan_id: f"{folder}/{row}.png" for row, scan_id in enumerate(table["scan_id"])}


def case_rows(page: AppTest) -> list[pd.DataFrame]:
    """The tables of cases on the screen."""
    return [found.value for found in page.dataframe if "kind" in found.value.columns]


def test_each_case_keeps_its_own_picture_when_scans_are_filtered_and_sorted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fitted = frame(n_patients=3, seed=2).assign(part="calibration", patient_id="C", scan_id=["C1", "C2", "C3", "C4"])
    page, addresses = pictured(monkeypatch, tmp_path, pd.concat([fitted, frame()], ignore_index=True))
    assert not page.exception and "no thumbnails" not in texts(page)
    assert "The pictures are of simulated scans, with the patient's right on the left." in texts(page)
    age = next(s for s in page.slider if s.key.startswith("filter-age"))
    for change in (
        lambda: None,
        lambda: slider(page).set_value(60.0).run(),
        lambda: age.set_range(60.0, age.max).run(),
        lambda: page.button_group(key="cohort-kinds").set_value(["FN"]).run(),
    ):
        change()
        tables = case_rows(page)
        assert len(tables) == 3 and not page.exception
        for rows in tables:
            assert rows.columns[0] == "picture" and "stored_row" not in rows.columns
            assert rows["picture"].tolist() == [addresses[scan_id] for scan_id in rows["scan_id"]]
    assert len(tables[2]) < len(frame()), "nothing was filtered"


def test_cases_of_no_simulated_model_and_of_a_loaded_table_have_no_pictures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page, _ = pictured(monkeypatch, tmp_path / "1", frame(), simulated=False)
    assert all("picture" not in rows.columns for rows in case_rows(page)) and "no thumbnails" in texts(page)
    page, _ = pictured(monkeypatch, tmp_path / "2", frame())
    load(page, frame(seed=8).assign(stored_row=0, picture="https://example.org/x.png").to_csv(index=False).encode())
    assert "source: your file" in source(page) and "no thumbnails" in texts(page)
    assert all({"picture", "stored_row"}.isdisjoint(rows.columns) for rows in case_rows(page))


def test_the_file_of_cases_holds_no_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files: list[Any] = []
    monkeypatch.setattr(cases.st, "download_button", lambda label, data, **_: files.append(data))
    pictured(monkeypatch, tmp_path, frame())
    written = pd.read_csv(StringIO(files[0]()))
    assert set(written["model"]) == {"m"} and set(written["threshold"]) == {0.45}
    assert len(written) == len(frame()) and {"picture", "stored_row"}.isdisjoint(written.columns)


def test_calibration_patients_are_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame(seed=1).assign(part="calibration"))
    assert "flatter the model" in texts(page)


def test_out_of_fold_patients_are_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame(seed=1).assign(part="out-of-fold"))
    told = texts(page)
    assert "60 simulated patients, each predicted by the one network that never saw them, the model ranks" in told
    assert "never trained it" not in told and "flatter the model" not in told
    assert CAVEATS["out-of-fold"] in [warning.value for warning in page.warning]
    assert "split by patient: out-of-fold patients" in source(page)


def test_mixed_tables_are_measured_on_validation_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = frame(seed=2).assign(part="calibration")
    page = page_with(monkeypatch, pd.concat([frame(), fitted.assign(patient_id="C" + fitted["patient_id"])]))
    assert "80 scans" in source(page) and "flatter" not in texts(page)


def test_one_class_is_an_error_not_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame().assign(ht=1))
    assert not page.exception
    assert "Too little to evaluate: all 80 scans have ht 1" in page.error[0].value


def load(page: AppTest, content: bytes) -> None:
    page.file_uploader[0].set_value(("mine.csv", content, "text/csv")).run()


def test_own_predictions_are_evaluated_on_the_spot_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame())
    mine = frame(n_patients=90, seed=8)
    load(page, mine[[*BARE, "age"]].to_csv(index=False).encode())
    assert not page.exception and not page.error
    assert source(page).startswith("90 patients · 120 scans")
    assert "source: your file" in source(page) and "SIMULATED" not in texts(page)
    assert slider(page).value == 50.0
    next(button for button in page.button if "Back" in button.label).click().run()
    assert source(page).startswith("60 patients · 80 scans")


def test_own_predictions_that_hold_the_simulators_truth_are_called_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame(), "Cases")
    assert "is simulated again and scored" in texts(page)
    load(page, frame(n_patients=90, seed=8).to_csv(index=False).encode())
    assert not page.exception and not page.error
    assert "source: your file, SIMULATED scans and outcomes" in source(page)
    assert "90 simulated patients of your file" in texts(page)
    assert any(warning.value.startswith("SIMULATED scans and outcomes") for warning in page.warning)
    assert "A scan can be looked at only where its files are." in texts(page)
    # By this the reports, charts and tables call it so too.
    assert page.session_state["htcore.cohort.own"].simulated is True


def test_own_predictions_of_the_same_scans_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    page = page_with(monkeypatch, table, "Compared")
    worse = table.assign(probability=np.random.default_rng(0).random(len(table)))
    load(page, worse.to_csv(index=False).encode())
    assert "On the first scan of 60 patients that both know" in texts(page)
    load(page, worse.assign(patient_id="other-" + worse["patient_id"]).to_csv(index=False).encode())
    assert "too few of the installed model's validation scans" in texts(page)


@pytest.mark.parametrize("content", [frame().to_csv(index=False).encode(), b"no table"])
def test_a_loaded_file_is_not_kept_by_streamlit(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    gone: list[str] = []
    monkeypatch.setattr(MemoryUploadedFileManager, "remove_file", lambda *named: gone.append(named[-1]))
    load(page_with(monkeypatch, frame()), content)
    assert len(gone) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"patient_id,ht\nA,1\n", "lacks scan_id, probability: add or rename what is missing."),
        (b"patient_id,scan_id,ht,probability\nA,1,0,7\nB,1,x,0.5\n", "Row 1 below the header, column probability"),
        (b"patient_id,scan_id,ht,probability\nA,1,0,.7\nB,1,0,.5\nC,1,0,.5\n", "Too little to evaluate"),
        ("patient_id,scan_id,ht,probability\nÄ,1,0,.7\n".encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_and_the_page_stays(
    monkeypatch: pytest.MonkeyPatch, content: bytes, words: str
) -> None:
    page = page_with(monkeypatch, frame())
    load(page, content)
    assert not page.exception
    assert words in page.error[0].value and "shows what it showed before" in page.error[0].value
    assert source(page).startswith("60 patients · 80 scans")
    page.button(key="dismiss-problem").click().run()
    assert not page.error


def test_other_models_of_the_bundle_stand_beside_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    assert "this model (AUC" not in texts(page_with(monkeypatch, table))
    scores = pd.DataFrame(
        {"scan_id": table["scan_id"], "Age alone": table["age"], "<b>Coin": table["lesion_volume_ml"]}
    )
    page = page_with(monkeypatch, table, baselines=scores.to_csv(index=False).encode())
    assert not page.exception and not page.error
    assert "On the first scan of each of 60 patients this model (AUC" in texts(page)
    assert all(name in texts(page) for name in ("*Age alone*", "*\\<b\\>Coin*"))
    next(s for s in page.slider if s.key.startswith("filter-age")).set_range(75.0, table["age"].max() // 1 + 1).run()
    assert "too few to say which model is better" in texts(page)
    page = page_with(monkeypatch, table, baselines=b"scan_id,Age alone\nS0000,old\n")
    assert not page.exception and not page.error
    assert "Other models are not shown. The table of compared models holds a score that is no number" in texts(page)
    assert source(page).startswith("60 patients · 80 scans")


@pytest.mark.parametrize(("others", "hidden"), [(0, False), (3, False), (4, True)])
def test_hidden_curves_are_told_of_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, others: int, hidden: bool
) -> None:
    table = frame()
    scores = table[["scan_id"]].assign(**{f"Model {k}": table["age"] for k in range(others)})
    page = page_with(monkeypatch, table, baselines=scores.to_csv(index=False).encode() if others else None)
    assert "Click the model's curve to set the threshold there" in texts(page)
    assert ("a grey name of its legend" in texts(page)) is hidden


def test_who_beats_whom_is_said_above_a_table_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(
        {
            "scan_id": table["scan_id"],
            "<b>Coin": rng.random(len(table)),
            "Same": table["probability"],
            "truth (reference)": table["ht"] + 0.01 * table["probability"],
            "3-D network, 47 patients, preparation 1": rng.random(len(table)),
        }
    )
    page = page_with(monkeypatch, table, "Compared", baselines=scores.to_csv(index=False).encode())
    assert not page.exception and not page.error
    current, older, _ = (found.value for found in page.table)
    assert list(current) == ["Model", "AUC (95% interval)", "Difference (95% interval)", "p"]
    assert current["Model"].tolist() == ["\\<b\\>Coin", "Same", "truth \\(reference\\)"]
    assert older["Model"].tolist() == ["3\\-D network, learnt from 47 patients"]
    assert current["p"][0] == "< 0.001" and current["p"][1] == "1.00"
    said = texts(page)
    assert "does **better** than *\\<b\\>Coin*" in said and "**cannot be told apart** from *Same*" in said
    assert "does **worse** than *truth \\(reference\\)* (AUC 1.000, p < 0.001)" in said
    assert "Learnt from images prepared in an older way (preparation 1, this model:" in said
    many = {f"Upside down {number}": -table["probability"] for number in range(3)}
    many["Upside down, 47 patients"] = -table["probability"]
    scores = pd.DataFrame({"scan_id": table["scan_id"], "Same": table["probability"], **many})
    said = texts(page_with(monkeypatch, table, "Compared", baselines=scores.to_csv(index=False).encode()))
    assert "does **better** than 4 of 5 (AUC 0." in said
    assert "each p < 0.001; 1 of them learnt from 47 patients alone)" in said


def one_case(scan_id: str, lesion_volume_ml: float) -> None:
    """A page of one case's button."""
    import pandas as pd

    from htcore.ui.cohort.opening import draw_opening

    case = {"scan_id": scan_id, "lesion_volume_ml": lesion_volume_ml, "ht": 1, "kind": "FN"}
    draw_opening(pd.Series(case), "case", 0.3)


def test_a_chosen_case_is_simulated_again_and_taken_to_the_review_page(monkeypatch: pytest.MonkeyPatch) -> None:
    from htcore.ui.cohort import opening

    asked: list[Any] = []

    def again(scan_id: str, lesion_volume_ml: float) -> bytes:
        asked.append((scan_id, lesion_volume_ml))
        if scan_id == "mine":
            raise CohortError("This is no scan of a simulated cohort: open its files instead.")
        return b"nifti"

    monkeypatch.setattr(opening.services, "simulate_again", again)
    monkeypatch.setattr(opening.session, "take", lambda source, origin: asked.append((source, origin)))
    monkeypatch.setattr(opening.st, "switch_page", asked.append)
    page = AppTest.from_function(one_case, args=("SIM-1-00042-1", 12.5)).run()
    assert "SIM\\-1\\-00042\\-1" in page.button[0].label and "simulated" in page.button[0].label
    page.session_state["htcore.cohort.threshold-x"] = 0.3
    page.button[0].click().run()
    again_of, ([(name, stream)], origin), then = asked
    assert "**bled**" in origin and "**not called** at the threshold of 30.0%" in origin
    assert not page.exception and (again_of, then) == (("SIM-1-00042-1", 12.5), "pages/review.py")
    assert name.endswith(".nii.gz") and stream.getvalue() == b"nifti"
    assert page.session_state["htcore.cohort.threshold-x"] == 0.3
    page = AppTest.from_function(one_case, args=("mine", 12.5)).run()
    page.button[0].click().run()
    assert "no scan of a simulated cohort" in page.error[0].value and asked[3:] == [("mine", 12.5)]
