from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scipy.special import expit, logit
from streamlit.testing.v1 import AppTest

from htcore import services
from htcore.errors import ReadError
from htcore.inference.clinical import ClinicalModel
from htcore.types import Familiarity, Finding, ModelIdentity, NearCase, QualityReport, RegionContribution, SeriesRecord
from htcore.ui import session, tab
from htcore.ui.notice import RESEARCH_NOTICE
from htcore.ui.review import downloads, origin
from htcore.ui.review.patient import joined
from htcore.ui.review.risk import BOUNDS
from htcore.ui.server import Kept, ServedStudy
from tests.pages.review_stage import (
    PAGE,
    UPLOAD,
    assessing,
    fail_with,
    finished,
    press,
    texts,
    upload,
    with_bundle,
)
from tests.small_bundle import write_small_bundle
from tests.ui.opened import refused, scored


def test_empty_page_asks_for_a_scan(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert page.title[0].value == "Review a scan"
    assert len(page.file_uploader) == 2
    assert not page.error


def test_scored_study_shows_risk_words_notice_and_reasons(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = assessing(monkeypatch, scored)
    upload(page)
    assert not page.exception
    assert [name for name, _ in sources[0]] == ["scan.dcm"]
    shown = texts(page)
    assert "about 62 go on to bleed (interval 48 to 74)" in shown
    assert RESEARCH_NOTICE in shown
    assert "42 mL for acute infarct, on the patient's left" in shown
    assert "Simulated study" in shown
    assert [warning.value for warning in page.warning] == [r"Slices are thick\."]


def test_the_receipt_tells_of_the_series_as_the_files_to_take_along_do(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = (SeriesRecord(1, "CT", 10, True, "the only volume"),)
    assessing(monkeypatch, lambda: replace(scored(), receipt=replace(scored().receipt, series=series)))
    upload(page)
    assert page.dataframe[0].value["Why"].tolist() == ["the only volume"]
    assert "12 mm thick" in texts(page)


def test_uploaded_bytes_are_dropped_once_scored(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = assessing(monkeypatch, scored)
    upload(page)
    assert all(not uploader.value for uploader in page.file_uploader)
    page.run()
    assert len(sources) == 1


def test_refused_study_shows_the_reason_and_no_risk(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, refused)
    upload(page)
    assert not page.exception
    assert any("10 slices are too few" in error.value for error in page.error)
    assert "go on to bleed" not in texts(page)
    assert not page.get("plotly_chart")


def test_error_is_a_sentence_and_the_page_goes_on_working(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, fail_with(ReadError("No image was found: export the series again.")))
    upload(page)
    assert not page.exception
    assert page.error[0].value == "No image was found: export the series again."
    assessing(monkeypatch, scored)
    upload(page)
    assert not page.error
    assert "about 62" in texts(page)


def test_a_bug_shows_no_trace_and_logs_no_content(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assessing(monkeypatch, fail_with(ValueError("DOE^JANE")))
    upload(page)
    assert not page.exception
    assert "DOE" not in page.error[0].value
    assert "ValueError" in caplog.text
    assert "DOE" not in caplog.text


def test_each_input_is_a_source_of_its_own(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = assessing(monkeypatch, scored)
    upload(page)
    page.file_uploader[0].set_value([("other.dcm", b"other", "application/dicom")])
    finished(page.run())
    assert [[name for name, _ in source] for source in sources] == [["scan.dcm"], ["other.dcm"]]


def test_an_example_clicked_is_scored(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("examples") / "one.zip"
    monkeypatch.setattr(services, "example_studies", lambda: (services.ExampleStudy("one", "One", path),))
    sources = assessing(monkeypatch, scored)
    page.run()
    next(button for button in page.button if button.key == "example-one").click()
    finished(page.run())
    assert sources == [path]
    assert "about 62" in texts(page)


def test_nothing_of_the_last_study_is_left_where_the_next_fails(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, scored)
    upload(page)
    assessing(monkeypatch, fail_with(ReadError("No image was found: export the series again.")))
    upload(page)
    assert "go on to bleed" not in texts(page)
    assert "htcore.assessment" not in page.session_state
    assert len(page.error) == 1


def test_the_result_can_be_hidden_and_stays_hidden(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, scored)
    upload(page)
    press(page, "Hide the result")
    page.run()
    assert not page.exception
    for word in ("62", "bleed", "infarct", "insula", "test-model"):
        assert word not in texts(page)
    assert not page.get("plotly_chart")
    assert not page.get("arrow_data_frame")
    upload(page)
    assert "about 62" not in texts(page)
    press(page, "Show the result")
    page.run()
    assert "about 62" in texts(page)


@pytest.mark.parametrize("part", [*BOUNDS, "validation"])
def test_what_bounds_the_scans_compared_with_is_said(page: AppTest, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    assessing(monkeypatch, scored)
    with_bundle(monkeypatch, part=part)
    upload(page)
    assert not page.exception
    assert [text for text in BOUNDS.values() if text in texts(page)] == ([BOUNDS[part]] if part in BOUNDS else [])


def test_prevalence_moves_risk_sentence_threshold_and_predictive_values(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assessing(monkeypatch, scored)
    with_bundle(monkeypatch)
    upload(page)
    assert not page.exception
    shown = texts(page)
    # 20 of 60 like scans bled; at the threshold of 0.6, 20 of 40 that bled are called and 40 of 60 others are not.
    assert "What was observed: of 100 simulated validation scans that scored like this one" in shown
    assert "weighed" not in shown
    assert "about 33 went on to bleed" in shown and "n = 60 scans of 60 patients, 20 with HT" in shown
    assert "Where 49% bleed" in shown and "sensitivity 50% (" in shown and "specificity 67% (" in shown
    page.get("button_group")[0].set_value("unselected").run()
    assert not page.exception
    assert page.session_state[session.PREVALENCE] == 0.27
    shown = texts(page)
    assert "Where 27% bleed" in shown and "where 27 of 100 bleed in all" in shown
    # Odds times (0.27 / 0.73) / (0.49 / 0.51) = 0.385: the threshold's 1.5 become 0.577. Of the validation scans 40%
    # bled: the like scans' 0.5 times (0.27 / 0.73) / (0.4 / 0.6) become 0.277.
    assert (
        "its threshold of 37%" in shown
        and "weighed as where 27% bleed" in shown
        and "about 22 went on to bleed" in shown
    )
    page.get("button_group")[0].set_value("own").run()
    page.number_input[0].set_value(90).run()
    assert page.session_state[session.PREVALENCE] == 0.9
    assert "Where 90% bleed" in texts(page)
    # The cohort page takes shares beyond this one's field.
    page.session_state[session.PREVALENCE] = 0.005
    page.run()
    assert not page.exception and "Where under 1% bleed" in texts(page)
    page.get("button_group")[0].set_value("model").run()
    assert session.PREVALENCE not in page.session_state
    assert "Where 49% bleed" in texts(page)


def test_another_models_bundle_does_not_move_this_ones_risk(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, scored)
    other = SimpleNamespace(identity=ModelIdentity("other", "cd" * 32, "", simulated=True))
    monkeypatch.setattr(session, "bundle_named", lambda _: other)
    page.session_state[session.PREVALENCE] = 0.27
    upload(page)
    assert not page.exception
    assert "about 62" in texts(page) and not page.get("button_group")


def test_a_model_chosen_for_the_next_scan_leaves_the_open_ones_result_alone(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assessing(monkeypatch, scored)
    with_bundle(monkeypatch)
    page.session_state[session.PREVALENCE] = 0.27
    upload(page)
    before = texts(page)
    asked: list[str] = []
    named = session.bundle_named
    monkeypatch.setattr(session, "bundle_named", lambda model: asked.append(model) or named(model))
    page.session_state["htcore.model"] = "another-model"
    page.run()
    assert not page.exception and set(asked) == {"test-model"} and texts(page) == before


def test_a_reloaded_tab_keeps_its_model_which_the_box_then_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        write_small_bundle(tmp_path / name)
    monkeypatch.setenv("HTCORE_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("HTCORE_DEFAULT_MODEL", "first")
    served = ServedStudy(scored(), None)
    served.kept = Kept(model="second")
    monkeypatch.setattr(session, "reclaim", lambda _: served)
    answer: dict[str, str] = {}
    monkeypatch.setattr(tab, "_component", lambda: lambda **_: answer)
    page = AppTest.from_file(PAGE, default_timeout=20).run()
    assert page.selectbox(key="model-choice").value == "first"
    # The browser tells the claim once the page is drawn.
    answer["claim"] = "claim"
    page.run()
    for _ in range(2):
        assert not page.exception and "about 62" in texts(page)
        assert page.selectbox(key="model-choice").value == page.session_state["htcore.model"] == "second"
        page.run()
    page.selectbox(key="model-choice").set_value("first").run()
    assert page.selectbox(key="model-choice").value == page.session_state["htcore.model"] == "first"


def test_regions_are_named_in_words_and_mirrored_at_the_shown_prevalence(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = scored()
    assert opened.evidence is not None
    regions = (
        RegionContribution("insula", "left", 0.8, 0.38),
        RegionContribution("brainstem", "midline", -0.1, 0.7),
        RegionContribution("M5", "left", 0.3, None),
        RegionContribution("M1", "right", 0.01, 0.61),
    )
    assessing(monkeypatch, lambda: replace(opened, evidence=replace(opened.evidence, regions=regions)))
    with_bundle(monkeypatch)
    upload(page)
    assert not page.exception
    assert "If the left insula looked like its mirror image: 62% → 38%." in texts(page)
    assert "If the brainstem looked" in texts(page)
    # The left's 0.8 and 0.3 taken from the logit of −0.1, calibrated: expit(1.2 · −1.2 − 0.1).
    assert "If the whole left side looked like its mirror image: 62% → 18%." in texts(page)
    assert "The parts work together: what each does alone does not add up." in texts(page)
    assert "left M5 looked" not in texts(page) and "right M1 looked" not in texts(page)
    page.get("button_group")[0].set_value("unselected").run()
    # 0.38 has odds 0.613, times 0.385 is 0.236.
    assert "→ 19%." in texts(page) and "→ 38%." not in texts(page)


def test_a_change_of_one_percentage_point_is_not_told(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = scored()
    assert opened.evidence is not None and opened.risk is not None
    evidence = replace(opened.evidence, regions=(RegionContribution("M1", "right", 0.01, 0.605),))
    # The stand-in's calibration makes 0.62 of this logit.
    risk = replace(opened.risk, logit=(float(logit(0.62)) + 0.1) / 1.2)
    assessing(monkeypatch, lambda: replace(opened, evidence=evidence, risk=risk))
    with_bundle(monkeypatch)
    upload(page)
    assert "looked like" not in texts(page)
    assert "No part of the brain changes the risk by two percentage points or more" in texts(page)
    assert "work together" not in texts(page)


def test_without_regions_no_waterfall_is_drawn(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = scored()
    assert opened.evidence is not None
    assessing(monkeypatch, scored)
    upload(page)
    with_regions = len(page.get("plotly_chart"))
    assessing(monkeypatch, lambda: replace(opened, evidence=replace(opened.evidence, regions=())))
    upload(page)
    assert not page.exception and len(page.get("plotly_chart")) == with_regions - 1


def test_a_refused_scan_has_nothing_to_hide_or_to_take_along(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, refused)
    upload(page)
    assert not [button for button in page.button if "Hide" in button.label]
    assert not page.get("download_button")
    assessing(monkeypatch, scored)
    upload(page)
    assert [button for button in page.button if button.label == "Hide the result"]
    assert len(page.get("download_button")) == 2


@pytest.mark.parametrize("simulated", [False, True])
def test_a_hidden_result_still_says_that_the_study_is_simulated(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, simulated: bool
) -> None:
    assessing(monkeypatch, lambda: replace(scored(), receipt=replace(scored().receipt, simulated=simulated)))
    upload(page)
    press(page, "Hide the result")
    page.run()
    assert not page.exception and "about 62" not in texts(page)
    assert ("Simulated study: no real patient" in texts(page)) == simulated


@pytest.mark.parametrize("covered", [False, True])
def test_clear_forgets_the_study(page: AppTest, monkeypatch: pytest.MonkeyPatch, covered: bool) -> None:
    assessing(monkeypatch, scored)
    upload(page)
    if covered:
        press(page, "Hide the result")
    press(page, "Clear this study")
    page.run()
    assert page.title[0].value == "Review a scan"
    assert "htcore.assessment" not in page.session_state
    assert "htcore.served" not in page.session_state


def test_a_download_that_outlives_its_study_leads_nowhere(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[Callable[[], bytes]] = []
    monkeypatch.setattr(downloads.st, "download_button", lambda _, data, **__: offered.append(data))
    assessing(monkeypatch, scored)
    upload(page)
    first = offered[-1]
    assert json.loads(first())["risk"]["probability"] == pytest.approx(0.62)
    press(page, "Clear this study")
    upload(page)
    assert json.loads(offered[-1]())["risk"]["probability"] == pytest.approx(0.62)
    with pytest.raises(IndexError):
        first()


def test_letters_that_the_report_cannot_print_are_told_beside_the_field(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assessing(monkeypatch, scored)
    upload(page)
    told = "The PDF cannot print all of these letters. It will say: "
    for label, warnings in (
        ("Łucja, bed 7", [told + "?ucja, bed 7"]),
        ("Jürgen Šimůnek", [told + "Jürgen Šim?nek"]),
        ("Zoë", []),
    ):
        page.text_input[0].set_value(label).run()
        assert not page.exception
        assert [found.value for found in page.warning if "letters" in found.value] == warnings


def test_the_nearest_validation_scans_and_their_outcomes(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = tuple(NearCase(f"S{number}", number < 2, 0.1 * number) for number in range(5))
    assessing(monkeypatch, lambda: replace(scored(), familiarity=Familiarity(0.42, cases)))
    with_bundle(monkeypatch)
    upload(page)
    assert not page.exception
    assert any(box.label == "The 5 simulated validation scans it resembles most: 2 bled" for box in page.expander)
    assert "less usual to it than 42% of the simulated validation scans" in texts(page)


def test_an_unfamiliar_scan_is_not_counted_among_its_like(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    warned = QualityReport((Finding("unfamiliar", "warn", "It looks unusual."),))
    assessing(monkeypatch, lambda: replace(scored(), quality=warned))
    upload(page)
    assert "of 100 simulated scans with this score, about 62" in texts(page) and "like this one" not in texts(page)


def test_a_case_of_the_cohort_page_says_for_which_prevalence_its_threshold_is(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A page on its own knows no other to go back to.
    monkeypatch.setattr(origin.st, "page_link", lambda *_, **__: None)
    assessing(monkeypatch, scored)
    with_bundle(monkeypatch)
    upload(page)
    page.session_state["htcore.origin"] = "**S1** of the cohort page is called at the threshold of 60.0% there (TP)."
    page.run()
    assert not page.exception and "60.0% there (TP)." in texts(page) and "That threshold" not in texts(page)
    page.session_state[session.PREVALENCE] = 0.27
    page.run()
    assert "there (TP). That threshold is for where 49% bleed; the risk below is for where 27% bleed." in texts(page)
    page.session_state["htcore.covered"] = True
    page.run()
    assert "threshold" not in texts(page)


def places(block: Any, path: tuple[int, ...] = ()) -> dict[str, tuple[int, ...]]:
    """Where each expander stands, by the place of each part in its parent: the browser closes one that moves."""
    found = {block.label: path} if block.type == "expander" else {}
    for at, child in getattr(block, "children", {}).items():
        found |= places(child, (*path, at))
    return found


def test_another_prevalence_leaves_the_expanders_where_they_are(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    logit = scored().risk.logit  # type: ignore[union-attr]
    model = ClinicalModel(("nihss",), (10.0,), (5.0,), (1.0,), 2.0, logit, 0.0, 100, 40)
    assessing(monkeypatch, lambda: replace(scored(), familiarity=Familiarity(0.42, (NearCase("S1", True, 0.5),))))
    with_bundle(monkeypatch, model.to_json())
    upload(page)
    before = places(page.main)
    assert "Join it with clinical data" in before and any("resembles most" in label for label in before)
    for kind in ("own", "unselected", "model"):
        page.get("button_group")[0].set_value(kind).run()
        assert not page.exception and places(page.main) == before


def test_a_validation_scan_is_told_as_one_of_them(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = (NearCase("S1", True, 0.5),)
    assessing(monkeypatch, lambda: replace(scored(), familiarity=Familiarity(612 / 613, cases, "S0")))
    with_bundle(monkeypatch)
    upload(page)
    shown = texts(page)
    assert "This is S0, one of the simulated validation scans: it and its patient's other scans are left" in shown
    assert "than more than 99% of the other patients' simulated validation scans" in shown


def test_what_is_told_beside_the_risk_is_at_its_prevalence(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = (NearCase("S1", True, 0.5), NearCase("S2", False, 0.2))
    evidence = replace(scored().evidence, regions=(RegionContribution("I", "left", 0.3, 0.5),))  # type: ignore[type-var]
    known = replace(scored(), familiarity=Familiarity(0.42, cases), evidence=evidence)
    assessing(monkeypatch, lambda: known)
    with_bundle(monkeypatch)
    offered: list[Callable[[], bytes]] = []
    monkeypatch.setattr(downloads.st, "download_button", lambda _, data, **__: offered.append(data))
    upload(page)
    table = page.dataframe[0].value
    assert table["Its risk"].tolist() == ["50%", "20%"]
    page.get("button_group")[0].set_value("unselected").run()
    # Odds of 1 and 1/4 times 0.385: from 49% who bleed to 27%.
    assert page.dataframe[0].value["Its risk"].tolist() == ["28%", "9%"]
    taken = json.loads(offered[-1]())
    assert taken["risk"]["prevalence"] == pytest.approx(0.27)
    assert [case["probability"] for case in taken["familiarity"]["nearest"]] == pytest.approx([0.278, 0.088], abs=1e-3)
    assert taken["evidence"]["regions"][0]["probability_if_mirrored"] == pytest.approx(0.278, abs=1e-3)


def test_clinical_data_join_the_image(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    logit = scored().risk.logit  # type: ignore[union-attr]
    model = ClinicalModel(("age", "nihss"), (70.0, 10.0), (10.0, 5.0), (0.5, 1.0), 2.0, logit, 0.0, 100, 40)
    assessing(monkeypatch, scored)
    with_bundle(monkeypatch, model.to_json())
    upload(page)
    assert not page.exception and "Nothing is entered" in texts(page)
    entry = next(box for box in page.number_input if box.label.startswith("NIHSS, points"))
    entry.set_value(20.0)
    page.run()
    # Twice the standard deviation above the mean, and an average scan: expit(2).
    assert not page.exception
    # Its odds are 7.39, the scan's 1.63 (62%): 48% becomes 81%, 74% becomes 93%.
    shown = texts(page)
    assert "Image and clinical data together: 88% (interval 81% to 93%" in shown and "NIHSS 20 points" in shown
    assert page.session_state["htcore.clinical"] == {"nihss": 20.0}
    # At another prevalence it moves as the risk does: odds of 7.39 times 0.385, beyond what 20 patients support.
    page.get("button_group")[0].set_value("unselected").run()
    assert "over 70%" in texts(page) and "An average patient with an average scan has 28%" in texts(page)
    # It is forgotten with the study.
    page.file_uploader[0].set_value([UPLOAD])
    finished(page.run())
    assert "htcore.clinical" not in page.session_state and "Nothing is entered" in texts(page)


def test_what_is_taken_along_holds_the_joint_risk(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    logit = scored().risk.logit  # type: ignore[union-attr]
    model = ClinicalModel(("nihss",), (10.0,), (5.0,), (1.0,), 2.0, logit, 0.0, 100, 40)
    with_bundle(monkeypatch, model.to_json())
    monkeypatch.setattr(session, "clinical", lambda: {"nihss": 20.0})
    found = joined(scored()).clinical
    assert found is not None and found.probability == pytest.approx(expit(2.0))
    monkeypatch.setattr(session, "clinical", lambda: {"nihss": 99.0})
    assert joined(scored()).clinical is None


def test_without_a_joint_model_there_is_no_form(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, scored)
    with_bundle(monkeypatch)
    upload(page)
    assert not [box for box in page.expander if "clinical" in box.label]
