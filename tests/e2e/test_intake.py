"""What goes into the page in a real browser: bad files, and a second input while the first is still being scored."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.dashboard import OPENED, SCORE_MS, drop, open_study, shoot, slow_down

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIMULATED = "Simulated study: no real patient"
NAMING_FILE = "DOE^JANE.dcm"


def empty_zip() -> bytes:
    out = io.BytesIO()
    zipfile.ZipFile(out, "w").close()
    return out.getvalue()


def give_bad(page: Page, name: str, content: bytes) -> None:
    """Upload a file that cannot be read, under a name of its own."""
    page.locator("input[type=file]").first.set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )


@pytest.fixture
def started(page: Page, address: str, study_files: list[Path]) -> Page:
    """A page that has begun to score a study."""
    page.goto(address)
    drop(page, study_files)
    page.get_by_role("button", name="Cancel", exact=True).wait_for()
    return page


def new_uploader(page: Page) -> Page:
    """The page, once the uploader that the study came through has given way to the next."""
    page.get_by_test_id("stFileChip").first.wait_for(state="detached")
    page.wait_for_timeout(500)  # no person gives a file in the moment in which one uploader gives way to the next
    return page


def test_a_second_file_dropped_while_the_first_is_scored_is_a_study_of_its_own(started: Page, example: Path) -> None:
    drop(new_uploader(started), [example])
    started.get_by_text(SIMULATED).wait_for(timeout=SCORE_MS)
    started.wait_for_selector(OPENED)
    assert started.locator(".viewer").count() == 1
    started.get_by_role("button", name="Report (PDF)").wait_for(timeout=SCORE_MS)
    started.wait_for_timeout(1500)  # the last drawing, once all of it is done
    started.get_by_text("Receipt and quality").click()
    n_files = len(zipfile.ZipFile(example).namelist())
    started.get_by_text(f"{n_files} files given, read as DICOM").wait_for()
    assert started.get_by_text("Left out").count() == 0


def test_an_unreadable_file_dropped_meanwhile_does_not_join_the_first(started: Page) -> None:
    give_bad(new_uploader(started), "picture.png", b"no picture")
    started.locator("[class*=st-key-problem]").wait_for(timeout=SCORE_MS)
    # Only now is nothing of the first study to come: before, it may still be seen, scored and all.
    started.wait_for_timeout(3000)
    assert started.locator(".viewer").count() == 0
    assert started.get_by_text("go on to bleed").count() == 0


def test_an_example_clicked_while_a_study_is_scored_wins(started: Page) -> None:
    started.get_by_text("Open a study").click()
    # By key: a result that comes in this moment moves the button away between a mouse's press and its release.
    started.get_by_role("button", name="simulated").first.press("Enter")
    started.get_by_text(SIMULATED).wait_for(timeout=SCORE_MS)
    started.wait_for_selector(OPENED)
    assert started.locator(".viewer").count() == 1


def test_an_upload_outlives_the_end_of_the_scoring_before_it(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="simulated").first.click()
    page.get_by_role("button", name="Cancel", exact=True).wait_for()
    page.wait_for_timeout(500)  # no person gives a file in the moment in which the uploader gives way to the next
    slow_down(page)
    give_bad(page, "notes.txt", b"no scan " * 50_000)
    page.wait_for_selector(OPENED, timeout=SCORE_MS)
    assert page.get_by_test_id("stFileChip").count() == 1
    page.get_by_test_id("stFileChip").wait_for(state="detached")
    page.locator("[class*=st-key-problem]").wait_for()
    assert page.locator(".viewer").count() == 0


def test_cancel_leaves_an_empty_page(started: Page) -> None:
    started.get_by_role("button", name="Cancel", exact=True).click()
    started.get_by_role("button", name="Cancel", exact=True).wait_for(state="detached")
    started.wait_for_timeout(3000)
    assert started.locator(".viewer").count() == 0
    (said,) = started.get_by_test_id("stAlert").all_inner_texts()
    assert said.endswith("Cancelled. Nothing of that scan was kept.")


def test_the_viewer_takes_the_maps_in_without_a_blank_moment(page: Page, address: str, example: Path) -> None:
    fetched: list[str] = []
    page.on("request", lambda sent: fetched.append(sent.url.rsplit("/", 1)[1]) if "/study/" in sent.url else None)
    page.goto(address)
    drop(page, [example])
    page.wait_for_selector(OPENED, timeout=SCORE_MS)
    # From the first picture on: on a fast machine the maps are there a moment later.
    page.locator(".viewer .stage canvas").first.evaluate(
        """canvas => {
          const viewer = canvas.closest(".viewer");
          window.blank = false;
          const look = () => {
            window.blank ||= !canvas.isConnected || viewer.dataset.ready !== "true";
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    page.locator(".viewer .stage").focus()
    for key in ("Home", "ArrowDown", "2", "+"):
        page.keyboard.press(key)
    before = page.locator(".viewer .position").inner_text()
    page.locator(".viewer button:not([disabled])", has_text="Lesion map").wait_for(timeout=SCORE_MS)
    assert page.locator(".viewer .position").inner_text().startswith(before.split(" · evidence")[0])
    assert not page.evaluate("window.blank")
    assert fetched == ["volume", "evidence", "lesion"]


def test_a_result_hidden_and_shown_while_it_is_made_has_its_maps_and_its_slice(
    page: Page, address: str, example: Path
) -> None:
    page.goto(address)
    drop(page, [example])
    page.wait_for_selector(OPENED, timeout=SCORE_MS)
    page.locator(".viewer .stage").focus()
    for key in ("Home", "ArrowDown"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Hide the result").click()
    page.get_by_text("The result is hidden.").wait_for()
    page.get_by_role("button", name="Show the result").click()
    page.locator(".viewer button:not([disabled])", has_text="Lesion map").wait_for(timeout=SCORE_MS)
    assert page.locator(".viewer .position").inner_text().startswith("Slice 2/")


def test_nothing_of_the_open_study_stays_while_the_next_is_scored(page: Page, address: str, example: Path) -> None:
    open_study(page, address, [example])
    # Until its run ends, Streamlit keeps the button that stopped this study beside its result.
    page.get_by_role("button", name="Report (PDF)").wait_for(timeout=SCORE_MS)
    former = page.get_by_text("go on to bleed").first.inner_text()
    # An example is scored in less time than a test takes to look: the page itself keeps watch.
    page.evaluate(
        """former => {
          window.scoring = window.mixed = false;
          new MutationObserver(() => {
            const buttons = [...document.querySelectorAll("button")];
            if (!buttons.some(button => button.innerText.trim().endsWith("Cancel"))) return;
            window.scoring = true;
            window.mixed ||= document.body.innerText.includes(former);
          }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }""",
        former,
    )
    page.get_by_text("Open a study").click()
    page.get_by_role("button", name="simulated").last.click()
    page.wait_for_function("window.scoring", timeout=SCORE_MS)
    shoot(page, "scoring")
    page.wait_for_selector(OPENED, timeout=SCORE_MS)
    page.get_by_role("button", name="Report (PDF)").wait_for(timeout=SCORE_MS)
    assert not page.evaluate("window.mixed") and page.get_by_text("go on to bleed").first.inner_text() != former


def test_no_file_name_is_ever_shown(page: Page, address: str) -> None:
    page.goto(address)
    page.evaluate(
        """name => {
          window.seen = false;
          new MutationObserver(() => { window.seen ||= document.body.innerText.includes(name); })
            .observe(document.body, { subtree: true, childList: true, characterData: true });
        }""",
        NAMING_FILE,
    )
    give_bad(page, NAMING_FILE, b"no scan")
    page.get_by_test_id("stAlert").first.wait_for()
    assert page.get_by_text(NAMING_FILE).count() == 0
    assert page.get_by_test_id("stFileChip").count() == 0
    assert not page.evaluate("window.seen")


def test_the_last_error_is_gone_as_soon_as_the_next_upload_begins(page: Page, address: str) -> None:
    page.goto(address)
    give_bad(page, "notes.txt", b"no scan")
    alert = page.get_by_test_id("stAlert").first
    alert.wait_for()
    slow_down(page)
    give_bad(page, "more.txt", b"no scan " * 10_000)
    page.get_by_test_id("stFileChip").wait_for()
    assert not alert.is_visible()
    page.get_by_test_id("stFileChip").wait_for(state="detached")
    alert.wait_for()


def test_twenty_bad_uploads_and_then_a_good_one(page: Page, address: str, example: Path) -> None:
    page.goto(address)
    contents = (b"no scan", b"", empty_zip(), b"PK\x03\x04 cut", bytes(128) + b"DICM", b"\x1f\x8b\x08", b"\x89PNG\r\n")
    for i in range(20):
        give_bad(page, f"bad-{i}.dcm", contents[i % len(contents)])
        page.locator(f".st-key-problem-{i + 1}").wait_for()
        assert "Traceback" not in page.content()
        assert "bad-" not in page.get_by_test_id("stAlert").first.inner_text()
    shoot(page, "bad-input")
    drop(page, [example])
    page.wait_for_selector(OPENED, timeout=SCORE_MS)
    page.get_by_text("go on to bleed").wait_for()
    assert page.get_by_test_id("stAlert").get_by_text("cannot").count() == 0
