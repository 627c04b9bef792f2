"""A running dashboard and a real browser. Where either is missing, the tests say so and are skipped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from htcore import services
from tests.e2e.dashboard import CHROMIUM, FLAGS, ROOT
from tests.studies import REAL_STUDY

if TYPE_CHECKING:
    from playwright.sync_api import Page

START_S = 60


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running dashboard."""
    with serving(tmp_path_factory.mktemp("server")) as found:
        yield found


@contextmanager
def serving(folder: Path, largest_file: int | None = None, **environment: str) -> Iterator[str]:
    """A running dashboard's address; its log lies in ``folder``.

    With ``largest_file``, writing more bytes than that to a file fails, as on a full disk.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "log.txt"
    command = [sys.executable, "-m", "htcore", "serve", "--port", str(port)]
    if largest_file is not None:
        command = ["prlimit", f"--fsize={largest_file}", *command]
    with log.open("wb") as sink:
        server = subprocess.Popen(
            command, cwd=ROOT, stdout=sink, stderr=sink, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}
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


@pytest.fixture(scope="session")
def study_files() -> list[Path]:
    """The real study's files where they are at hand, else a shipped simulated study."""
    if REAL_STUDY.is_dir():
        return sorted(REAL_STUDY.glob("*.dcm"))
    examples = services.example_studies()
    if not examples:
        pytest.skip("neither the real study nor an example study is at hand")
    return [Path(examples[0].path)]


@pytest.fixture(scope="session")
def example() -> Path:
    """A shipped simulated study."""
    examples = services.example_studies()
    if not examples:
        pytest.skip("no example study is at hand")
    return Path(examples[0].path)


@pytest.fixture(params=["light", "dark"])
def themed_page(request: pytest.FixtureRequest) -> Iterator[Page]:
    """A browser's page for each theme."""
    yield from browser_page(color_scheme=request.param)


@pytest.fixture
def page() -> Iterator[Page]:
    """A browser's page."""
    yield from browser_page(color_scheme="light")


def browser_page(**options: Any) -> Iterator[Page]:
    """One page of a fresh browser, at the smallest size that the dashboard is made for."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 720}, **options)
        page = context.new_page()
        page.set_default_timeout(30_000)
        yield page
        browser.close()
