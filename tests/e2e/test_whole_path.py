"""A newcomer's way through all of it: an example, the cohort, the model, and a model of one's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pypdf import PdfReader

from htcore import services
from htcore.settings import Settings
from htcore.ui.notice import RESEARCH_NOTICE
from tests.e2e.conftest import serving
from tests.e2e.dashboard import OPENED, ROOT, SCORE_MS, drop, open_first_case, pixels, settle, shoot, slice_number
from tests.e2e.test_cohort import threshold, wait_until
from tests.evaluation.cohort import frame

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENTS = 60


def htcore(*words: str) -> None:
    """Run a command as a user does."""
    done = subprocess.run(
        [sys.executable, "-m", "htcore", *words], cwd=ROOT, env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


def assessed(page: Page) -> str:
    """Wait for all of a study: risk, slices, maps; gives the sentence with the risk."""
    page.get_by_role("button", name="Report (PDF)").wait_for(timeout=SCORE_MS)
    page.wait_for_selector(OPENED, timeout=SCORE_MS)
    page.get_by_text(RESEARCH_NOTICE).first.wait_for()
    return page.get_by_text("go on to bleed").first.inner_text()


def test_from_an_example_to_a_model_of_ones_own(page: Page, study_files: list[Path], tmp_path: Path) -> None:
    examples = services.example_studies()
    if not examples:
        pytest.skip("no example study is at hand")
    shipped = Settings.from_environment().default_model
    models = tmp_path / "models"
    shutil.copytree(Settings.from_environment().models_dir, models)
    with serving(tmp_path, HTCORE_MODELS_DIR=str(models), HTCORE_EXAMPLE=examples[0].id) as address:
        page.goto(address)
        by_shipped = assessed(page)  # a new tab opens with the example
        page.locator(".js-plotly-plot").first.wait_for()

        page.locator(".viewer .stage").focus()
        seen = pixels(page)
        before = slice_number(page)
        page.keyboard.press("ArrowUp" if before > 1 else "ArrowDown")
        assert slice_number(page) != before and pixels(page) != seen
        page.get_by_role("button", name="Lesion map").click()

        page.get_by_role("heading", name="Why").wait_for()
        with page.expect_download() as caught:
            page.get_by_role("button", name="Report (PDF)").click()
        assert "Research use only" in PdfReader(caught.value.path()).pages[0].extract_text()

        page.get_by_role("link", name="Cohort").click()
        page.get_by_text("Click the model's curve").wait_for()
        before_preset = threshold(page)
        page.get_by_role("button", name="Sensitivity ≥ 90%").click()
        chosen = wait_until(page, lambda now: now != before_preset)
        page.get_by_role("tab", name="Cases").click()
        page.get_by_text("missed").first.wait_for()
        shoot(page, "path-cases")

        page.get_by_role("link", name="Review a scan").click()
        assert assessed(page) == by_shipped
        page.get_by_role("link", name="Cohort").click()
        page.get_by_role("tab", name="Cases", selected=True).wait_for()
        open_first_case(page)
        page.get_by_text(f"at the threshold of {chosen}% there").wait_for(timeout=SCORE_MS)
        assert assessed(page) != by_shipped
        page.get_by_role("link", name="Model").click()
        page.get_by_text("From cohort to figures").wait_for()
        page.get_by_role("link", name="Cohort").click()
        page.get_by_role("tab", name="Cases", selected=True).wait_for()
        page.get_by_role("tab", name="At the threshold").click()
        page.get_by_text("Click the model's curve").wait_for()
        assert threshold(page) == chosen

        table = tmp_path / "mine.csv"
        frame(n_patients=90)[["patient_id", "scan_id", "ht", "probability"]].to_csv(table, index=False)
        page.get_by_role("button", name="Your predictions").click()
        settle(page)
        page.locator("input[type=file]").first.set_input_files(table)
        page.get_by_text("source: your file").first.wait_for()
        page.keyboard.press("Escape")

        cohort = tmp_path / "cohort"
        htcore("simulate", "--patients", str(PATIENTS), "--seed", "8", "--out", str(cohort))
        started = ("--init", str(models / shipped), "--epochs", "1", "--threads", "2")
        htcore("train", "--cohort", str(cohort / "cohort.csv"), "--out", str(models / "mine"), *started)

        page.get_by_role("link", name="Review a scan").click()
        page.get_by_role("button", name="Clear this study").click()
        page.get_by_role("heading", name="Review a scan", level=1).wait_for()
        page.wait_for_timeout(2000)  # a page that is drawn anew closes an open list
        page.get_by_role("combobox", name="Model").click()
        page.get_by_role("option", name="mine").click()
        page.get_by_role("button", name=examples[0].label).click()
        assert assessed(page) != by_shipped
        page.get_by_text(re.compile(r"\bmine\b")).first.wait_for()
        shoot(page, "path-own-model")

        by_own = assessed(page)
        drop(page, study_files)
        page.get_by_text("go on to bleed").first.filter(has_not_text=by_own).wait_for(timeout=SCORE_MS)
        assert assessed(page) != by_own
