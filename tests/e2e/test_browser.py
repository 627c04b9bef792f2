"""The main path in a real browser: a study goes in, a risk with its slices and maps comes out, the cohort behind it."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from htcore import services
from tests.studies import REAL_STUDY

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "tests" / "output"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_S, SCORE_MS = 60, 120_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running dashboard."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "htcore", "serve", "--port", str(port)]
    with log.open("wb") as sink:
        server = subprocess.Popen(
            command, cwd=ROOT, stdout=sink, stderr=sink, env={**os.environ, "OMP_NUM_THREADS": "2"}
        )
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, "the server outlived its command"


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the dashboard did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def study_files() -> list[Path]:
    """The real study's files where they are at hand, else a shipped simulated study."""
    if REAL_STUDY.is_dir():
        return sorted(REAL_STUDY.glob("*.dcm"))
    examples = services.example_studies()
    if not examples:
        pytest.skip("neither the real study nor an example study is at hand")
    return [Path(examples[0].path)]


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest) -> Iterator[playwright.Page]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme=request.param)
        page = context.new_page()
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def _shoot(page: playwright.Page, name: str) -> None:
    OUTPUT.mkdir(exist_ok=True)
    scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    page.screenshot(path=OUTPUT / f"{name}-{scheme}.png", full_page=True)


def _slice(page: playwright.Page) -> int:
    return int(page.locator(".viewer").get_attribute("data-slice") or 0)


def _pixels(page: playwright.Page) -> str:
    return str(page.locator(".viewer .stage canvas").evaluate("node => node.toDataURL()"))


def _open(page: playwright.Page, address: str, files: list[Path]) -> None:
    page.goto(address)
    page.locator("input[type=file]").first.set_input_files(files)
    page.wait_for_selector(".viewer[data-ready=true]", timeout=SCORE_MS)


def test_a_study_goes_in_and_a_risk_with_its_reasons_comes_out(
    page: playwright.Page, address: str, study_files: list[Path]
) -> None:
    outside: list[str] = []
    page.on(
        "request",
        lambda sent: outside.append(sent.url) if not sent.url.startswith((address, "data:", "blob:", "ws:")) else None,
    )
    _open(page, address, study_files)
    page.get_by_text("go on to bleed").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    assert page.get_by_text("mL of acute infarct, on the patient's left").count() == 1
    assert page.get_by_text("Research use only · weights trained on simulated scans").count() >= 2
    _shoot(page, "review")

    page.locator(".viewer .stage").focus()
    page.keyboard.press("Home")
    assert _slice(page) == 1
    page.keyboard.press("ArrowDown")
    page.keyboard.press("PageDown")
    assert _slice(page) == 7
    page.locator(".viewer .stage").hover()
    page.mouse.wheel(0, 100)
    page.wait_for_selector(".viewer[data-slice='8']")
    page.keyboard.press("End")
    last = _slice(page)
    page.keyboard.press("ArrowDown")
    assert _slice(page) == last

    page.locator(".viewer .strip").click()
    assert abs(_slice(page) - last / 2) <= 1
    page.locator(".viewer .stage").hover()
    assert page.locator(".viewer .pointer").inner_text().endswith(" HU")
    plain = _pixels(page)
    page.get_by_role("button", name="Bone").click()
    assert _pixels(page) != plain
    page.get_by_role("button", name="Stroke").click()
    assert _pixels(page) == plain
    page.get_by_role("button", name="Lesion map").click()
    _shoot(page, "lesion-map")
    page.get_by_role("button", name="Class map").click()
    page.get_by_text("not where it will bleed").wait_for()
    _shoot(page, "class-map")

    here = _slice(page)
    page.get_by_role("link", name="Cohort").click()
    page.get_by_text("Confusion matrix").wait_for()
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length >= 3")
    page.set_viewport_size({"width": 1280, "height": 3000})
    page.wait_for_timeout(1500)  # the charts take the new size
    _shoot(page, "cohort")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.get_by_role("link", name="Review a scan").click()
    page.wait_for_selector(".viewer[data-ready=true]")
    assert _slice(page) == here
    page.get_by_role("button", name="Clear this study").click()
    page.locator(".viewer").wait_for(state="detached")
    page.locator("input[type=file]").first.wait_for(state="attached")
    assert outside == []


def test_bad_files_get_a_sentence_and_a_good_study_still_works(
    page: playwright.Page, address: str, study_files: list[Path]
) -> None:
    page.goto(address)
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for name, content in {"notes.txt": b"no scan", "empty.dcm": b"", "empty.zip": empty.getvalue()}.items():
        page.locator("input[type=file]").first.set_input_files(
            {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        )
        page.get_by_text(name).first.wait_for(state="attached")
        page.get_by_text(name).first.wait_for(state="detached")
        page.get_by_test_id("stAlert").first.wait_for()
        assert "Traceback" not in page.content()
        assert name not in page.get_by_test_id("stAlert").first.inner_text()
    _shoot(page, "bad-input")
    _open(page, address, study_files)
    page.get_by_text("go on to bleed").wait_for()


def test_one_session_cannot_fetch_what_another_has_cleared(
    page: playwright.Page, address: str, study_files: list[Path]
) -> None:
    with page.expect_request("**/study/*/volume") as fetched:
        _open(page, address, study_files)
    url = fetched.value.url
    assert page.evaluate("async url => (await fetch(url)).status", url) == 200
    page.get_by_role("button", name="Clear this study").click()
    page.locator(".viewer").wait_for(state="detached")
    deadline = time.monotonic() + 10
    while page.evaluate("async url => (await fetch(url)).status", url) != 403:
        assert time.monotonic() < deadline, "a cleared study can still be fetched"
        time.sleep(0.2)
