"""The same small task for every slice, on all cores: numpy, hashes and OpenCV leave the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from htcore.limits import current

_Result = TypeVar("_Result")
# More threads than this wait for memory.
_MAX_THREADS = 8
# Runs a thread: enough that none is left waiting for another's last, few enough that handing out costs nothing.
_RUNS = 4


def each(function: Callable[[int], _Result], count: int) -> list[_Result]:
    """``[function(0), …, function(count - 1)]``; the first exception in that order is raised.

    The caller's limit is asked before each.
    """
    threads = min(os.cpu_count() or 1, _MAX_THREADS)
    size = max(1, -(-count // (threads * _RUNS)))

    check = current()

    def run(start: int) -> list[_Result]:
        out = []
        for k in range(start, min(start + size, count)):
            check()
            out.append(function(k))
        return out

    with ThreadPoolExecutor(threads) as pool:
        return [result for part in pool.map(run, range(0, count, size)) for result in part]
