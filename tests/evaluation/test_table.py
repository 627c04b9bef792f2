from __future__ import annotations

import pandas as pd
import pytest

from htcore.errors import CohortError
from htcore.evaluation import MAX_ROWS, TableError, ValidationSet, case_table, confident_mistakes, read_predictions
from tests.evaluation.cohort import frame

ROWS = "A,1,0,0.2\nB,1,1,0.7\nC,1,0,0.6\n"


def csv(rows: str = ROWS, header: str = "patient_id,scan_id,ht,probability") -> bytes:
    return f"{header}\n{rows}".encode()


def test_a_plain_table_is_read_and_can_be_evaluated() -> None:
    table = read_predictions(csv())
    assert ValidationSet.from_frame(table).n_events == 1
    assert table["probability"].tolist() == [0.2, 0.7, 0.6]


def test_round_trip_of_a_whole_table() -> None:
    table = frame()
    again = read_predictions(table.to_csv(index=False).encode())
    first, second = ValidationSet.from_frame(table), ValidationSet.from_frame(again)
    assert first.probability == pytest.approx(second.probability)
    assert first.columns["age"] == pytest.approx(second.columns["age"])
    assert "part" not in again.columns


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + csv(),
        csv().replace(b"\n", b"\r\n"),
        csv().replace(b",", b"\t"),
        csv().replace(b",", b";"),
        csv().replace(b",", b";").replace(b"0.", b"0,"),
        csv().replace(b",", b" , "),
        csv(header="ht,probability,scan_id,patient_id", rows="0,0.2,1,A\n1,0.7,1,B\n0,0.6,1,C\n"),
    ],
    ids=["byte order mark", "windows", "tabs", "semicolons", "decimal commas", "spaces", "other order"],
)
def test_habits_of_spreadsheets_are_understood(content: bytes) -> None:
    table = read_predictions(content)
    assert table["patient_id"].tolist() == ["A", "B", "C"]
    assert table["probability"].tolist() == [0.2, 0.7, 0.6]


def test_ids_stay_text() -> None:
    assert read_predictions(csv("007,01,0,0.2\n"))["patient_id"].tolist() == ["007"]


@pytest.mark.parametrize(
    ("rows", "row", "column", "words"),
    [
        ("A,1,0,0.2\nB,1,2,0.7\n", 2, "ht", "be 0 or 1"),
        ("A,1,0,0.2\nB,1,,0.7\n", 2, "ht", "be 0 or 1"),
        ("A,1,yes,0.2\n", 1, "ht", "be 0 or 1"),
        ("A,1,0,high\n", 1, "probability", "be a number"),
        ("A,1,0,\n", 1, "probability", "be a number"),
        ("A,1,0,inf\n", 1, "probability", "be a number"),
        ("A,1,0,1.01\n", 1, "probability", "lie between 0 and 1"),
        ("A,1,0,-0.2\n", 1, "probability", "lie between 0 and 1"),
        (",1,0,0.2\n", 1, "patient_id", "not be empty"),
        ("A, ,0,0.2\n", 1, "scan_id", "not be empty"),
        ("A,1,0,0.2\nA,1,0,0.3\n", 2, "scan_id", "be unique within its patient"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(rows: str, row: int, column: str, words: str) -> None:
    with pytest.raises(
        TableError, match=f"Row {row} below the header, column {column}: the value must {words}"
    ) as caught:
        read_predictions(csv(rows))
    assert [(p.row, p.column, p.demand) for p in caught.value.problems] == [(row, column, words)]
    assert caught.value.n_problems == 1


def test_all_faults_are_told_by_row_and_no_value_is_repeated() -> None:
    with pytest.raises(TableError) as caught:
        read_predictions(csv("Smith,1,0,7\nSmith,1,5,x\nB,1,1,0.5\n"))
    assert [(p.row, p.column) for p in caught.value.problems] == [
        (1, "probability"),
        (2, "scan_id"),
        (2, "ht"),
        (2, "probability"),
    ]
    assert "3 more" in str(caught.value) and "Smith" not in str(caught.value)


def test_optional_numbers_may_be_empty_but_not_words() -> None:
    header = "patient_id,scan_id,ht,probability,age"
    assert read_predictions(csv("A,1,0,0.2,\n", header))["age"].isna().all()
    with pytest.raises(TableError, match="column age"):
        read_predictions(csv("A,1,0,0.2,old\n", header))


def test_trailing_separators_do_no_harm() -> None:
    table = read_predictions(csv(ROWS.replace("\n", ",,\n"), header="patient_id,scan_id,ht,probability,,"))
    assert table["probability"].tolist() == [0.2, 0.7, 0.6]
    assert read_predictions(csv("A,1,0,0.2,\nB,1,1,0.7,\n"))["ht"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"  \n\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\xef\xbb\xbf\r\n", "empty"),
        (b"patient_id,scan_id,ht,probability,ht \nA,1,0,0.2,1\n", "names a column twice"),
        (b"patient_id,scan_id,ht,probability,probability\nA,1,0,0.2,0.9\n", "names a column twice"),
        (csv(""), "no rows"),
        (b"patient_id,ht\nA,1\n", "lacks scan_id, probability"),
        (csv("A,1,0,0.2\nB,1,0,0.2,9,9\n"), "Row 2 below the header cannot be taken apart"),
        (csv("A,1,0,0,2\nB,1,1,0,7\n"), "Row 1 below the header cannot be taken apart"),
        (csv() + "Dü,1,0,0.3\n".encode("latin-1"), "Line 5 of the file is not UTF-8"),
        (b"PK\x03\x04\0\0\0\0", "no text"),
        (b'patient_id,scan_id,ht,probability\n"A,1,0,0.2\n', "cannot be taken apart"),
    ],
)
def test_what_is_no_such_table_is_refused_with_what_to_do(content: bytes, words: str) -> None:
    with pytest.raises(CohortError, match=words):
        read_predictions(content)


def test_two_million_rows_are_refused_before_they_are_read() -> None:
    with pytest.raises(CohortError, match=f"more than {MAX_ROWS:,} rows"):
        read_predictions(csv("A,1,0,0.2\n" * 2_000_000))


def test_kinds_of_cases_by_hand() -> None:
    table = pd.DataFrame(
        {
            "patient_id": list("abcdef"),
            "scan_id": list("uvwxyz"),
            "ht": [1, 1, 1, 0, 0, 0],
            "probability": [0.9, 0.5, 0.3, 0.6, 0.2, 0.8],
            "age": [50, 51, 52, 53, 54, 55],
        }
    )
    cases = case_table(table, 0.5)
    assert cases["kind"].tolist() == ["TP", "TP", "FN", "FP", "TN", "FP"]
    assert cases["age"].tolist() == table["age"].tolist() and "sex" not in cases.columns
    missed, false = confident_mistakes(cases)
    assert missed["scan_id"].tolist() == ["w"] and false["scan_id"].tolist() == ["z", "x"]
    assert len(confident_mistakes(cases, 1)[1]) == 1
    assert confident_mistakes(case_table(table, 0.0))[0].empty
