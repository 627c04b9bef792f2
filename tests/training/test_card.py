from __future__ import annotations

from htcore.training.card import Stage, stages


def test_trainings_are_told_apart_from_the_first_to_the_last() -> None:
    data = "9 scans of 8 patients, starting from b (5 scans of 5 patients, starting from a-1 (3 scans of 2 patients))"
    assert stages("c", data) == (
        Stage("a-1", "3 scans of 2 patients"),
        Stage("b", "5 scans of 5 patients"),
        Stage("c", "9 scans of 8 patients"),
    )


def test_a_sentence_of_another_form_stays_whole() -> None:
    for data in ("3 scans", "3 scans (from two centres), starting from a (2 scans)", "3, starting from a", ""):
        assert stages("c", data) == (Stage("c", data),)
    # What the earlier model says of itself is kept letter for letter.
    assert stages("c", "3 scans, starting from a (2 scans (one centre))")[0] == Stage("a", "2 scans (one centre)")
