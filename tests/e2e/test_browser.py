"""The main path in a real browser: a study goes in, a risk with its slices and maps comes out, the cohort behind it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.dashboard import OPENED, open_study, pixels, shoot, slice_number

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_study_goes_in_and_a_risk_with_its_reasons_comes_out(
    themed_page: Page, address: str, study_files: list[Path]
) -> None:
    page, outside = themed_page, list[str]()
    page.on(
        "request",
        lambda sent: outside.append(sent.url) if not sent.url.startswith((address, "data:", "blob:", "ws:")) else None,
    )
    open_study(page, address, study_files)
    page.get_by_text("go on to bleed").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    assert page.get_by_text(re.compile(r"mL for acute infarct, .*on the patient's left")).count() == 1
    assert page.get_by_text("Research use only · weights trained on simulated scans").count() >= 2
    shoot(page, "review")

    page.locator(".viewer .stage").focus()
    page.keyboard.press("Home")
    assert slice_number(page) == 1
    page.keyboard.press("ArrowDown")
    page.keyboard.press("PageDown")
    assert slice_number(page) == 7
    page.locator(".viewer .stage").hover()
    page.mouse.wheel(0, 100)
    page.wait_for_selector(".viewer[data-slice='8']")
    page.keyboard.press("End")
    last = slice_number(page)
    page.keyboard.press("ArrowDown")
    assert slice_number(page) == last

    page.locator(".viewer .strip").click()
    assert abs(slice_number(page) - last / 2) <= 1
    page.locator(".viewer .stage").hover()
    assert page.locator(".viewer .pointer").inner_text().endswith(" HU")
    plain = pixels(page)
    page.get_by_role("button", name="Bone").click()
    assert pixels(page) != plain
    page.get_by_role("button", name="Stroke").click()
    assert pixels(page) == plain
    page.get_by_role("button", name="Lesion map").click()
    shoot(page, "lesion-map")
    page.get_by_role("button", name="Evidence map").click()
    page.get_by_text("not where it will bleed").wait_for()
    shoot(page, "evidence-map")

    here = slice_number(page)
    page.get_by_role("link", name="Cohort").click()
    page.get_by_text("Confusion matrix", exact=True).wait_for()
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length >= 2")
    page.set_viewport_size({"width": 1280, "height": 3000})
    page.wait_for_timeout(1500)  # the charts take the new size
    shoot(page, "cohort")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.get_by_role("link", name="Review a scan").click()
    page.wait_for_selector(".viewer[data-ready=true]")
    assert slice_number(page) == here
    page.get_by_role("button", name="Clear this study").click()
    page.locator(".viewer").wait_for(state="detached")
    page.locator("input[type=file]").first.wait_for(state="attached")
    assert outside == []


def test_one_session_cannot_fetch_what_another_has_cleared(page: Page, address: str, study_files: list[Path]) -> None:
    url = open_study(page, address, study_files)
    assert page.evaluate("async url => (await fetch(url)).status", url) == 200
    page.get_by_role("button", name="Clear this study").click()
    page.locator(".viewer").wait_for(state="detached")
    deadline = time.monotonic() + 10
    while page.evaluate("async url => (await fetch(url)).status", url) != 403:
        assert time.monotonic() < deadline, "a cleared study can still be fetched"
        time.sleep(0.2)


def test_a_reload_keeps_the_study_and_its_place(page: Page, address: str, study_files: list[Path]) -> None:
    open_study(page, address, study_files)
    page.locator(".viewer .stage").focus()
    page.keyboard.press("Home")
    page.keyboard.press("PageDown")
    page.get_by_role("button", name="Brain").click()
    sentence = page.get_by_text("go on to bleed").inner_text()
    page.reload()
    page.wait_for_selector(OPENED)
    assert page.url.rstrip("/") == address
    assert slice_number(page) == 6
    assert page.get_by_role("button", name="Brain").get_attribute("aria-pressed") == "true"
    assert page.get_by_text("go on to bleed").inner_text() == sentence
    page.get_by_role("button", name="Clear this study").click()
    page.locator(".viewer").wait_for(state="detached")
    page.reload()
    page.locator("input[type=file]").first.wait_for(state="attached")
    page.wait_for_timeout(3000)
    assert page.locator(".viewer").count() == 0


def test_a_second_tab_sees_nothing_even_with_a_copy_of_the_claim(
    page: Page, address: str, study_files: list[Path]
) -> None:
    open_study(page, address, study_files)
    claim = page.evaluate("sessionStorage.getItem('htcore.claim')")
    assert len(claim) >= 43
    second = page.context.new_page()
    second.add_init_script(f"sessionStorage.setItem('htcore.claim', {claim!r})")
    second.goto(address)
    second.locator("input[type=file]").first.wait_for(state="attached")
    second.wait_for_timeout(5000)
    assert second.locator(".viewer").count() == 0
    assert second.get_by_text("go on to bleed").count() == 0
    page.reload()
    page.wait_for_selector(OPENED)


def test_hidden_stays_hidden_over_pages_and_reloads(page: Page, address: str, study_files: list[Path]) -> None:
    open_study(page, address, study_files)
    page.get_by_role("button", name="Evidence map").click()
    page.get_by_role("button", name="Hide the result").click()
    hidden = page.get_by_text("The result is hidden")
    hidden.wait_for()
    page.wait_for_selector(OPENED)

    def nothing_shown() -> bool:
        words = ("go on to bleed", "acute infarct", "evidence for HT", "Evidence map", "Risk of")
        return (
            not any(page.get_by_text(word).locator("visible=true").count() for word in words)
            and not page.locator(".js-plotly-plot").count()
        )

    page.locator(".viewer .strip").wait_for(state="hidden")
    assert nothing_shown()
    shoot(page, "hidden", full_page=False)
    page.get_by_role("link", name="Cohort").click()
    page.get_by_text("Confusion matrix", exact=True).wait_for()
    page.get_by_role("link", name="Review a scan").click()
    hidden.wait_for()
    assert nothing_shown()
    page.reload()
    hidden.wait_for()
    assert nothing_shown()
    page.get_by_role("button", name="Show the result").click()
    page.get_by_text("go on to bleed").wait_for()


def test_number_and_notice_are_on_one_small_screen(page: Page, address: str, study_files: list[Path]) -> None:
    open_study(page, address, study_files)
    gauge = page.locator("[class*=st-key-gauge] .js-plotly-plot")
    gauge.wait_for()
    page.get_by_role("button", name="Report (PDF)").wait_for()
    page.wait_for_timeout(1500)  # what told of the progress has made room
    notice = page.get_by_text("Research use only · weights trained on simulated scans").first
    for shown in (notice, gauge, page.locator(".viewer .stage")):
        box = shown.bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 720
