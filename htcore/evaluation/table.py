"""Somebody's own predictions as a CSV file, with every fault told by row and column."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from htcore.errors import CohortError
from htcore.evaluation.validation import NUMBERS, REQUIRED, SHARES, TEXTS
from htcore.tables import check_shape

MAX_ROWS = 200_000
"""With so many scans the fewest resamples fill 160 MB of memory."""
MAX_PROBLEMS = 50
_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class RowProblem:
    """A value that cannot be used; ``row`` counts from 1, the first below the header."""

    row: int
    column: str
    demand: str


class TableError(CohortError):
    """Values of a table cannot be used.

    Attributes
    ----------
    problems : the first ``MAX_PROBLEMS``, by row.
    """

    def __init__(self, problems: tuple[RowProblem, ...], n_problems: int) -> None:
        first = problems[0]
        many = f" {n_problems - 1} more values cannot be used either." if n_problems > 1 else ""
        super().__init__(
            f"Row {first.row} below the header, column {first.column}: the value must {first.demand}.{many} "
            "Correct the table and load it again."
        )
        self.problems = problems
        self.n_problems = n_problems


def read_predictions(content: bytes) -> pd.DataFrame:
    """A checked table for ``ValidationSet.from_frame``; columns that it does not know are dropped.

    Parameters
    ----------
    content
        UTF-8 text, separated by commas, semicolons (then numbers may have decimal commas) or tabs, with the header
        ``patient_id, scan_id, ht, probability`` in any order, and optional columns.

    Raises
    ------
    TableError
        Naming the rows and columns of the values that cannot be used.
    CohortError
        If it is no such table, or longer than ``MAX_ROWS``.
    """
    text = _decoded(content)
    separator = _separator(text)
    raw = _parsed(text, separator)
    if separator == ";":
        numbers = [name for name in ("ht", "probability", *NUMBERS) if name in raw.columns]
        raw[numbers] = raw[numbers].apply(lambda column: column.str.replace(",", ".", regex=False))
    problems = sorted(_problems(raw), key=lambda problem: problem[0])
    if problems:
        first = tuple(RowProblem(int(row) + 1, column, demand) for row, column, demand in problems[:MAX_PROBLEMS])
        raise TableError(first, len(problems))
    for name in ("ht", "probability", *NUMBERS):
        if name in raw.columns:
            raw[name] = pd.to_numeric(raw[name]).astype(np.float64)
    return raw


def _decoded(content: bytes) -> str:
    if b"\0" in content[:4096]:
        raise CohortError("The file is no text: export the table as CSV (UTF-8), not as a workbook.")
    if content.count(b"\n") > MAX_ROWS + 1:
        raise CohortError(f"The table has more than {MAX_ROWS:,} rows: give fewer scans.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CohortError(f"Line {line} of the file is not UTF-8 text: save the table as CSV UTF-8.") from error
    if not text.strip():
        raise CohortError("The file is empty: give a table with the columns " + ", ".join(REQUIRED) + ".")
    return text


def _separator(text: str) -> str:
    header = text.lstrip().splitlines()[0]
    return max(_SEPARATORS, key=header.count)


def _parsed(text: str, separator: str) -> pd.DataFrame:
    check_shape(text, separator, spaces=True)
    try:
        raw = pd.read_csv(
            io.StringIO(text), sep=separator, dtype=str, skipinitialspace=True, index_col=False, on_bad_lines="error"
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        # pandas counts lines, the header being the first; its own words quote the file.
        found = re.search(r"line (\d+)", str(error))
        where = f"Row {int(found[1]) - 1} below the header" if found else "The table"
        raise CohortError(f"{where} cannot be taken apart: give every row as many cells as the header.") from error
    raw.columns = [str(name).strip() for name in raw.columns]
    missing = [name for name in REQUIRED if name not in raw.columns]
    if missing:
        raise CohortError(f"The header lacks {', '.join(missing)}: add or rename what is missing.")
    if raw.empty:
        raise CohortError("The table has a header and no rows: add one row a scan.")
    known = [name for name in (*REQUIRED, *NUMBERS, *TEXTS) if name in raw.columns]
    return pd.DataFrame({name: raw[name].str.strip() for name in known})


def _problems(raw: pd.DataFrame) -> Iterator[tuple[int, str, str]]:
    """(row from 0, column, demand) of each value that cannot be used."""
    for name in ("patient_id", "scan_id"):
        yield from _where(_empty(raw[name]), name, "not be empty")
    twice = raw.duplicated(["patient_id", "scan_id"]).to_numpy() & ~_empty(raw["scan_id"])
    yield from _where(twice, "scan_id", "be unique within its patient")
    ht = pd.to_numeric(raw["ht"], errors="coerce").to_numpy(dtype=np.float64)
    yield from _where(~np.isin(ht, (0.0, 1.0)), "ht", "be 0 or 1")
    for name in ("probability", *NUMBERS):
        if name not in raw.columns:
            continue
        values = pd.to_numeric(raw[name], errors="coerce").to_numpy(dtype=np.float64)
        needed = name == "probability"
        no_number = ~np.isfinite(values) & (needed | ~_empty(raw[name]))
        yield from _where(no_number, name, "be a number")
        if name in SHARES:
            yield from _where(~no_number & ((values < 0) | (values > 1)), name, "lie between 0 and 1")


def _empty(column: pd.Series[str]) -> NDArray[np.bool_]:
    return np.asarray(column.isna() | (column == ""), dtype=np.bool_)


def _where(faulty: NDArray[np.bool_], column: str, demand: str) -> Iterator[tuple[int, str, str]]:
    return ((int(row), column, demand) for row in np.flatnonzero(faulty))
