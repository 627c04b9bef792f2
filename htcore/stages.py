"""What is done with a study, one stage after another, and how long each takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from htcore.limits import checkpoint

STAGES = ("reading", "checking", "preparing", "network", "explaining")
_TIMING_KEYS = {"reading": "read", "preparing": "prepare", "network": "network", "explaining": "explain"}

Progress = Callable[[str, float], None]
"""Called with the stage that begins and the share of the work done before it, 0–1."""


class Clock:
    """Times the stages and tells a listener about each."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._started = self._since = time.perf_counter()
        self._stage: str | None = STAGES[0]  # what has to be imported first counts to it
        self._spent_ms = dict.fromkeys(_TIMING_KEYS.values(), 0.0)

    def begin(self, stage: str) -> None:
        """A stage begins, the one before ends."""
        self._close()
        checkpoint()
        self._stage = stage
        if self._progress is not None:
            self._progress(stage, STAGES.index(stage) / len(STAGES))

    def rest(self) -> None:
        """The stage ends; what follows counts to none."""
        self._close()
        self._stage = None

    def end(self) -> dict[str, float]:
        """Milliseconds by stage and in total; checking counts to reading."""
        self._close()
        self._stage = None
        return {**self._spent_ms, "total": (self._since - self._started) * 1000.0}

    def _close(self) -> None:
        now = time.perf_counter()
        if self._stage is not None:
            self._spent_ms[_TIMING_KEYS.get(self._stage, "read")] += (now - self._since) * 1000.0
        self._since = now
