"""A study that is assessed in a thread of its own: no rerun of the page interrupts it, and none begins it again."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from traceback import format_tb
from typing import Any

from htcore import services
from htcore.errors import HtcoreError
from htcore.types import Assessment

Source = Sequence[tuple[str, Any]] | Path
"""What ``services.assess`` reads: uploaded files by name, or a path on the server."""

_log = logging.getLogger(__name__)
_UNEXPECTED = (
    "Something went wrong that this program did not foresee: try again, and tell whoever runs this server the time "
    "of day. Nothing was scored."
)


class Job:
    """One study under way; it is stopped by `cancel`, or when nobody holds the job any more."""

    def __init__(self, source: Source, model_id: str) -> None:
        self._stop = threading.Event()
        self._found = _Found()
        # The thread holds what it finds and not the job: else a session that ends would leave it running.
        work = (source, model_id, self._found, self._stop)
        threading.Thread(target=_assess, args=work, name="assessment", daemon=True).start()
        weakref.finalize(self, self._stop.set)

    def cancel(self) -> None:
        """Ask the work to end; it does at its next part."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to end."""
        return self._stop.is_set()

    @property
    def done(self) -> bool:
        """Whether the work is over; then the study is known in full, or there is a problem."""
        return self._found.done.is_set()

    @property
    def news(self) -> bool:
        """Whether something came up since the last `look`, or the work is over: that no look in between takes back."""
        return self._found.news or self.done

    @property
    def problem(self) -> str | None:
        """Why there will be no result."""
        return self._found.problem

    @property
    def stages(self) -> tuple[tuple[str, float], ...]:
        """Each stage that began, and seconds since; the last one runs."""
        now = time.perf_counter()
        return tuple((stage, now - began) for stage, began in self._found.stages)

    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0–1."""
        return self._found.fraction

    def look(self) -> Assessment | None:
        """What is known of the study by now."""
        # Before it is read: what comes in between is then looked at once more, and never missed.
        self._found.news = False
        return self._found.known

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the work; whether it came."""
        return self._found.done.wait(seconds)


class _Found:
    """What the thread tells; written by it alone, except that a look takes the news back."""

    def __init__(self) -> None:
        self.known: Assessment | None = None
        self.problem: str | None = None
        self.stages: list[tuple[str, float]] = []
        self.fraction = 0.0
        self.news = False
        self.done = threading.Event()

    def reach(self, stage: str, fraction: float) -> None:
        """Progress callback of ``services.assess``."""
        self.stages.append((stage, time.perf_counter()))
        self.fraction = fraction

    def learn(self, known: Assessment) -> None:
        """Listener of ``services.assess``."""
        self.known = known
        self.news = True


def _assess(source: Source, model_id: str, found: _Found, stop: threading.Event) -> None:
    try:
        found.known = services.assess(source, model_id=model_id, progress=found.reach, so_far=found.learn, stop=stop)
    except HtcoreError as error:
        found.problem = str(error)
    except Exception as error:  # noqa: BLE001 - a bug must not take the page down
        # The places only: the exception's own text can hold a file name or a header's value.
        _log.error("assess failed, %s\n%s", type(error).__name__, "".join(format_tb(error.__traceback__)))
        found.problem = _UNEXPECTED
    finally:
        found.done.set()
        found.news = True
