"""Work that outlasts a run of the page: in a thread of its own, watched and stopped from the page."""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Event, Thread
from typing import Generic, TypeVar

from htcore.errors import StoppedError
from htcore.limits import limited

Result = TypeVar("Result")
Step = Callable[[int, int], None]
"""Called with the steps done and their number; the work ends there, or at a `checkpoint` between, if asked to stop."""


class Stopped(Exception):
    """The work was asked to stop."""


class Work(Generic[Result]):
    """Begins at once.

    Parameters
    ----------
    work
        Given a `Step` to call between its steps.

    Attributes
    ----------
    done, total : int
        As the last step told them.
    """

    def __init__(self, work: Callable[[Step], Result]) -> None:
        self.done, self.total = 0, 0
        self._asked = Event()
        self._result: list[Result] = []
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether there is no result yet and nobody asked to stop: a step under way is not waited for."""
        return self._thread.is_alive() and not self._asked.is_set()

    def stop(self) -> None:
        """Ask the work to end at its next step or `checkpoint`."""
        self._asked.set()

    def wait(self, seconds: float) -> None:
        """Return when the work has ended, or after so many seconds."""
        self._thread.join(seconds)

    def result(self) -> Result:
        """What the work gave.

        Raises
        ------
        Stopped
            If it was stopped before.
        Exception
            Whatever the work raised.
        """
        if self._error is not None:
            raise self._error
        if not self._result:
            raise Stopped
        return self._result[0]

    def _run(self, work: Callable[[Step], Result]) -> None:
        try:
            with limited(math.inf, self._asked):
                self._result.append(work(self._step))
        except StoppedError:
            return  # no result
        except Exception as error:  # noqa: BLE001 - told to whoever asks for the result
            self._error = error

    def _step(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if self._asked.is_set():
            raise Stopped
