"""The cohort page in a real browser: the threshold moves, the curve is clicked, a table goes in, files come out."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from htcore.bundle import add_thumbnails, load_bundle
from htcore.settings import Settings
from htcore.simulation import CohortParameters, simulate_cohort
from htcore.ui.notice import RESEARCH_NOTICE
from tests.e2e.conftest import serving
from tests.e2e.dashboard import OPENED, SCORE_MS, open_first_case, settle, shoot
from tests.evaluation.cohort import frame

if TYPE_CHECKING:
    from playwright.sync_api import Page

# While the page draws anew, a plot stands there for a moment without its data.
COUNTS = "document.querySelectorAll('.js-plotly-plot')[1]?.data?.[0]?.text?.flat().join()"


def open_cohort(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="Cohort").click()
    page.get_by_text("Click the model's curve").wait_for()
    page.locator(".js-plotly-plot").nth(1).wait_for()


def threshold(page: Page) -> float:
    heading = page.get_by_role("heading", name=re.compile("At the threshold"))
    found = re.search(r"([\d.]+)%", heading.inner_text())
    assert found
    return float(found[1])


def wait_until(page: Page, reached: Callable[[float], bool]) -> float:
    """The threshold as soon as it is what was asked for."""
    for _ in range(150):
        now = threshold(page)
        if reached(now):
            return now
        page.wait_for_timeout(100)
    raise AssertionError(f"the threshold stayed at {threshold(page)}%")


def counts(page: Page) -> str:
    """What the confusion matrix says."""
    return str(page.wait_for_function(COUNTS).json_value())


def test_the_address_of_a_page_opens_it_below_the_notice(page: Page, address: str) -> None:
    for name in ("cohort", "model"):
        page.goto(f"{address}/{name}")
        page.get_by_role("heading", name=name.capitalize(), level=1).wait_for()
        page.get_by_role("link", name="Review a scan").wait_for()
        page.get_by_text(RESEARCH_NOTICE).first.wait_for()


def test_one_threshold_moves_everything_and_is_kept(themed_page: Page, address: str) -> None:
    page = themed_page
    open_cohort(page, address)
    first, before = threshold(page), counts(page)
    shoot(page, "cohort")

    page.get_by_role("slider").first.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    wait_until(page, lambda now: abs(now - first - 0.5) < 0.06)
    page.get_by_role("button", name="Sensitivity ≥ 90%").click()
    by_preset = wait_until(page, lambda now: now < first)
    page.wait_for_function(
        f"before => {{ const now = {COUNTS}; return now && now !== before; }}",
        arg=before,
    )
    assert counts(page) != before

    page.get_by_role("link", name="Model").click()
    page.get_by_text("From cohort to figures").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    shoot(page, "model")
    page.get_by_role("link", name="Cohort").click()
    page.get_by_text("Click the model's curve").wait_for()
    assert threshold(page) == by_preset

    for name in ("Risks", "Usefulness", "Subgroups", "Cases", "Compared", "Download"):
        page.get_by_role("tab", name=name).click()
        page.get_by_role("tab", name=name, selected=True).wait_for()
        page.wait_for_timeout(1500)
        assert page.get_by_text("Something went wrong").count() == 0
        shoot(page, f"cohort-{name.lower()}")


# Where on the screen a point of the model's curve lies, two thirds along it, and its threshold.
POINT = """plot => {
    const trace = plot._fullData.findIndex(t => t.name.startsWith('model'));
    const { x, y, customdata } = plot._fullData[trace], { xaxis, yaxis } = plot._fullLayout;
    const k = Math.floor((2 * x.length) / 3);
    const box = plot.getBoundingClientRect();
    return [box.x + xaxis._offset + xaxis.l2p(x[k]), box.y + yaxis._offset + yaxis.l2p(y[k]), 100 * customdata[k]];
}"""


def test_a_click_on_the_curve_sets_the_threshold(page: Page, address: str) -> None:
    open_cohort(page, address)
    before = threshold(page)
    page.locator(".js-plotly-plot").first.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    x, y, expected = page.locator(".js-plotly-plot").first.evaluate(POINT)
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y, steps=4)
    page.wait_for_timeout(300)
    page.mouse.click(x, y)
    # Neighbours lie closer than the pointer can tell.
    assert abs(before - expected) > 5
    wait_until(page, lambda now: abs(now - expected) < 2)


def test_a_table_goes_in_and_a_report_comes_out(page: Page, address: str, tmp_path: Path) -> None:
    open_cohort(page, address)
    mine, broken = tmp_path / "mine.csv", tmp_path / "broken.csv"
    table = frame(n_patients=90)[["patient_id", "scan_id", "ht", "probability"]]
    table.to_csv(mine, index=False)
    table.assign(probability=7).to_csv(broken, index=False)
    for given, words in ((broken, "Row 1 below the header, column probability"), (mine, "source: your file")):
        page.get_by_role("button", name="Your predictions").click()
        settle(page)
        page.locator("input[type=file]").first.set_input_files(given)
        page.get_by_text(words).first.wait_for()
        # The popover is gone: what became of the file is not behind it.
        page.get_by_text("It stays in this session").wait_for(state="hidden")
    assert page.get_by_text("120 scans").count()
    page.get_by_role("tab", name="Download").click()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Report (HTML)").click()
    report = tmp_path / "report.html"
    caught.value.save_as(report)

    # The file alone, without a network.
    page.context.set_offline(True)
    page.goto(report.as_uri())
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert page.locator(".js-plotly-plot").count() == 6
    assert page.get_by_text("source not known").count()
    shoot(page, "cohort-report")


def test_a_case_opens_on_the_review_page_and_the_threshold_is_kept(page: Page, address: str, tmp_path: Path) -> None:
    # The first simulation of an installation compiles, for minutes on a slow machine.
    simulate_cohort(CohortParameters(patients=1, seed=1), tmp_path / "compiled", 1)
    open_cohort(page, address)
    first = threshold(page)
    page.get_by_role("button", name="Sensitivity ≥ 90%").click()
    kept = wait_until(page, lambda now: now != first)
    page.get_by_role("tab", name="Cases").click()
    open_first_case(page)
    page.get_by_role("button", name="Hide the result").wait_for(timeout=SCORE_MS)
    page.wait_for_selector(OPENED, timeout=SCORE_MS)
    page.get_by_role("button", name="Cancel", exact=True).wait_for(state="detached", timeout=SCORE_MS)
    shoot(page, "cohort-case")
    page.get_by_text(f"at the threshold of {kept}% there").wait_for()
    page.get_by_role("link", name="Back to the cohort").click()
    page.get_by_role("tab", name="Cases", selected=True).wait_for()
    page.get_by_role("tab", name="At the threshold").click()
    page.get_by_text("Click the model's curve").wait_for()
    assert threshold(page) == kept


def test_a_filter_that_leaves_nothing_loses_no_threshold(page: Page, address: str) -> None:
    open_cohort(page, address)
    first = threshold(page)
    page.get_by_role("button", name="Filter the scans").click()
    smallest = page.get_by_role("slider", name=re.compile("True lesion volume, mL — start"))
    smallest.focus()
    page.keyboard.press("End")
    page.get_by_text("widen the filter").wait_for()
    smallest.focus()
    page.keyboard.press("Home")
    slider = page.get_by_role("slider", name=re.compile("Threshold"))
    slider.wait_for()
    assert float(slider.input_value()) == threshold(page) == first


def test_a_filter_stays_over_pages(page: Page, address: str) -> None:
    open_cohort(page, address)
    page.get_by_role("button", name="Filter the scans").click()
    oldest = page.get_by_role("slider", name=re.compile("Age, years — end"))
    oldest.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    page.get_by_text(re.compile(r"only age \d+ to \d+ years")).wait_for()
    kept = page.get_by_text(re.compile(r"only age \d+ to \d+ years")).inner_text()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Model").click()
    page.get_by_text("From cohort to figures").wait_for()
    page.get_by_role("link", name="Cohort").click()
    page.get_by_text("Click the model's curve").wait_for()
    assert page.get_by_text(re.compile(r"only age \d+ to \d+ years")).inner_text() == kept


def test_what_was_set_stays_over_a_filter_that_leaves_too_little_and_over_pages(page: Page, address: str) -> None:
    open_cohort(page, address)
    held = {"Share with HT where the model": "15.0", "A missed HT costs": "7.0"}
    for label, value in held.items():
        page.get_by_role("spinbutton", name=label).fill(value)
        page.keyboard.press("Enter")
    # Of both: 1 in 8 is the risk from which a scan is called where a missed one costs 7 false alarms.
    told = page.get_by_text("the threshold is 12.5% where 15.0% have HT")
    told.wait_for()
    filtering = page.get_by_role("button", name="Filter the scans")
    youngest = page.get_by_role("slider", name=re.compile("Age, years — start"))
    too_narrow = page.get_by_text(re.compile("widen")).first
    for key, comes, goes in (("End", too_narrow, told), ("Home", told, too_narrow)):
        filtering.click()
        youngest.focus()
        page.keyboard.press(key)
        page.keyboard.press("Escape")
        comes.wait_for()
        # What was there before stays on the screen until the run ends.
        goes.wait_for(state="hidden")
    settle(page)
    page.get_by_role("link", name="Model").click()
    page.get_by_text("From cohort to figures").wait_for()
    page.get_by_role("link", name="Cohort").click()
    page.get_by_text("Click the model's curve").wait_for()
    # What a browser shows anew it may send back a moment later.
    page.wait_for_timeout(1500)
    for label, value in held.items():
        assert page.get_by_role("spinbutton", name=label).input_value() == value


def test_the_table_of_cases_stays_in_place_when_a_row_is_chosen(page: Page, address: str) -> None:
    open_cohort(page, address)
    page.get_by_role("tab", name="Cases").click()
    table = page.get_by_test_id("stDataFrame").first
    table.locator("canvas").first.wait_for()
    page.wait_for_timeout(1500)
    heading = page.get_by_role("heading", name="The most confident mistakes")

    def below() -> float:
        upper, lower = heading.bounding_box(), table.bounding_box()
        assert upper and lower
        return lower["y"] - upper["y"]

    before = below()
    table.click(position={"x": 16, "y": 52})
    page.get_by_role("button", name=re.compile("Open SIM-")).wait_for()
    assert abs(below() - before) < 1


def test_on_a_phone_a_picture_with_long_words_scrolls_sideways_and_figures_wrap(page: Page, address: str) -> None:
    open_cohort(page, address)
    page.get_by_role("tab", name="Subgroups").click()
    place, chart = page.locator(".st-key-sideways-cohort-forest"), page.locator(".st-key-cohort-forest .js-plotly-plot")
    chart.wait_for()
    hidden = "place => place.scrollWidth - place.clientWidth"
    assert place.evaluate(hidden) == 0
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(1500)
    assert place.evaluate(hidden) > 250
    assert chart.evaluate("chart => chart._fullLayout.xaxis._length") > 250
    page.get_by_role("tab", name="Risks").click()
    cell = page.get_by_role("cell", name=re.compile(r"^0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)$")).first
    cell.wait_for()
    assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth && cell.getBoundingClientRect().right <= 390")


def test_the_tables_of_cases_fetch_their_pictures_once(page: Page, tmp_path: Path) -> None:
    # The tables are drawn on a canvas: what they asked the server for is all that can be seen of it.
    shipped = Settings.from_environment()
    folder = shipped.models_dir / shipped.default_model
    shutil.copytree(folder, tmp_path / "models" / folder.name)
    pictures = np.full((len(load_bundle(folder).validation), 48, 40), 128, dtype=np.uint8)
    add_thumbnails(tmp_path / "models" / folder.name, pictures)
    answers: list[tuple[str, int]] = []
    page.on("response", lambda found: answers.append((found.url, found.status)) if "/cases/" in found.url else None)
    with serving(tmp_path, HTCORE_MODELS_DIR=str(tmp_path / "models")) as address:
        open_cohort(page, address)
        page.get_by_role("tab", name="Cases").click()
        with page.expect_response(re.compile(r"/cases/[0-9a-f]{32}/\d+\.png$")):
            page.get_by_test_id("stDataFrame").nth(1).locator("canvas").first.wait_for()
        page.wait_for_timeout(1500)
        missed = page.get_by_text("FN: not called, bled").inner_text()
        page.get_by_role("button", name="Sensitivity ≥ 90%").click()
        page.get_by_text(missed, exact=True).wait_for(state="detached")
        page.wait_for_timeout(1500)
        shoot(page, "cohort-pictures")
    # Six rows and more of each of the two tables of mistakes, none of them asked for again at the other threshold.
    assert len(answers) >= 12 and {status for _, status in answers} == {200}
    assert len({url for url, _ in answers}) == len(answers)
