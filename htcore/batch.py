"""Many studies scored one after another: on several processes of this machine, or by dask's workers on many."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from htcore.errors import CohortError, HtcoreError, UsageError
from htcore.processes import alone_in, in_own_process, in_processes

Status = Literal["scored", "refused", "failed"]
Progress = Callable[[int, int], None]
"""Called with how many studies are done, and of how many."""

TABLE = "predictions.csv"
_JOURNAL = "predictions.journal"
_REQUIRED = ("scan_id", "path")
_LOST = "The process that scored it was ended from outside, perhaps for lack of memory: score it alone."


@dataclass(frozen=True)
class Task:
    """One study to score with one model; plain values, so that it can travel to another machine."""

    scan_id: str
    path: str
    model_id: str
    weights_sha256: str
    device: str = "cpu"
    threads: int | None = None

    @property
    def study(self) -> str:
        """Tells this task from one of the same number in another table, without saying the path."""
        return hashlib.sha256(f"{self.scan_id}\n{self.path}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Row:
    """What became of one study; ``None`` where it was not scored.

    Attributes
    ----------
    status
        ``scored``; ``refused`` by the quality gate; ``failed``: not readable.
    code, message : str
        Why not scored.
    findings : str
        Codes of the quality findings, joined by spaces.
    """

    scan_id: str
    status: Status
    probability: float | None = None
    low: float | None = None
    high: float | None = None
    logit: float | None = None
    above_threshold: bool | None = None
    lesion_ml: float | None = None
    lesion_side: str | None = None
    findings: str = ""
    code: str = ""
    message: str = ""
    seconds: float | None = None
    weights_sha256: str = ""


COLUMNS = tuple(Row.__dataclass_fields__)


def score_one(task: Task) -> Row:
    """Score one study; whatever is wrong with it becomes a row."""
    import torch

    from htcore import services

    try:
        if task.threads is not None:
            torch.set_num_threads(task.threads)
        opened = services.assess(Path(task.path), model_id=task.model_id, device=task.device, regions=False)
    except HtcoreError as error:
        return _not_scored(task, "failed", error.code, str(error))
    except Exception:  # noqa: BLE001 - one study must not stop the others, and the text may name a file
        return _not_scored(task, "failed", "unforeseen", "Something unforeseen went wrong: score it alone.")
    findings = " ".join(finding.code for finding in opened.quality.findings)
    risk, evidence = opened.risk, opened.evidence
    if opened.model is not None and opened.model.weights_sha256 != task.weights_sha256:
        return _not_scored(task, "failed", "bundle_version", "A worker has another model of that id: install the same.")
    if risk is None or evidence is None or opened.model is None:
        worst = next(finding for finding in opened.quality.findings if finding.severity == "refuse")
        return Row(task.scan_id, "refused", findings=findings, code=worst.code, message=worst.message)
    return Row(
        task.scan_id,
        "scored",
        probability=risk.probability,
        low=risk.interval[0],
        high=risk.interval[1],
        logit=risk.logit,
        above_threshold=risk.probability >= risk.threshold,
        lesion_ml=evidence.lesion.volume_ml,
        lesion_side=evidence.lesion.side,
        findings=findings,
        seconds=opened.timing_ms["total"] / 1000.0,
        weights_sha256=opened.model.weights_sha256,
    )


def score_many(
    cohort_csv: Path,
    out: Path,
    *,
    model_id: str,
    device: str = "cpu",
    workers: int = 1,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> tuple[Row, ...]:
    """Score every study of a table with ``scan_id`` and ``path``, and write ``predictions.csv`` into ``out``.

    Each finished study is kept in a journal at once: a run that was stopped goes on where it was, with the studies
    whose number and path are the same. One that cannot be read or is refused becomes a row and stops nothing; so does
    one that takes its process with it.

    Parameters
    ----------
    workers
        Processes on this machine; each computes on one thread where there are several.
    scheduler
        Address of a dask scheduler, ``tcp://…``, in place of them; its workers must see the same paths and models.

    Raises
    ------
    CohortError
        If the table cannot be used.
    UsageError
        If ``out`` cannot be written, holds another model's run, or another run is writing there; if this machine has
        no such device and shall score itself.
    """
    from htcore import services
    from htcore.inference.device import choose_device

    if scheduler is None:
        choose_device(device)
    weights = services.load_bundle_by_id(model_id).identity.weights_sha256
    threads = 1 if workers > 1 else None
    tasks = [Task(scan_id, path, model_id, weights, device, threads) for scan_id, path in _studies(cohort_csv)]
    tell = progress or (lambda done, total: None)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with alone_in(out):
            journal = out / _JOURNAL
            study = {task.scan_id: task.study for task in tasks}
            kept, resumed = _read_journal(journal, weights), journal.exists()
            rows = {row.scan_id: row for of, row in kept if study.get(row.scan_id) == of}
            left = [task for task in tasks if task.scan_id not in rows]
            tell(len(tasks) - len(left), len(tasks))
            with journal.open("a", encoding="utf-8") as stream:
                if stream.tell() == 0:
                    stream.write(json.dumps({"weights_sha256": weights}) + "\n")
                for row in _by_dask(left, scheduler) if scheduler else _by_processes(left, workers, resumed):
                    if row.scan_id in rows:  # a second answer after a lost worker
                        continue
                    rows[row.scan_id] = row
                    stream.write(json.dumps({"study": study[row.scan_id], **asdict(row)}) + "\n")
                    stream.flush()
                    tell(len(rows), len(tasks))
            ordered = tuple(rows[task.scan_id] for task in tasks)
            _write_table(out / TABLE, ordered)
            journal.unlink()
    except OSError as error:
        raise UsageError("The output folder could not be written: free disk space or choose another place.") from error
    return ordered


def _studies(cohort_csv: Path) -> list[tuple[str, str]]:
    """(scan_id, path) of each row."""
    try:
        with cohort_csv.open(encoding="utf-8-sig", newline="") as stream:
            table = list(csv.DictReader(stream))
    except FileNotFoundError as error:
        raise CohortError("There is no table at the given place: give the path of a CSV file.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CohortError("The table could not be read: a comma-separated UTF-8 text file is expected.") from error
    if not table:
        raise CohortError("The table has no rows: one row a scan is expected.")
    missing = [name for name in _REQUIRED if name not in table[0]]
    if missing:
        raise CohortError(f"The table lacks the column(s) {', '.join(missing)}: scan_id and path are needed.")
    seen: set[str] = set()
    for number, row in enumerate(table, start=2):
        if not all((row[name] or "").strip() for name in _REQUIRED):
            raise CohortError(f"Row {number} of the table lacks its scan_id or path: fill it or delete the row.")
        if row["scan_id"].strip() in seen:
            raise CohortError(f"The scan_id of row {number} stands in an earlier row too: keep each scan once.")
        seen.add(row["scan_id"].strip())
    folder = cohort_csv.resolve().parent
    return [(row["scan_id"].strip(), str(folder / row["path"].strip())) for row in table]


def _by_processes(tasks: Sequence[Task], workers: int, resumed: bool) -> Iterator[Row]:
    """Rows as they come; where a process is lost, the rest goes on without it."""
    left = {task.scan_id: task for task in tasks}
    if resumed and left:
        # With one worker this process scores: the study that was under way may have been what ended the run.
        yield _by_itself(left.pop(tasks[0].scan_id))
    alone = False
    while left:
        before = len(left)
        if alone:
            # Two lost pools without a row between them: one task after another, each in a process of its own.
            task = next(iter(left.values()))
            yield _by_itself(left.pop(task.scan_id))
            continue
        try:
            for row in in_processes(score_one, list(left.values()), workers):
                del left[row.scan_id]
                yield row
        except HtcoreError as error:
            if error.code != "worker_lost":
                raise
            alone = len(left) == before


def _by_itself(task: Task) -> Row:
    try:
        return in_own_process(score_one, task)
    except HtcoreError as error:
        return _not_scored(task, "failed", error.code, _LOST)


def _by_dask(tasks: Sequence[Task], scheduler: str) -> Iterator[Row]:
    """Rows from a cluster; a task whose worker dies is given to another, three times at most."""
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise UsageError("--scheduler needs dask: pip install distributed, here and on every worker.") from error
    try:
        client = Client(scheduler, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError("The scheduler does not answer: check its address (tcp://machine:port).") from error
    with client:
        futures = {client.submit(score_one, task, pure=False, retries=3): task for task in tasks}
        for future in as_completed(list(futures)):  # type: ignore[no-untyped-call]
            if future.status == "finished":
                yield future.result()
            else:
                yield _not_scored(futures[future], "failed", "worker_lost", _LOST)


def _not_scored(task: Task, status: Status, code: str, message: str) -> Row:
    return Row(task.scan_id, status, code=code, message=message)


def _read_journal(path: Path, weights: str) -> Iterator[tuple[str, Row]]:
    """Rows of an earlier run, each with its task's ``study``; a last line that was cut off is dropped."""
    if not path.exists():
        return
    head, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
    if not head.endswith("\n"):  # cut off before anything was scored
        path.unlink()
        return
    if _line(head).get("weights_sha256") != weights:
        raise UsageError("The output folder holds an unfinished run of another model: finish it, or choose another.")
    whole = [line for line in lines if line.endswith("\n") and _line(line)]
    if len(whole) < len(lines):
        path.write_text(head + "".join(whole), encoding="utf-8")
    for line in whole:
        values = _line(line)
        yield values.pop("study", ""), Row(**values)  # an earlier version named no study


def _line(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _write_table(path: Path, rows: Sequence[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    partial = path.with_suffix(".partial")
    partial.write_text(text.getvalue(), encoding="utf-8")
    os.replace(partial, path)
