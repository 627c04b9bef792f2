"""Work ends at its next checkpoint, in every thread that does it, and only where somebody set a limit."""

from __future__ import annotations

import math
import threading

import pytest

from htcore.dicom.threads import each
from htcore.errors import DeadlineError, StoppedError
from htcore.limits import checkpoint, limited


def test_without_a_limit_work_goes_on() -> None:
    checkpoint()
    with limited(60.0, threading.Event()):
        checkpoint()


def test_a_limit_ends_with_its_block() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError), limited(60.0, stop):
        checkpoint()
    checkpoint()


def test_an_inner_limit_leaves_the_outer_one_as_it_was() -> None:
    with limited(60.0):
        with pytest.raises(DeadlineError), limited(0.0):
            checkpoint()
        checkpoint()


def test_an_inner_limit_does_not_lift_the_outer_one() -> None:
    stop = threading.Event()
    with limited(math.inf, stop), limited(60.0, threading.Event()):
        checkpoint()
        stop.set()
        with pytest.raises(StoppedError):
            checkpoint()


def test_a_limit_is_that_of_its_own_thread() -> None:
    ended: list[bool] = []

    def other() -> None:
        checkpoint()
        ended.append(True)

    with limited(0.0):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert ended == [True]


def test_threads_that_share_the_work_stop_before_the_next_slice() -> None:
    stop, done = threading.Event(), list[int]()

    def slow(k: int) -> int:
        done.append(k)
        stop.set()
        return k

    with pytest.raises(StoppedError), limited(60.0, stop):
        each(slow, 4000)
    # Each thread may have been within a slice; none begins another.
    assert len(done) <= 8
