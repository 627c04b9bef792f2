"""What surrounds the slices: the report to take along, the user's own prevalence, the viewer's keys."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pypdf import PdfReader

from htcore import services
from tests.e2e.conftest import browser_page
from tests.e2e.dashboard import OPENED, open_study, shoot

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def opened(address: str) -> Iterator[tuple[Page, list[object]]]:
    """A page with an example study open, and what it has sent to the server over its socket."""
    examples = services.example_studies()
    if not examples:
        pytest.skip("no example study is at hand")
    sent: list[object] = []

    def keep(frame: object) -> None:
        sent.append(frame)

    for page in browser_page(color_scheme="light", accept_downloads=True):
        page.on("websocket", lambda socket: socket.on("framesent", keep))
        open_study(page, address, [Path(examples[0].path)])
        page.get_by_text("go on to bleed").wait_for()
        page.locator(".js-plotly-plot").first.wait_for()
        page.wait_for_timeout(1500)
        yield page, sent


def test_keys_in_the_viewer_do_not_reach_the_page(opened: tuple[Page, list[object]]) -> None:
    page, sent = opened
    page.locator(".viewer .stage").focus()
    before = len(sent)
    for key in ("r", "c", "x"):
        page.keyboard.press(key)
    page.wait_for_timeout(1500)
    assert len(sent) == before
    page.locator("body").evaluate("() => document.activeElement.blur()")
    page.locator("body").press("r")
    page.wait_for_timeout(1500)
    assert len(sent) > before, "R on the page itself runs it anew: else this test shows nothing"


def test_keys_and_gestures_are_listed_on_request(opened: tuple[Page, list[object]]) -> None:
    page, _ = opened
    table = page.locator(".viewer .help")
    assert not table.is_visible()
    page.get_by_role("button", name="Keys and gestures").click()
    assert "drag with the right button" in table.inner_text() and "two fingers" in table.inner_text()
    shoot(page, "help", full_page=False)
    page.locator(".viewer .stage").focus()
    page.keyboard.press("?")
    table.wait_for(state="hidden")


def test_report_and_prediction_come_down(opened: tuple[Page, list[object]]) -> None:
    page, _ = opened
    with page.expect_download() as asked:
        page.get_by_role("button", name="Report (PDF)").click()
    assert asked.value.suggested_filename == "ht-risk-report.pdf"
    reader = PdfReader(io.BytesIO(Path(asked.value.path()).read_bytes()))
    assert len(reader.pages) == 1 and "Research use only" in reader.pages[0].extract_text()
    with page.expect_download() as asked:
        page.get_by_role("button", name="Prediction (JSON)").click()
    assert json.loads(Path(asked.value.path()).read_bytes())["schema"] == "htcore.prediction/1"


def test_the_prevalence_stays_over_pages(opened: tuple[Page, list[object]]) -> None:
    page, _ = opened
    page.get_by_text("Join it with clinical data").click()
    page.get_by_text("simulated validation scans it resembles most").click()
    for inside in ("Nothing is entered", "Nearest in the network's own features"):
        page.get_by_text(inside).wait_for()
    page.get_by_role("radio", name="my own").click()
    page.get_by_text("Per cent of your patients").wait_for()
    page.get_by_role("radio", name="unselected patients, 27%").click()
    page.get_by_text("where 27 of 100 bleed in all").wait_for()
    # Whoever opened something finds it open still.
    page.wait_for_timeout(1500)
    for inside in ("Nothing is entered", "Nearest in the network's own features"):
        assert page.get_by_text(inside).is_visible()
    page.get_by_text("Where 27% bleed: of those").wait_for()
    shoot(page, "prevalence")
    page.get_by_role("link", name="Cohort").click()
    page.get_by_text("Confusion matrix", exact=True).wait_for()
    page.get_by_role("link", name="Review a scan").click()
    page.wait_for_selector(OPENED)
    page.get_by_text("where 27 of 100 bleed in all").wait_for()
    assert page.get_by_role("radio", name="unselected patients, 27%").get_attribute("aria-checked") == "true"
