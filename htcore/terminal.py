"""What the commands say and how: progress and messages on stderr, errors as one line and an exit code."""

from __future__ import annotations

import json
import math
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from htcore import serialise
from htcore.errors import HtcoreError
from htcore.types import QualityReport, Volume
from htcore.ui.words import finding_sentence

if TYPE_CHECKING:
    from htcore.training.cache import RefusedScan
    from htcore.training.loop import EpochLog

messages = Console(stderr=True)
_REFUSED = 4


@contextmanager
def errors(as_json: bool) -> Iterator[None]:
    """Turn whatever goes wrong into one message and the contract's exit code; never a traceback."""
    try:
        yield
    except HtcoreError as error:
        _print_error(error, as_json)
        raise typer.Exit(error.exit_code) from None
    except (typer.Exit, typer.Abort, KeyboardInterrupt, BrokenPipeError):  # the last: whoever read has enough
        raise
    except Exception:  # noqa: BLE001 - the exception's own text may hold a header's value or a file's name
        if os.environ.get("HTCORE_DEBUG"):
            traceback.print_exc()
        message = "Something unforeseen went wrong; nothing was scored. Set HTCORE_DEBUG=1 to see where."
        _print_error(HtcoreError(message, code="unforeseen"), as_json)
        raise typer.Exit(HtcoreError.exit_code) from None


def _print_error(error: HtcoreError, as_json: bool) -> None:
    if as_json:
        print_json(serialise.error_json(error))
    else:
        messages.print(f"{error.code}: {error}", style="bold", markup=False, highlight=False)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout and nothing else."""
    typer.echo(json.dumps(serialise.json_safe(value), ensure_ascii=False))


def print_quality(quality: QualityReport, volume: Volume) -> None:
    """The verdict and its findings."""
    meaning = {"refuse": "it must not be scored", "warn": "it may be scored, with a warning", "ok": "it may be scored"}
    typer.echo(f"quality: {quality.verdict}, {meaning[quality.verdict]}")
    for finding in quality.findings:
        typer.echo(f"  {finding.severity}: {finding_sentence(finding, volume)} [{finding.code}]")


def print_epoch(log: EpochLog) -> None:
    """A finished epoch, to stderr."""
    chosen = "" if math.isnan(log.selection_loss) else f", on selection patients {log.selection_loss:.4f}"
    mark = ", best so far" if chosen and log.best else ""
    messages.print(f"epoch {log.epoch}: loss {log.loss:.4f}{chosen}{mark}", highlight=False)


def print_left_out(scan: RefusedScan) -> None:
    """A scan that takes no part, to stderr."""
    text = f"left out: row {scan.row} of the {scan.table}: {scan.message} [{scan.code}]"
    messages.print(text, markup=False, highlight=False)


def number(value: float | None) -> str:
    """Three digits, or that there is none."""
    return "not available" if value is None else f"{value:.3f}"


def exit_if_refused(quality: QualityReport) -> None:
    """End with the exit code of a scan that was read and refused."""
    if quality.verdict == "refuse":
        raise typer.Exit(_REFUSED)


@contextmanager
def bar(what: str, visible: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr: called with how much is done, and of how much."""
    with _progress(visible) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each stage: called with its name, how much is done, and of how much."""
    with _progress(True) as progress:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield tell


def _progress(visible: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=messages, disable=not visible)
