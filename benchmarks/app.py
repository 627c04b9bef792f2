"""How long the page takes in a real headless Chromium, and how much memory the server holds.

``python -m benchmarks.app [--runs N] [--studies N] [--thin]``. Prints medians, and ratios where two things are compared
in the same run. ``--thin`` adds the scrubbing of a made-up 320 x 512 x 512 volume. Needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.predict import source
from benchmarks.targets import judge
from htcore.dicom import read_study
from htcore.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
THREADS, STEPS = 2, 15
# The first slice's target counts from the end of the decoding, which a browser cannot see: this is stricter.
TARGETS = {"cold start to first page, s": 5.0, "upload to gauge, s": 3.0, "upload to all maps, s": 8.0,
           "upload to first slice, s": 1.5}  # fmt: skip
TARGET_DRAW_MS, TARGET_STEP_RATIO, TARGET_GROWTH, TARGET_LEFT = 16.0, 0.1, 3.0, 0.10
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
OPENED, MAPS = ".viewer[data-ready=true]", ".viewer button:not([disabled]):text('Lesion map')"
# Milliseconds from a key to the picture: the frame after the drawing, or the new image decoded.
TO_FRAME = """() => new Promise(done => addEventListener("keydown", () => {
  const from = performance.now();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - from)));
}, { capture: true, once: true }))"""
TO_IMAGE = """() => new Promise(done => addEventListener("keydown", () => {
  const from = performance.now();
  const seen = document.querySelector("[data-testid=stImage] img").src;
  const look = async () => {
    const image = document.querySelector("[data-testid=stImage] img");
    if (!image || image.src === seen) return requestAnimationFrame(look);
    await image.decode();
    done(performance.now() - from);
  };
  look();
}, { capture: true, once: true }))"""


@contextmanager
def serving(command: list[str], **environment: str) -> Iterator[tuple[str, int]]:
    """Address and process id of a server that is up."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    settings = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "PYTHONPATH": str(ROOT), **environment}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen([*command, port], cwd=ROOT, env=settings, stdout=quiet, stderr=quiet)
    try:
        address = f"http://127.0.0.1:{port}"
        while server.poll() is None:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield address, server.pid
    finally:
        server.terminate()
        server.wait(timeout=20)


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def opened_once(page: Page, files: list[Path]) -> dict[str, float]:
    """Seconds from the end of an upload to what the page shows; the study stays open."""
    page.locator("input[type=file]").first.wait_for(state="attached")
    uploaded: list[float] = []

    def note(request: object) -> None:
        if "upload_file" in str(getattr(request, "url", "")):
            uploaded.append(time.perf_counter())

    page.on("requestfinished", note)
    page.locator("input[type=file]").first.set_input_files(files)
    marks = {}
    for name, selector in {"first slice": OPENED, "gauge": ".js-plotly-plot", "all maps": MAPS}.items():
        page.wait_for_selector(selector, timeout=120_000)
        marks[name] = time.perf_counter()
    page.remove_listener("requestfinished", note)
    return {f"upload to {name}, s": at - uploaded[-1] for name, at in marks.items()}


def clear(page: Page) -> None:
    """Close the open study."""
    page.get_by_role("button", name="Clear this study").click()
    page.locator(".viewer").wait_for(state="detached")
    page.wait_for_timeout(700)  # no person gives a file within the moment in which a new uploader takes its place


def steps(page: Page, watch: str, settle_ms: int) -> list[float]:
    """Milliseconds of ``STEPS`` presses of the right arrow, to the picture."""
    taken = []
    for _ in range(STEPS):
        page.evaluate(f"window.step = ({watch})(); 0")
        page.keyboard.press("ArrowRight")
        taken.append(float(page.evaluate("window.step")))
        page.wait_for_timeout(settle_ms)
    return taken


def compare_steps(page: Page, shape: str, with_slider: bool = True) -> None:
    """One slice further: the viewer against a slider and an image, in the same run."""
    command = [sys.executable, "-m", "streamlit", "run", "benchmarks/app_compared.py", "--server.port"]
    with serving(command, HTCORE_BENCH_SHAPE=shape) as (address, _):
        page.goto(f"{address}/?page=viewer")
        started = time.perf_counter()
        page.wait_for_selector(OPENED, timeout=180_000)
        fetched_s = time.perf_counter() - started
        page.locator(".viewer .stage").focus()
        drawn = []
        for _ in range(STEPS):
            page.keyboard.press("ArrowRight")
            drawn.append(float(page.locator(".viewer").get_attribute("data-draw-ms") or "nan"))
        step = statistics.median(steps(page, TO_FRAME, 50))
        draw = statistics.median(drawn)
        print(f"{shape}: page to slices {fetched_s:.1f} s; draw {draw:.1f} ms; key to picture {step:.0f} ms")
        judge(f"drawing a slice, {shape}", draw, TARGET_DRAW_MS, unit="ms")
        if with_slider:
            page.goto(address)
            page.wait_for_selector("[data-testid=stImage] img")
            page.get_by_role("slider").focus()
            slider = statistics.median(steps(page, TO_IMAGE, 200))
            print(f"{shape}: st.slider + st.image, key to picture {slider:.0f} ms; drawing alone {draw / slider:.3f}")
            judge(f"key to picture beside st.slider + st.image, {shape}", step / slider, TARGET_STEP_RATIO)


def time_page(page: Page, files: list[Path], runs: int, studies: int) -> None:
    """Cold start, then the study opened again and again, and the server's memory meanwhile."""
    volume_mb = read_study(files, Settings.from_environment())[0].hu.nbytes / 2**20
    started = time.perf_counter()
    with serving([sys.executable, "-m", "htcore", "serve", "--port"]) as (address, pid):
        page.goto(address)
        page.get_by_test_id("stFileUploader").first.wait_for()
        times = {"cold start to first page, s": [time.perf_counter() - started]}
        opened_once(page, files)
        clear(page)
        page.wait_for_timeout(2000)
        start_mb = memory_mb(pid)
        open_mb = []
        for i in range(max(runs, studies)):
            for name, value in opened_once(page, files).items():
                if i < runs:
                    times.setdefault(name, []).append(value)
            open_mb.append(memory_mb(pid))
            clear(page)
        page.wait_for_timeout(2000)
        end_mb = memory_mb(pid)
    for name, values in times.items():
        print(f"{name:<30}{statistics.median(values):7.2f}   n {len(values)}")
        judge(name.removesuffix(", s"), statistics.median(values), TARGETS[name], unit="s")
    growth = (statistics.median(open_mb) - start_mb) / volume_mb
    print(f"memory while a study is open: {growth:+.1f} x its volume of {volume_mb:.0f} MB")
    judge("memory while a study is open", growth, TARGET_GROWTH, unit="vol.")
    left = end_mb / start_mb - 1
    print(f"memory after {max(runs, studies)} studies: {left:+.1%} of {start_mb:.0f} MB")
    judge(f"memory left after {max(runs, studies)} studies", left, TARGET_LEFT)


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--thin", action="store_true")
    given = parser.parse_args()
    path, name = source([])
    files = sorted(path.glob("*.dcm")) if path.is_dir() else [path]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    load = os.getloadavg()[0]
    print(f"{name}, CPU, {os.cpu_count()} cores, {THREADS} threads, headless Chromium at 1280 x 720, load {load:.1f}")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        time_page(page, files, given.runs, given.studies)
        compare_steps(page, "36,512,512")
        if given.thin:
            compare_steps(page, "320,512,512", with_slider=False)
        browser.close()


if __name__ == "__main__":
    main()
