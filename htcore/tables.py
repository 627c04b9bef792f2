"""What pandas lets pass in delimited text without a word, though values would stand under another name."""

from __future__ import annotations

import csv
import io

from htcore.errors import CohortError


def check_shape(text: str, separator: str = ",", *, spaces: bool = False) -> None:
    """Refuse a table whose cells do not stand under the header's names.

    Empty cells beyond the header's may stay, as the trailing separators of a spreadsheet do.

    Parameters
    ----------
    spaces
        Whether a separator may be followed by a space.

    Raises
    ------
    CohortError
        If the header names a column twice, or a row has more values than the header has names.
    """
    try:
        rows = (row for row in csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=spaces) if row)
        header = [name.strip() for name in next(rows, [])]
        named = [name for name in header if name]
        if len(set(named)) < len(named):
            raise CohortError("The header names a column twice: keep each once.")
        for number, row in enumerate(rows, start=1):
            if any(cell.strip() for cell in row[len(header) :]):
                raise CohortError(
                    f"Row {number} below the header cannot be taken apart: give every row as many cells as the header."
                )
    except csv.Error as error:
        raise CohortError("The table cannot be taken apart: save it as CSV (UTF-8).") from error
