"""Work spread over processes that end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from typing import TypeVar

from htcore.errors import HtcoreError, UsageError

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_LOST = "A worker process was ended from outside, perhaps for lack of memory: call again with fewer workers."


def share_cores() -> None:
    """Let the network's threads sleep while they wait, unless the environment says otherwise; before torch is loaded.

    Waiting awake, as OpenMP would, they keep the cores from another program that computes, and from those of their own
    that they wait for. A training, which has its cores to itself, is faster awake.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def in_processes(
    function: Callable[[_Task], _Result], tasks: Sequence[_Task], workers: int, *, in_order: bool = False
) -> Generator[_Result]:
    """``function`` of each task, as they finish or ``in_order``; with one worker in this process, in order.

    ``function`` must be importable. When the generator is closed, what runs is waited for and the rest is not begun.

    Raises
    ------
    HtcoreError
        Code ``worker_lost``, if a process was ended from outside; and whatever ``function`` raises.
    """
    if workers <= 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    # spawn: a forked child of a process that has run threaded libraries may hang
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool:
        try:
            futures = [pool.submit(function, task) for task in tasks]
            for future in futures if in_order else as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise HtcoreError(_LOST, code="worker_lost") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def in_own_process(function: Callable[[_Task], _Result], task: _Task) -> _Result:
    """``function`` of one task in a process that serves nothing else.

    Raises
    ------
    HtcoreError
        Code ``worker_lost``, if the process was ended from outside; and whatever ``function`` raises.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=end_with_parent) as pool:
        try:
            return pool.submit(function, task).result()
        except BrokenProcessPool as error:
            raise HtcoreError(_LOST, code="worker_lost") from error


def end_with_parent() -> None:
    """Make this worker end when its parent does, however the parent ended, and leave Ctrl-C to the parent.

    A pool's worker else goes on to the end of the queue that it holds, and then waits for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_await_end, args=(parent.sentinel,), daemon=True).start()


def _await_end(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


@contextmanager
def alone_in(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold ``folder`` against a second run; the hold ends with the process, however it ends.

    Parameters
    ----------
    wait : bool
        Whether to wait for another that holds it, which is then no error.

    Raises
    ------
    UsageError
        If another holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no advisory locks on folders
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise UsageError("Another run is writing there: wait for it, or name another folder.") from error
        yield
    finally:
        os.close(handle)
