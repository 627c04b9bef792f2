"""Workers: they end with their parent, however it ends, and one run at a time holds a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from htcore.errors import HtcoreError, UsageError
from htcore.processes import alone_in, in_processes

ROOT = Path(__file__).resolve().parents[1]
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="children are found through /proc")


def double(value: int) -> int:
    return 2 * value


def mark_and_sleep(folder: str) -> int:
    Path(folder, str(os.getpid())).touch()
    time.sleep(300)
    return 0


def end_at_once(code: int) -> int:
    os._exit(code)


def fail(value: int) -> int:
    raise UsageError(f"task {value}")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


def sleep_and_tell(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once(workers: int) -> None:
    assert sorted(in_processes(double, range(7), workers)) == [0, 2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_where_that_is_asked_for(workers: int) -> None:
    assert list(in_processes(sleep_and_tell, [0.6, 0.0, 0.1, 0.0], workers, in_order=True)) == [0.6, 0.0, 0.1, 0.0]


def test_an_error_of_a_task_is_the_callers() -> None:
    with pytest.raises(UsageError, match="task 3"):
        list(in_processes(fail, [3, 3], 2))


def test_a_lost_worker_is_said() -> None:
    with pytest.raises(HtcoreError) as caught:
        list(in_processes(end_at_once, [9, 9], 2))
    assert caught.value.code == "worker_lost"


def test_closing_early_begins_nothing_more() -> None:
    with closing(in_processes(double, range(200), 2)) as results:
        next(results)
    with pytest.raises(StopIteration):
        next(results)


@linux
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_a_killed_parent(tmp_path: Path, how: signal.Signals) -> None:
    code = (
        "from tests.test_processes import mark_and_sleep; from htcore.processes import in_processes\n"
        f"list(in_processes(mark_and_sleep, [{str(tmp_path)!r}] * 4, 2))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        assert wait_for(lambda: len(list(tmp_path.iterdir())) == 2, 30), "the workers did not start"
        workers = [int(path.name) for path in tmp_path.iterdir()]
        assert all(alive(pid) for pid in workers)
    finally:
        parent.send_signal(how)
        parent.wait(10)
    assert wait_for(lambda: not any(alive(pid) for pid in workers), 5), "workers outlive their parent"


def test_one_run_holds_a_folder(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(UsageError, match="Another run"), alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        pass
