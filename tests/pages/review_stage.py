"""The review page with stand-ins for what it asks: how its tests open a study."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy.special import expit
from streamlit.testing.v1 import AppTest

from htcore import services
from htcore.bundle import Calibration
from htcore.types import Assessment, ModelIdentity
from htcore.ui import session
from tests.ui.opened import scored

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "review.py")
UPLOAD = ("scan.dcm", b"bytes", "application/dicom")


def assessing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Assessment]) -> list[Any]:
    """Let ``act`` answer for ``services.assess``; returns the sources it was given."""
    sources: list[Any] = []

    def assess(source: Any, *, model_id: str | None, progress: Any, so_far: Any, stop: threading.Event) -> Assessment:
        sources.append(source)
        for stage, fraction in (("reading", 0.0), ("network", 0.5)):
            progress(stage, fraction)
        opened = act()
        if opened.risk is not None:
            so_far(replace(opened, risk=None, evidence=None, model=None))
            so_far(replace(opened, evidence=None))
        return opened

    monkeypatch.setattr(services, "assess", assess)
    return sources


def fail_with(error: Exception) -> Callable[[], Assessment]:
    def act() -> Assessment:
        raise error

    return act


@dataclass(frozen=True, eq=False)
class StoredBundle:
    """What the page asks of a model, without its networks; hashable, as a bundle is."""

    validation: pd.DataFrame
    identity: ModelIdentity | None
    calibration: Calibration
    clinical: dict[str, Any] | None


def with_bundle(
    monkeypatch: pytest.MonkeyPatch, clinical: dict[str, Any] | None = None, part: str = "validation"
) -> None:
    """The model that scored is at hand: own prevalence 49%, 60 validation scans that score as the open one does."""
    probability = expit(1.2 * -0.1 - 0.1)
    labels = [k % 3 == 0 for k in range(60)] + [k % 2 for k in range(40)]
    table = pd.DataFrame(
        {
            "patient_id": [f"P{k}" for k in range(100)],
            "scan_id": [f"S{k}" for k in range(100)],
            "part": part,
            "ht": [int(label) for label in labels],
            "probability": [probability] * 60 + [0.9] * 40,
            "p_ht_image": [0.5] * 100,
        }
    )
    calibration = Calibration(1.2, -0.1, ((1.0, 0.0), (1.4, -0.2)), 0.6, 0.49, 20, 25)
    bundle = StoredBundle(table, scored().model, calibration, clinical)
    monkeypatch.setattr(session, "bundle_named", lambda _: bundle)


def texts(page: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*page.markdown, *page.caption, *page.subheader])


def upload(page: AppTest) -> AppTest:
    """Give the page a file, and wait until it is assessed."""
    page.run()
    page.file_uploader[0].set_value([UPLOAD])
    return finished(page.run())


def finished(page: AppTest) -> AppTest:
    """The page once nothing is under way: the browser would ask for it by itself."""
    for _ in range(100):
        if "htcore.job" not in page.session_state:
            return page
        page.session_state["htcore.job"].wait(0.2)
        page.run()
    raise AssertionError("the study is still under way")


class Held:
    """A stand-in for ``services.assess`` that stops where a test wants it to: after the risk, before the maps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sources: list[Any] = []
        self.stops: list[threading.Event] = []
        self.early, self.go = threading.Event(), threading.Event()
        monkeypatch.setattr(services, "assess", self.assess)

    def assess(
        self, source: Any, *, model_id: str | None, progress: Any, so_far: Any, stop: threading.Event
    ) -> Assessment:
        """Tell the risk, wait until ``go`` is set, and answer with all of it."""
        self.sources.append(source)
        self.stops.append(stop)
        progress("network", 0.6)
        so_far(replace(scored(), risk=None, evidence=None, model=None))
        so_far(replace(scored(), evidence=None, timing_ms={}))
        progress("explaining", 0.8)
        self.early.set()
        assert self.go.wait(20)
        return scored()

    def open(self, page: AppTest) -> AppTest:
        """Upload a file, and draw the page with the risk known and no maps."""
        page.run()
        page.file_uploader[0].set_value([UPLOAD])
        page.run()
        assert self.early.wait(20)
        return page.run()


def press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label == label).click()
