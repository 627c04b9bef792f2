from __future__ import annotations

import threading

import pytest

from htcore.limits import checkpoint
from htcore.ui.work import Step, Stopped, Work


def test_a_job_tells_its_steps_and_gives_its_result() -> None:
    def work(step: Step) -> str:
        step(1, 3)
        return "done"

    job = Work(work)
    job.wait(5)
    assert not job.running and (job.done, job.total) == (1, 3)
    assert job.result() == "done"


def test_a_stopped_job_is_left_at_once_and_ends_at_its_next_step() -> None:
    go_on, begun = threading.Event(), threading.Event()
    reached: list[int] = []

    def work(step: Step) -> None:
        begun.set()
        go_on.wait(5)
        step(1, 2)
        reached.append(1)

    job = Work(work)
    assert begun.wait(5) and job.running
    job.stop()
    assert not job.running, "a step under way is not waited for"
    with pytest.raises(Stopped):
        job.result()
    go_on.set()
    job.wait(5)
    assert reached == []


def test_a_stopped_job_ends_within_a_step_at_its_next_checkpoint() -> None:
    go_on, begun = threading.Event(), threading.Event()
    reached: list[int] = []

    def work(step: Step) -> None:
        step(0, 1)
        begun.set()
        go_on.wait(5)
        checkpoint()
        reached.append(1)

    job = Work(work)
    assert begun.wait(5)
    job.stop()
    go_on.set()
    job.wait(5)
    assert reached == []
    with pytest.raises(Stopped):
        job.result()


def test_what_the_work_raises_is_raised_to_whoever_asks() -> None:
    def work(step: Step) -> None:
        raise ValueError("broken")

    job = Work(work)
    job.wait(5)
    with pytest.raises(ValueError, match="broken"):
        job.result()
