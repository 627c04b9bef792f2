"""What the browser tests do to the dashboard over and over."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

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
SCORE_MS = 120_000
# What the viewer is once it shows slices.
OPENED = ".viewer[data-ready=true]"


def shoot(page: Page, name: str, full_page: bool = True) -> None:
    """Keep a picture of the page, for a person to look at."""
    OUTPUT.mkdir(exist_ok=True)
    scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    page.screenshot(path=OUTPUT / f"{name}-{scheme}.png", full_page=full_page)


def settle(page: Page) -> None:
    """Wait until the server has drawn what the last act asked for: an input that is drawn anew loses its file."""
    page.wait_for_timeout(500)  # until the act is on its way
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def drop(page: Page, files: list[Path]) -> None:
    """Give files to the page's first uploader."""
    page.locator("input[type=file]").first.set_input_files(files)


def slow_down(page: Page) -> CDPSession:
    """Let uploads take their time, 20 kB a second, until the returned session is detached."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20_000}
    network.send("Network.emulateNetworkConditions", slow)
    return network


def open_study(page: Page, address: str, files: list[Path]) -> str:
    """Open the page, give it a study and wait for all of it: the slices that show early make way for the page's.

    Returns the address from which the page's slices came.
    """
    volumes: list[str] = []
    page.on("request", lambda sent: volumes.append(sent.url) if sent.url.endswith("/volume") else None)
    page.goto(address)
    drop(page, files)
    page.wait_for_selector(OPENED, timeout=SCORE_MS)
    page.get_by_role("button", name="Cancel", exact=True).wait_for(state="detached", timeout=SCORE_MS)
    page.wait_for_selector(OPENED, timeout=SCORE_MS)
    return volumes[-1]


def open_first_case(page: Page) -> None:
    """Open the first scan of the cases that bled though the risk was low."""
    table = page.get_by_test_id("stDataFrame").first
    table.locator("canvas").first.wait_for()
    page.wait_for_timeout(1500)
    # The box before the first row.
    table.click(position={"x": 16, "y": 52})
    page.get_by_role("button", name=re.compile("Open SIM-")).click()


def slice_number(page: Page) -> int:
    """The slice that the viewer shows, from 1."""
    return int(page.locator(".viewer").get_attribute("data-slice") or 0)


def pixels(page: Page) -> str:
    """What is on the viewer's canvas."""
    return str(page.locator(".viewer .stage canvas").first.evaluate("node => node.toDataURL()"))
