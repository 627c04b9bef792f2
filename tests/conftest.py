"""What every test may rely on."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """Give back the ``__main__`` that a page under test replaces: processes started later would run that page."""
    own = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = own
