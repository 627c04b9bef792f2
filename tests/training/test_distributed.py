"""Two processes that share their batches train as one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import nn

from htcore.errors import TrainingError
from htcore.training.distributed import Processes, SharedBatchNorm2d, is_first, joined, share_batch_statistics
from tests.training.together import train_together

ROOT = Path(__file__).resolve().parents[2]
with_gloo = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="this PyTorch was built without gloo"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@with_gloo
def test_two_processes_give_the_losses_and_weights_of_one(tmp_path: Path) -> None:
    base = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.together", str(tmp_path / "two")],
            cwd=ROOT,
            env={**base, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    alone = train_together(tmp_path / "one", Processes())
    try:
        for process in started:
            _, errors = process.communicate(timeout=240)
            assert process.returncode == 0, errors
    finally:
        for process in started:
            process.kill()
    found = load_file(tmp_path / "two" / "result.safetensors")
    losses = torch.tensor([[e.loss, e.selection_loss] for e in alone.log], dtype=torch.float64)
    torch.testing.assert_close(found.pop("losses"), losses, rtol=1e-4, atol=1e-5)
    for name, value in alone.network.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4, msg=name)


@with_gloo
def test_processes_that_cannot_meet_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="torchrun"), joined(torch.device("cpu")):
        pass


def test_alone_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    network = nn.Conv2d(1, 1, 1)
    with joined(torch.device("cpu")) as group:
        assert group == Processes(0, 1) and group.first and is_first()
        assert group.wrap(network) is network and group.widest(2, 5) == (2, 5) and group.from_first([1.5]) == [1.5]
        assert float(group.total(torch.tensor(3.0))) == 3.0
    assert Processes(1, 2).device(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert Processes(1, 2).device(torch.device("cuda")) == torch.device("cuda", 1)
    monkeypatch.setenv("RANK", "1")
    assert not is_first()


def test_shared_statistics_keep_parameters_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "all_reduce", lambda value: None)  # one process's own statistics
    plain = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Sequential(nn.BatchNorm2d(3)))
    shared = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Sequential(nn.BatchNorm2d(3)))
    shared.load_state_dict(plain.state_dict())
    share_batch_statistics(shared)
    assert isinstance(shared[1][0], SharedBatchNorm2d)  # type: ignore[index]
    x = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(shared(x), plain(x), rtol=1e-5, atol=1e-5)
    assert shared.state_dict().keys() == plain.state_dict().keys()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value, msg=name)
