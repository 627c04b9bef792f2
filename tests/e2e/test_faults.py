"""What must not take the dashboard down: a full disk, a cut connection, a tab that closes, a damaged model."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import serving
from tests.e2e.dashboard import OPENED, ROOT, SCORE_MS, drop, shoot, slow_down

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROBLEM = "[class*=st-key-problem]"
NEEDED_BYTES = 200_000
"""Fewer than any study, more than the server's log."""


class Cable:
    """Stands between a browser and a server, and can be cut."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._server = (parts.hostname, parts.port)
        self._ends: list[socket.socket] = []
        self._whole = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Drop every connection, and new ones at once."""
        self._whole = False
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let new connections through."""
        self._whole = True

    def close(self) -> None:
        """Take it away."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection(self._server)
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while received := source.recv(1 << 16):
                target.sendall(received)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cable(address: str) -> Iterator[Cable]:
    """A cable to the dashboard."""
    between = Cable(address)
    yield between
    between.close()


def opens(page: Page, study: Path) -> None:
    """A study goes in and its slices come up."""
    drop(page, [study])
    page.wait_for_selector(OPENED, timeout=SCORE_MS)


def test_a_full_disk_stops_no_study(page: Page, tmp_path: Path, example: Path) -> None:
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit, which plays the full disk, is not installed")
    assert example.stat().st_size > 5 * NEEDED_BYTES
    with serving(tmp_path, largest_file=NEEDED_BYTES) as address:
        page.goto(address)
        opens(page, example)
        page.get_by_role("button", name="Report (PDF)").wait_for(timeout=SCORE_MS)
        assert page.locator(PROBLEM).count() == 0


def test_a_connection_cut_in_mid_upload(page: Page, cable: Cable, example: Path) -> None:
    page.goto(cable.address)
    page.locator("input[type=file]").first.wait_for(state="attached")
    slow = slow_down(page)
    drop(page, [example])
    page.get_by_test_id("stFileChip").wait_for()
    page.wait_for_timeout(2000)
    assert not page.get_by_text("did not arrive").is_visible()
    cable.cut()
    page.get_by_text("did not arrive").wait_for()
    assert page.locator(".viewer").count() == 0
    shoot(page, "upload-lost")
    cable.mend()
    slow.detach()
    page.reload()
    page.locator("input[type=file]").first.wait_for(state="attached")
    opens(page, example)


def test_a_tab_closed_in_mid_run_leaves_the_next_one_alone(page: Page, address: str, example: Path) -> None:
    page.goto(address)
    drop(page, [example])
    page.get_by_role("button", name="Cancel", exact=True).wait_for()
    other = page.context.new_page()
    page.close()
    other.goto(address)
    other.get_by_text("Give a plain head CT").wait_for()
    assert other.locator(".viewer").count() == 0
    opens(other, example)


def test_a_model_damaged_while_the_server_runs_is_told_and_a_mended_one_taken(
    page: Page, tmp_path: Path, example: Path
) -> None:
    shutil.copytree(ROOT / "models", tmp_path / "models")
    with serving(tmp_path, HTCORE_MODELS_DIR=str(tmp_path / "models")) as address:
        weights = next((tmp_path / "models").glob("*/weights.safetensors"))
        content = weights.read_bytes()
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        page.goto(address)
        drop(page, [example])
        page.locator(PROBLEM).wait_for(timeout=SCORE_MS)
        assert "model" in page.locator(PROBLEM).inner_text()
        assert page.get_by_text("go on to bleed").count() == 0
        weights.write_bytes(content)
        opens(page, example)
        page.get_by_text("go on to bleed").first.wait_for(timeout=SCORE_MS)
