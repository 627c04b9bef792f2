"""Work that ends early: when whoever asked for it no longer wants it, or when its time is over.

Long work asks `checkpoint` between its parts. The limit holds for the thread that entered `limited`, so that nothing in
between has to hand it on; where nobody set one, `checkpoint` does nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from htcore.errors import DeadlineError, StoppedError

Check = Callable[[], None]


def _unlimited() -> None:
    """Whoever set no limit waits for the end."""


_check: ContextVar[Check] = ContextVar("check", default=_unlimited)


@contextmanager
def limited(seconds: float, stop: threading.Event | None = None) -> Iterator[None]:
    """Let each `checkpoint` within raise once ``seconds`` are over or ``stop`` is set; limits around it hold too.

    Raises
    ------
    StoppedError, DeadlineError
        From the first `checkpoint` afterwards.
    """
    ends, around = time.monotonic() + seconds, _check.get()

    def check() -> None:
        around()
        if stop is not None and stop.is_set():
            raise StoppedError("Stopped as asked: nothing was kept.")
        if time.monotonic() >= ends:
            raise DeadlineError(
                f"The study was not done within {seconds:g} seconds, the deadline: try again when the machine has "
                "less to do, or give it more time (HTCORE_DEADLINE_S)."
            )

    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def checkpoint() -> None:
    """Raise where the work that runs should end; see `limited`."""
    _check.get()()


def current() -> Check:
    """The `checkpoint` of this thread, to be called in others that work for it."""
    return _check.get()
