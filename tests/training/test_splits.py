"""Whole patients only, and both outcomes where they are needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from htcore.errors import CohortError, UsageError
from htcore.training.cohort import CohortScan
from htcore.training.splits import folds, hold_out


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


def test_patients_that_the_split_column_says_train_do_not_choose_while_others_are_left() -> None:
    cohort = scans(40, 20, each=2)
    told = [replace(scan, split="train") for scan in cohort]
    some = [*told[:30], *cohort[30:50], *told[50:]]  # the patients 15 to 24 are left to choose among
    selection = hold_out(some, 0.2, seed=3)[1]
    held = {scan.patient_id for scan in selection}
    assert len(held) == 8 and held <= {f"p{n}" for n in range(15, 25)} and len({scan.ht for scan in selection}) == 2
    # Nobody, or nobody of an outcome, is left: those that train choose too, as if the column were not there.
    plain = {scan.scan_id for scan in hold_out(cohort, 0.2, seed=3)[1]}
    assert {scan.scan_id for scan in hold_out(told, 0.2, seed=3)[1]} == plain
    one = hold_out([*told[:40], *cohort[40:]], 0.2, seed=3)[1]
    assert len({scan.ht for scan in one}) == 2 and len(one) == 16


def test_folds_hold_every_patient_once_and_both_outcomes_evenly() -> None:
    cohort = scans(13, 5, each=2)
    parts = folds(cohort, 3, seed=4)
    assert sorted(scan.scan_id for part in parts for scan in part) == sorted(scan.scan_id for scan in cohort)
    patients = [{scan.patient_id for scan in part} for part in parts]
    assert sum(map(len, patients)) == 13 and sorted(map(len, patients)) == [4, 4, 5]
    assert sorted(len({scan.patient_id for scan in part if scan.ht}) for part in parts) == [1, 2, 2]
    assert folds(cohort, 3, seed=4) == parts != folds(cohort, 3, seed=5)


def test_folds_leave_validation_out_and_refuse_what_they_cannot_do() -> None:
    cohort = scans(12, 6)
    cohort[0] = replace(cohort[0], split="validation")
    assert cohort[0] not in [scan for part in folds(cohort, 2, seed=0) for scan in part]
    with pytest.raises(CohortError, match="7 folds need 7 patients"):
        folds(scans(20, 6), 7, seed=0)
    with pytest.raises(UsageError):
        folds(cohort, 1, seed=0)
    cohort[1] = replace(cohort[1], split="calibration")
    with pytest.raises(CohortError, match="split column"):
        folds(cohort, 2, seed=0)
