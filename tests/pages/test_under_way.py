from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from htcore.errors import ReadError
from htcore.ui.job import Job
from htcore.ui.notice import RESEARCH_NOTICE
from htcore.ui.review import intake
from tests.pages.review_stage import (
    UPLOAD,
    Held,
    assessing,
    fail_with,
    finished,
    press,
    texts,
    upload,
    with_bundle,
)
from tests.ui.opened import scored


def test_the_risk_is_drawn_before_the_reasons_are_found(page: AppTest, held: Held) -> None:
    held.open(page)
    assert not page.exception
    shown = texts(page)
    assert "about 62 go on to bleed" in shown and RESEARCH_NOTICE in shown
    assert "The maps and the reasons follow." in shown and "acute infarct" not in shown
    assert page.status[0].label.startswith("Finding the reasons · 80%") and not page.get("download_button")
    held.go.set()
    finished(page)
    assert "acute infarct" in texts(page) and "follow." not in texts(page) and not page.status


def test_cancel_stops_the_work_and_says_so(page: AppTest, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    held.open(page)
    press(page, "Cancel")
    page.run()
    assert held.stops[0].is_set()
    assert page.title[0].value == "Review a scan" and "about 62" not in texts(page)
    assert page.info[0].value == "Cancelled. Nothing of that scan was kept."
    for key in ("job", "assessment", "served", "problem"):
        assert f"htcore.{key}" not in page.session_state
    assessing(monkeypatch, scored)
    upload(page)
    assert not page.info and "about 62" in texts(page)


def test_neither_hiding_nor_a_prevalence_nor_another_page_begins_the_work_again(
    page: AppTest, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_bundle(monkeypatch)
    held.open(page)
    press(page, "Hide the result")
    page.run()
    assert not page.exception and "about 62" not in texts(page) and page.info[0].value == "The result is hidden."
    page.run()  # as after another page: the script begins anew with the same session
    press(page, "Show the result")
    page.run()
    page.get("button_group")[0].set_value("unselected").run()
    assert "where 27 of 100 bleed in all" in texts(page) and "The maps and the reasons follow." in texts(page)
    assert len(held.sources) == 1 and not held.stops[0].is_set()
    held.go.set()
    finished(page)
    assert len(held.sources) == 1 and "acute infarct" in texts(page) and "where 27 of 100" in texts(page)


def test_a_result_that_came_while_nobody_looked_is_there_on_return(page: AppTest, held: Held) -> None:
    held.open(page)
    held.go.set()
    assert page.session_state["htcore.job"].wait(20)
    page.run()
    assert len(held.sources) == 1 and "acute infarct" in texts(page) and "htcore.job" not in page.session_state


def test_a_drop_meanwhile_replaces_what_is_under_way(page: AppTest, held: Held) -> None:
    held.open(page)
    page.file_uploader[0].set_value([("picture.png", b"no scan", "image/png")])
    page.run()
    assert [[name for name, _ in source] for source in held.sources] == [["scan.dcm"], ["picture.png"]]
    assert [stop.is_set() for stop in held.stops] == [True, False]
    assert all(not uploader.value for uploader in page.file_uploader)


def test_where_nothing_comes_of_an_input_there_is_a_way_back(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, scored)
    upload(page)
    page.session_state["htcore.clinical"] = {"nihss": 2.0}
    assessing(monkeypatch, fail_with(ReadError("No image was found: export the series again.")))
    upload(page)
    upload(page)  # a second failure loses it neither
    assert "htcore.assessment" not in page.session_state and "62" not in texts(page)
    press(page, "Back to the study that was open")
    page.run()
    assert not page.error and "about 62" in texts(page)
    assert page.session_state["htcore.clinical"] == {"nihss": 2.0}
    # Once another one is scored, nothing of it is kept.
    assessing(monkeypatch, scored)
    upload(page)
    assert "htcore.before" not in page.session_state and "htcore.clinical" not in page.session_state


def test_without_a_study_before_there_is_no_way_back(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, fail_with(ReadError("No image was found: export the series again.")))
    upload(page)
    assert page.error and all(button.key != "back" for button in page.button)


def test_a_cancelled_input_leads_back_to_the_study_before(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, scored)
    upload(page)
    held = Held(monkeypatch)
    held.open(page)
    press(page, "Cancel")
    page.run()
    press(page, "Back to the study that was open")
    page.run()
    assert "about 62" in texts(page) and not page.info
    held.go.set()


def test_an_upload_that_a_late_message_repeats_is_taken_once(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {"files-0": [SimpleNamespace(name="scan.dcm")], "htcore.uploads": 1}
    monkeypatch.setattr(intake.st, "session_state", state)
    intake._take_upload("files-0", 0)
    assert "htcore.job" not in state
    intake._take_upload("files-0", 1)
    assert held.early.wait(20) and [name for name, _ in held.sources[0]] == ["scan.dcm"]


def test_the_last_error_is_gone_while_the_next_input_is_read(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assessing(monkeypatch, fail_with(ReadError("No image was found: export the series again.")))
    upload(page)
    assert page.error
    stand_in = Held(monkeypatch)
    page.file_uploader[0].set_value([UPLOAD])
    page.run()
    assert page.status and not page.error
    stand_in.go.set()


def test_nothing_of_the_result_is_drawn_early_while_it_is_hidden(page: AppTest, held: Held) -> None:
    page.session_state["htcore.covered"] = True
    held.open(page)
    assert page.status and "about 62" not in texts(page) and not page.get("plotly_chart")


def test_an_end_that_comes_while_somebody_looks_is_still_news(held: Held) -> None:
    job = Job([("scan.dcm", None)], "test-model")
    assert held.early.wait(20)
    held.go.set()
    assert job.wait(20)
    job.look()  # takes back what was told, the end too
    assert job.news


def test_a_study_of_a_session_that_ended_is_stopped(held: Held) -> None:
    job = Job([("scan.dcm", None)], "test-model")
    assert held.early.wait(20)
    del job
    gc.collect()
    assert held.stops[0].is_set()
