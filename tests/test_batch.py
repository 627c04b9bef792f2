"""Many studies: a bad one stops nothing, a lost worker loses nothing, a stopped run goes on."""

from __future__ import annotations

import csv
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from htcore import batch, services
from htcore.batch import COLUMNS, TABLE, Row, Task, score_many
from htcore.errors import CohortError, HtcoreError, UsageError
from htcore.settings import Settings
from tests.small_bundle import write_small_bundle
from tests.studies import HeadStudy

EXAMPLE = services.example_studies(Settings())[0].path
N_GOOD = 4


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four copies of a good study, one that is refused, one that is no study; and a small model."""
    write_small_bundle(tmp_path / "models" / "small")
    monkeypatch.setenv("HTCORE_MODELS_DIR", str(tmp_path / "models"))
    HeadStudy(slabs=((1, 5.0),)).write(tmp_path / "one-slice")
    (tmp_path / "text.zip").write_text("no archive")
    paths = [EXAMPLE.resolve()] * N_GOOD + [Path("one-slice"), Path("text.zip")]
    lines = [f"S{number},{path}" for number, path in enumerate(paths)]
    (tmp_path / "cohort.csv").write_text("scan_id,path\n" + "\n".join(lines) + "\n")
    return tmp_path / "cohort.csv"


def statuses(rows: tuple[Row, ...]) -> list[str]:
    return [row.status for row in rows]


def stopping_at(number: int) -> Callable[[int, int], None]:
    """Ends a run, as Ctrl-C does, once so many studies are done."""

    def stop(done: int, total: int) -> None:
        if done == number:
            raise KeyboardInterrupt

    return stop


EXPECTED = ["scored"] * N_GOOD + ["refused", "failed"]


def test_every_study_becomes_a_row_in_the_tables_order(table: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    rows = score_many(table, tmp_path / "out", model_id="small", progress=lambda *step: seen.append(step))
    assert statuses(rows) == EXPECTED
    assert [row.scan_id for row in rows] == [f"S{number}" for number in range(N_GOOD + 2)]
    assert seen[0] == (0, 6) and seen[-1] == (6, 6)
    alone = services.assess(EXAMPLE, model_id="small")
    assert alone.risk is not None and rows[0].probability == alone.risk.probability
    assert rows[4].code == "too_few_slices" and rows[5].code and not rows[5].probability
    with (tmp_path / "out" / TABLE).open(newline="") as stream:
        written = list(csv.DictReader(stream))
    assert tuple(written[0]) == COLUMNS
    assert [float(row["probability"]) for row in written[:N_GOOD]] == [row.probability for row in rows[:N_GOOD]]
    assert str(tmp_path) not in (tmp_path / "out" / TABLE).read_text()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [TABLE]


def test_a_stopped_run_goes_on_where_it_was(table: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        score_many(table, tmp_path / "out", model_id="small", progress=stopping_at(3))
    journal = tmp_path / "out" / "predictions.journal"
    assert not (tmp_path / "out" / TABLE).exists()
    # As if the disk had been full in the middle of a line; and a mark that tells kept rows from new ones.
    lines = journal.read_text().splitlines()
    kept = {**json.loads(lines[1]), "seconds": -1.0}
    journal.write_text("\n".join([lines[0], json.dumps(kept), *lines[2:]]) + '\n{"scan_id": "S3", "sta')
    begun: list[tuple[int, int]] = []
    rows = score_many(table, tmp_path / "out", model_id="small", progress=lambda *step: begun.append(step))
    assert begun[0] == (3, 6)
    assert statuses(rows) == EXPECTED and rows[0].seconds == -1.0


def test_rows_of_another_table_or_of_a_corrected_path_are_not_taken_over(table: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        score_many(table, tmp_path / "out", model_id="small", progress=stopping_at(2))
    assert str(tmp_path) not in (tmp_path / "out" / "predictions.journal").read_text()
    table.write_text(f"scan_id,path\nS0,text.zip\nS1,{EXAMPLE.resolve()}\n")
    begun: list[tuple[int, int]] = []
    rows = score_many(table, tmp_path / "out", model_id="small", progress=lambda *step: begun.append(step))
    assert begun[0] == (1, 2) and statuses(rows) == ["failed", "scored"]


def test_a_study_that_ended_its_run_becomes_a_row_when_called_again(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(function: object, task: Task) -> Row:
        raise HtcoreError("ended", code="worker_lost")

    (tmp_path / "out").mkdir()
    head = json.dumps({"weights_sha256": services.load_bundle_by_id("small").identity.weights_sha256})
    (tmp_path / "out" / "predictions.journal").write_text(head + "\n")
    monkeypatch.setattr(batch, "in_own_process", ended)
    rows = score_many(table, tmp_path / "out", model_id="small")
    assert [row.code for row in rows][:2] == ["worker_lost", ""] and statuses(rows[1:]) == EXPECTED[1:]


def test_a_run_stopped_before_its_first_study_goes_on(table: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "predictions.journal").write_text(
        json.dumps({"weights_sha256": services.load_bundle_by_id("small").identity.weights_sha256})
        + '\n{"scan_id": "S0", "status": "failed"}\n'  # as an earlier version wrote it
    )

    with pytest.raises(KeyboardInterrupt):
        score_many(table, tmp_path / "out", model_id="small", progress=stopping_at(1))
    assert statuses(score_many(table, tmp_path / "out", model_id="small")) == EXPECTED


def test_an_unfinished_run_of_another_model_is_not_mixed_in(table: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "predictions.journal").write_text('{"weights_sha256": "other"}\n')
    with pytest.raises(UsageError, match="another model"):
        score_many(table, tmp_path / "out", model_id="small")


def test_a_killed_worker_loses_and_doubles_nothing(table: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_once(done: int, total: int) -> None:
        if done == 1 and not killed:
            victim = multiprocessing.active_children()[0]
            killed.append(victim.pid or 0)
            victim.kill()

    rows = score_many(table, tmp_path / "out", model_id="small", workers=2, progress=kill_once)
    assert killed and statuses(rows) == EXPECTED


def test_dask_workers_on_a_real_cluster_one_of_them_killed(table: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        killed: list[int] = []

        def kill_once(done: int, total: int) -> None:
            if done == 1 and not killed:
                process = next(iter(cluster.workers.values())).process.process
                killed.append(process.pid)
                process.kill()

        rows = score_many(
            table, tmp_path / "out", model_id="small", scheduler=cluster.scheduler_address, progress=kill_once
        )
    assert killed and statuses(rows) == EXPECTED
    direct = score_many(table, tmp_path / "direct", model_id="small")
    assert [row.probability for row in rows] == pytest.approx([row.probability for row in direct], abs=1e-5)


def test_a_device_that_is_not_there_is_told_before_anything_is_scored(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="device"):
        score_many(table, tmp_path / "out", model_id="small", device="abacus")
    assert not (tmp_path / "out").exists()


def test_a_scheduler_that_does_not_answer(table: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="dask is not installed")
    with pytest.raises(UsageError, match="scheduler"):
        score_many(table, tmp_path / "out", model_id="small", scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("scan_id,ht\nA,1\n", "path"),
        ("scan_id,path\nA,\n", "Row 2"),
        ("scan_id,path\nA,x\nA,y\n", "row 3"),
    ],
)
def test_a_table_that_cannot_be_used(table: Path, tmp_path: Path, text: str, message: str) -> None:
    table.write_text(text)
    with pytest.raises(CohortError, match=message):
        score_many(table, tmp_path / "out", model_id="small")
