from __future__ import annotations

import os
import threading

import pytest

from htcore.dicom.threads import each


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_results_come_in_order(count: int) -> None:
    assert each(lambda k: k * k, count) == [k * k for k in range(count)]


def test_the_first_failure_is_raised() -> None:
    def fail(k: int) -> None:
        if k in (3, 90):
            raise ValueError(k)

    with pytest.raises(ValueError, match=r"^3$"):
        each(fail, 100)


def test_more_than_one_thread_works() -> None:
    seen = set()
    both = threading.Barrier(2, timeout=20)

    def meet(k: int) -> None:
        if k in (0, 99):
            both.wait()
        seen.add(threading.get_ident())

    if os.cpu_count() == 1:
        pytest.skip("one core: there is only one thread")
    each(meet, 100)
    assert len(seen) > 1
