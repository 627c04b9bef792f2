"""Cohort tables: what is wrong is said with its row, and no patient lies in two parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from htcore.errors import CohortError, UsageError
from htcore.simulation.plan import CohortParameters, plan_cohort
from htcore.training.cohort import CohortScan, check_no_leak, read_cohort, split_patients

HEADER = "patient_id,scan_id,path,ht"


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    for name in ("s1", "s2", "s3"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "cohort.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "cohort.csv"


def scan(patient: int, ht: bool, number: int = 0, split: str | None = None) -> CohortScan:
    return CohortScan(f"p{patient}", f"p{patient}-{number}", Path(f"p{patient}-{number}"), ht, split=split)


def test_reads_rows_and_leaves_unknown_cells_out(tmp_path: Path) -> None:
    path = table(tmp_path, "a,1,s1,0,63,", "b,2,s2,1,,F", header=HEADER + ",age,sex")
    cohort = read_cohort(path)
    assert [entry.ht for entry in cohort.scans] == [False, True] and not cohort.simulated
    assert cohort.scans[0].values == {"age": 63.0} and cohort.scans[1].values == {"sex": "F"}
    assert cohort.scans[0].path == tmp_path / "s1" and cohort.scans[0].number("age") == 63.0
    assert cohort.scans[1].number("age") is None and cohort.scans[1].number("sex") is None


def test_truth_beside_the_table_is_joined_by_scan(tmp_path: Path) -> None:
    path = table(tmp_path, "a,1,s1,0", "b,2,s2,1")
    (tmp_path / "m.nii.gz").write_bytes(b"")
    (tmp_path / "truth.csv").write_text("patient_id,scan_id,p_ht,mask_path\nb,2,0.7,m.nii.gz\na,1,0.2,\n")
    cohort = read_cohort(path)
    assert cohort.simulated and cohort.scans[0].values["p_ht"] == 0.2 and cohort.scans[0].mask_path is None
    assert cohort.scans[1].mask_path == tmp_path / "m.nii.gz"


def test_an_empty_cell_does_not_hide_the_truth(tmp_path: Path) -> None:
    path = table(tmp_path, "a,1,s1,0,", header=HEADER + ",mask_path")
    (tmp_path / "m.nii.gz").write_bytes(b"")
    (tmp_path / "truth.csv").write_text("patient_id,scan_id,mask_path\na,1,m.nii.gz\n")
    assert read_cohort(path).scans[0].mask_path == tmp_path / "m.nii.gz"


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["a,1,s1"], "patient_id,scan_id,path", "lacks the column.* ht"),
        ([], HEADER, "no rows"),
        (["a,1,s1,0", "b,2,s2,yes"], HEADER, "row 3: ht must be 0 or 1"),
        (["a,1,s1,0", ",2,s2,1"], HEADER, "row 3: patient_id is empty"),
        (["a,1,s1,0", "b,1,s2,1"], HEADER, "row 3: scan_id stands in an earlier row"),
        (["a,1,s1,0", "b,2,s1,1"], HEADER, "row 3: path stands in an earlier row"),
        (["a,1,s1,0", "b,2,./s2/../s1/,1"], HEADER, "row 3: path stands in an earlier row"),
        (["a,1,s1,0", "b,2,gone,1"], HEADER, "row 3: path: nothing is there"),
        (["a,1,s1,0,tset"], HEADER + ",split", "row 2: split must be one of"),
        (["a,1,s1,0,train", "a,2,s2,0,test"], HEADER + ",split", "lie in both train and test"),
        (["a,1,s1,0,63", "b,2,s2,1,unknown"], HEADER + ",age", "row 3: age must be a number"),
        (["a,1,s1,0,inf"], HEADER + ",thickness_mm", "row 2: thickness_mm must be a number"),
        (["a,1,s1,0,x"], HEADER + ",ht ", "names a column twice"),
        (["a,1,s1,0,1"], HEADER + ",ht", "names a column twice"),
        (["x,a,1,s1,0", "x,b,2,s2,1"], HEADER, "Row 1 below the header cannot be taken apart"),
        (["a,1,s1,0,gone.nii"], HEADER + ",mask_path", "row 2: mask_path"),
        ([f"a{n},{n},s1,x" for n in range(8)], HEADER, "row 2, 3, 4, 5, 6 and 3 more"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, rows: list[str], header: str, message: str) -> None:
    with pytest.raises(CohortError, match=message) as caught:
        read_cohort(table(tmp_path, *rows, header=header))
    assert str(tmp_path) not in str(caught.value)


def test_truth_that_is_no_number_is_told_too(tmp_path: Path) -> None:
    path = table(tmp_path, "a,1,s1,0", "b,2,s2,1")
    (tmp_path / "truth.csv").write_text("patient_id,scan_id,p_ht_image\na,1,0.2\nb,2,1.7\n")
    with pytest.raises(CohortError, match="Truth table, row 3: p_ht_image must lie between 0 and 1"):
        read_cohort(path)


def test_clinical_data_in_another_unit_and_another_separator_are_told(tmp_path: Path) -> None:
    path = table(tmp_path, "a,1,s1,0,7.2", "b,2,s2,1,130", header=HEADER + ",glucose_mmol_l")
    with pytest.raises(CohortError, match="row 3: glucose_mmol_l must lie between 1 and 60; correct its value or unit"):
        read_cohort(path)
    path.write_text(path.read_text().replace(",", ";"))
    with pytest.raises(CohortError, match="and separate them by commas"):
        read_cohort(path)


def test_words_stay_words_where_they_look_like_numbers(tmp_path: Path) -> None:
    path = table(tmp_path, "a,1,s1,0,1", "b,2,s2,1,f", header=HEADER + ",sex")
    assert [scan.values["sex"] for scan in read_cohort(path).scans] == ["1", "f"]


def test_no_table_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no cohort table"):
        read_cohort(tmp_path / "cohort.csv")
    (tmp_path / "cohort.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(CohortError):
        read_cohort(tmp_path / "cohort.csv")


def test_split_keeps_a_patients_scans_together_and_both_outcomes_in_both_parts() -> None:
    scans = [scan(n, n % 3 == 0, k) for n in range(60) for k in range(1 + n % 2)]
    training, calibration = split_patients(scans, 0.1, seed=4)
    assert len(training) + len(calibration) == len(scans)
    patients = {entry.patient_id for entry in calibration}
    assert not patients & {entry.patient_id for entry in training}
    assert len(patients) == 2 + 4  # a tenth of 20 with and of 40 without
    assert split_patients(scans, 0.1, seed=4) == (training, calibration)
    assert split_patients(scans, 0.1, seed=5)[1] != calibration


def test_a_split_column_decides() -> None:
    scans = [scan(n, n % 2 == 0, split="calibration" if n < 4 else "train") for n in range(12)]
    scans += [scan(20, True, split="test"), scan(21, True, split="validation")]
    training, calibration = split_patients(scans, 0.5, seed=0)
    assert {entry.patient_id for entry in calibration} == {"p0", "p1", "p2", "p3"} and len(training) == 8


def test_calibration_rows_are_drawn_from_the_cells_left_empty() -> None:
    scans = [scan(n, n % 2 == 0, split="train" if n < 20 else None) for n in range(40)]
    training, calibration = split_patients(scans, 0.2, seed=0)
    assert len(calibration) == 8 and all(entry.split is None for entry in calibration) and len(training) == 32
    told = [replace(entry, split="train") for entry in scans]
    assert len(split_patients(told, 0.2, seed=0)[1]) == 8


def test_one_class_one_patient_and_an_impossible_share_are_refused() -> None:
    with pytest.raises(CohortError, match="with and without HT"):
        split_patients([scan(n, True) for n in range(20)], 0.1, seed=0)
    with pytest.raises(CohortError):
        split_patients([scan(0, True, 0), scan(0, False, 1)], 0.1, seed=0)
    with pytest.raises(UsageError):
        split_patients([scan(0, True)], 1.0, seed=0)


def test_leak_is_found_also_where_the_true_risk_differs() -> None:
    with pytest.raises(CohortError, match="1 patient"):
        check_no_leak({"training": [scan(1, True)], "validation": [scan(1, True, 1), scan(2, False)]})
    one, other = (replace(scan(1, True), values={"p_ht": value}) for value in (0.2, 0.7))
    with pytest.raises(CohortError, match="1 patient"):
        check_no_leak({"training": [one], "validation": [other]})
    check_no_leak({"training": [scan(1, True)], "validation": [scan(2, True)]})


def test_simulated_cohorts_of_two_seeds_share_nobody_and_one_seed_names_a_person_once() -> None:
    def people(**chosen: int) -> dict[str, float]:
        return {p.patient_id: p.clinical.glucose_mmol_l[0] for p in plan_cohort(CohortParameters(**chosen))}

    one, other, larger = people(patients=6, seed=1), people(patients=6, seed=12), people(patients=9, seed=1)
    assert not one.keys() & other.keys()
    assert one.items() <= larger.items()
    names = [[replace(scan(0, True), patient_id=name) for name in cohort] for cohort in (one, other, larger)]
    check_no_leak({"training": names[0], "validation": names[1]})
    with pytest.raises(CohortError, match="6 patient"):
        check_no_leak({"training": names[0], "validation": names[2]})
