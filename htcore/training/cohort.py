"""The cohort table: who was scanned, where the scan lies, and what happened."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from htcore.errors import CohortError, UsageError
from htcore.evaluation.validation import NUMBERS, SHARES, TEXTS
from htcore.inference.clinical import RANGES
from htcore.tables import check_shape

REQUIRED = ("patient_id", "scan_id", "path", "ht")
COVARIATES = (
    "age",
    "sex",
    "nihss",
    "onset_to_ct_h",
    "glucose_mmol_l",
    "atrial_fibrillation",
    "thrombolysis",
    "thrombectomy",
)
_NUMBERS = frozenset((*COVARIATES, *NUMBERS)) - {"sex"}
SPLITS = ("train", "selection", "calibration", "validation", "test")
_LISTED = 5  # rows named in one message


@dataclass(frozen=True)
class CohortScan:
    """One row of ``cohort.csv`` with its truth where the cohort is simulated or was drawn.

    Attributes
    ----------
    path : Path
        Folder, archive or file of the study.
    ht : bool
        Hemorrhagic transformation followed.
    mask_path : Path or None
        NIfTI mask of the infarct on the scan's own voxels.
    split : str or None
        Part of the cohort that the table asks for.
    values : other columns of ``cohort.csv`` and ``truth.csv``; unknown cells are left out.
    """

    patient_id: str
    scan_id: str
    path: Path
    ht: bool
    mask_path: Path | None = None
    split: str | None = None
    values: dict[str, float | str] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        """Where the study really lies, however the table spells it."""
        return self.path.resolve()

    @property
    def simulated(self) -> bool:
        """Whether its true risk is known, which a simulator alone can know."""
        return "p_ht" in self.values or "p_ht_image" in self.values

    def number(self, column: str) -> float | None:
        """A numeric column's value, ``None`` where unknown or no number."""
        try:
            return float(self.values[column])
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True)
class Cohort:
    """Scans of a cohort, in the table's order, and whether they are simulated (``truth.csv`` knows the true risk)."""

    scans: tuple[CohortScan, ...]
    simulated: bool

    @property
    def patients(self) -> tuple[str, ...]:
        """Each patient once, in order of appearance."""
        return tuple(dict.fromkeys(scan.patient_id for scan in self.scans))


def read_cohort(cohort_csv: Path) -> Cohort:
    """Read ``cohort.csv`` and a ``truth.csv`` beside it.

    Raises
    ------
    CohortError
        If columns, cells or files are missing, a scan is listed twice, or a patient lies in two splits. Row 1
        is the header.
    """
    table = _read_table(cohort_csv, REQUIRED)
    if table.empty:
        raise CohortError("The cohort table has no rows: one row a scan is expected.")
    _check_cells(table)
    _check_numbers(table, "Cohort table")
    truth: dict[str, dict[str, str]] = {}
    truth_csv = cohort_csv.parent / "truth.csv"
    if truth_csv.exists():
        known = _read_table(truth_csv, ("patient_id", "scan_id"))
        _check_numbers(known, "Truth table")
        truth = _truth_rows(known)
    scans = tuple(_scan(row, truth.get(row["scan_id"], {}), cohort_csv.parent) for row in _rows(table))
    _raise_rows(
        "path: nothing is there", [i for i, scan in enumerate(scans) if not scan.path.exists()], "correct the path"
    )
    double = pd.Series([str(scan.place) for scan in scans]).duplicated()
    _raise_rows("path stands in an earlier row too", list(np.flatnonzero(double)), "keep each scan once")
    masks = [i for i, scan in enumerate(scans) if scan.mask_path is not None and not scan.mask_path.exists()]
    _raise_rows("mask_path: nothing is there", masks, "correct the path or leave the cell empty")
    _check_splits(scans)
    return Cohort(scans, simulated=any(scan.simulated for scan in scans))


def check_no_leak(parts: Mapping[str, Collection[CohortScan]]) -> None:
    """Fail where one patient lies in two parts.

    Raises
    ------
    CohortError
        Naming the two parts and how many patients they share.
    """
    seen: dict[str, set[str]] = {name: {scan.patient_id for scan in scans} for name, scans in parts.items()}
    names = list(seen)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            shared = len(seen[first] & seen[second])
            if shared:
                raise CohortError(
                    f"{shared} patient(s) lie in both {first} and {second}: results would be too good to be true. "
                    "Give every scan of a patient to one part."
                )


