"""What every test may rely on."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """Give back the ``__main__`` that a page under test replaces: processes started later would run that page."""
    own = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = own


@pytest.fixture
def peak_mib() -> Iterator[Callable[[], float]]:
    """Peak of the memory that Python and numpy asked for since the test began, in MiB."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1] / (1 << 20)
    finally:
        tracemalloc.stop()
