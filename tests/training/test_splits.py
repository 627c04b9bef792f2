"""Whole patients only, and both outcomes where they are needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from htcore.errors import UsageError
from htcore.training.cohort import CohortScan
from htcore.training.splits import hold_out


def scans(patients: int, events: int, each: int = 1) -> list[CohortScan]:
    return [
        CohortScan(f"p{n}", f"p{n}-{k}", Path(f"{n}-{k}"), n < events) for n in range(patients) for k in range(each)
    ]


def test_a_share_of_each_outcome_is_held_out_with_all_its_scans() -> None:
    cohort = scans(60, 20, each=2)
    training, selection = hold_out(cohort, 0.15, seed=1)
    held = {scan.patient_id for scan in selection}
    assert len(held) == 3 + 6 and len(selection) == 2 * len(held)  # 0.15 of 20, of 40
    assert len({scan.patient_id for scan in selection if scan.ht}) == 3
    assert not held & {scan.patient_id for scan in training} and len(training) + len(selection) == len(cohort)
    assert hold_out(cohort, 0.15, seed=1) == (training, selection) != hold_out(cohort, 0.15, seed=2)


def test_nobody_is_held_out_of_few_patients_or_without_a_share() -> None:
    assert hold_out(scans(29, 10), 0.15, seed=0)[1] == () and hold_out(scans(30, 10), 0.15, seed=0)[1] != ()
    assert hold_out(scans(60, 20), 0.0, seed=0)[1] == ()
    with pytest.raises(UsageError):
        hold_out(scans(60, 20), 0.6, seed=0)


def test_a_split_column_decides_also_for_few() -> None:
    cohort = scans(10, 5)
    cohort[3] = replace(cohort[3], split="selection")
    training, selection = hold_out(cohort, 0.15, seed=0)
    assert selection == (cohort[3],) and len(training) == 9
    assert len({scan.ht for scan in hold_out(scans(40, 1), 0.2, seed=0)[0]}) == 2  # the one event stays in training