def split_patients(
    scans: Iterable[CohortScan], calibration_share: float, seed: int
) -> tuple[tuple[CohortScan, ...], tuple[CohortScan, ...]]:
    """Training and calibration scans, no patient in both; patients with and without HT in the same proportion.

    A ``split`` column decides where it is filled; its validation and test rows are in neither part. Where it names no
    calibration rows they are drawn from those that it leaves empty, and where there are none of these from all.

    Raises
    ------
    CohortError
        If a part would lack patients with or without HT.
    """
    if not 0 < calibration_share < 1:
        raise UsageError("the share of calibration patients must lie between 0 and 1")
    scans = tuple(scans)
    chosen = {scan.patient_id for scan in scans if scan.split == "calibration"}
    if not chosen:
        rng = np.random.default_rng((seed, 7919))
        event: dict[str, bool] = {}
        for scan in scans:
            if scan.split in (None, "train"):
                event[scan.patient_id] = event.get(scan.patient_id, False) or scan.ht
        told = {scan.patient_id for scan in scans if scan.split == "train"}
        free = set(event) - told or set(event)
        for outcome in (False, True):
            patients = sorted(patient for patient, value in event.items() if value is outcome)
            count = max(2, round(calibration_share * len(patients)))
            patients = [patient for patient in patients if patient in free]
            chosen |= {patients[index] for index in rng.permutation(len(patients))[:count]}
    usable = [scan for scan in scans if scan.split not in ("validation", "test")]
    training = tuple(scan for scan in usable if scan.patient_id not in chosen)
    calibration = tuple(scan for scan in usable if scan.patient_id in chosen)
    for name, part in (("training", training), ("calibration", calibration)):
        if len({scan.ht for scan in part}) < 2:
            raise CohortError(
                f"The {name} part needs patients with and without HT (ht = 1 and 0): add scans or change the splits."
            )
    check_no_leak({"training": training, "calibration": calibration})
    return training, calibration


def _read_table(path: Path, required: tuple[str, ...]) -> pd.DataFrame:
    try:
        text = path.read_text(encoding="utf-8-sig")
        check_shape(text)
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, index_col=False)
    except FileNotFoundError as error:
        raise CohortError("There is no cohort table at the given place: give the path of a cohort.csv.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise CohortError("The table could not be read: a comma-separated UTF-8 text file is expected.") from error
    table.columns = [str(name).strip() for name in table.columns]
    missing = [column for column in required if column not in table.columns]
    if missing:
        separated = len(table.columns) == 1 and any(mark in str(table.columns[0]) for mark in ";\t")
        hint = " and separate them by commas" if separated else ""
        raise CohortError(
            f"The table lacks the column(s) {', '.join(missing)}: the header must name {', '.join(required)}{hint}."
        )
    for column in table.columns:
        table[column] = table[column].str.strip()
    return table


def _check_cells(table: pd.DataFrame) -> None:
    for column in REQUIRED:
        _raise_rows(f"{column} is empty", list(np.flatnonzero(table[column] == "")), "fill it or delete the row")
    bad = ~table["ht"].isin(["0", "1", "0.0", "1.0"])
    _raise_rows("ht must be 0 or 1", list(np.flatnonzero(bad)), "correct it or delete the row")
    double = table["scan_id"].duplicated(keep="first")
    _raise_rows("scan_id stands in an earlier row too", list(np.flatnonzero(double)), "keep each scan once")


def _check_numbers(table: pd.DataFrame, name: str) -> None:
    """Whatever is stored or measured later: told now, and not after hours of training."""
    for column in _NUMBERS.intersection(table.columns):
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        bad = ~np.isfinite(values) & (table[column] != "").to_numpy()
        _raise_rows(f"{column} must be a number", list(np.flatnonzero(bad)), "correct it or leave it empty", name)
        if column in SHARES:
            outside = (values < 0) | (values > 1)
            _raise_rows(f"{column} must lie between 0 and 1", list(np.flatnonzero(outside)), "correct it", name)
        if column in RANGES:  # glucose in mg/dL would be learnt as if it were mmol/L
            low, high = RANGES[column]
            outside = (values < low) | (values > high)
            problem = f"{column} must lie between {low:g} and {high:g}"
            _raise_rows(problem, list(np.flatnonzero(outside)), "correct its value or unit, or leave it empty", name)


def _raise_rows(problem: str, indices: list[int], remedy: str, table: str = "Cohort table") -> None:
    if indices:
        rows = ", ".join(str(index + 2) for index in indices[:_LISTED])
        more = f" and {len(indices) - _LISTED} more" if len(indices) > _LISTED else ""
        raise CohortError(f"{table}, row {rows}{more}: {problem}; {remedy}.")


def _truth_rows(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    return {row["scan_id"]: row for row in _rows(table)}


def _rows(table: pd.DataFrame) -> list[dict[str, str]]:
    return [{str(key): str(cell) for key, cell in row.items()} for row in table.to_dict("records")]


def _scan(row: dict[str, str], truth: dict[str, str], folder: Path) -> CohortScan:
    merged = {**truth, **{key: cell for key, cell in row.items() if cell != ""}}
    mask = merged.get("mask_path", "")
    split = row.get("split") or None
    skip = {*REQUIRED, "mask_path", "split"}
    known = {key: cell for key, cell in merged.items() if key not in skip and cell != ""}
    values = {key: cell if key in TEXTS else _value(cell) for key, cell in known.items()}
    return CohortScan(
        patient_id=row["patient_id"],
        scan_id=row["scan_id"],
        path=folder / row["path"],
        ht=float(row["ht"]) == 1.0,
        mask_path=folder / mask if mask else None,
        split=split,
        values=values,
    )


def _value(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _check_splits(scans: tuple[CohortScan, ...]) -> None:
    unknown = [i for i, scan in enumerate(scans) if scan.split is not None and scan.split not in SPLITS]
    _raise_rows(f"split must be one of {', '.join(SPLITS)} or empty", unknown, "correct it")
    parts = {name: [scan for scan in scans if scan.split == name] for name in SPLITS}
    check_no_leak({name: part for name, part in parts.items() if part})
