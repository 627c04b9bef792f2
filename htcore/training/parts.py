"""A cohort divided for training, and prepared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from htcore.errors import CohortError
from htcore.training.batches import ScanArrays
from htcore.training.cache import PreparedScan, RefusedScan, prepare_scans
from htcore.training.cohort import CohortScan, check_no_leak, read_cohort, split_patients
from htcore.training.splits import folds, hold_out

KNOWN_RISK = "p_ht_image"
"""Column of the simulator's risk given the image."""
FACTORS = ("lesion_volume_ml", "depth_hu", "cortical_share", "artery_sign", "leukoaraiosis", "mass_effect_mm")
_LOG_FACTORS = ("lesion_volume_ml",)
_MINIMUM_TRAINING = 8

Tell = Callable[[str, int, int], None]
"""Called with the stage, how much is done, and of how much."""
Scans = tuple[CohortScan, ...]
Prepared = tuple[PreparedScan, ...]
_Place = tuple[str, int]


@dataclass(frozen=True)
class Division:
    """How a cohort is to be divided.

    Attributes
    ----------
    folds : int or None
        Networks, each of which leaves another part of the patients out; ``None`` for one network.
    limit : int or None
        Use only the first so many patients, for data-efficiency curves.
    trains : bool
        ``False``: nobody trains or chooses, whatever a ``split`` column says; all but validation and test are held out.
    """

    calibration_share: float
    selection_share: float
    seed: int
    folds: int | None = None
    limit: int | None = None
    trains: bool = True


@dataclass(frozen=True)
class Member:
    """Prepared scans of one network; no patient in two parts.

    Attributes
    ----------
    held_out
        Scans that neither train nor choose this network: its calibration scans, or its fold.
    """

    training: Prepared
    selection: Prepared
    held_out: Prepared


@dataclass(frozen=True)
class Parts:
    """Everything that a training uses.

    Attributes
    ----------
    refused
        Scans left out, by their row in the table.
    """

    members: tuple[Member, ...]
    validation: Prepared
    refused: tuple[RefusedScan, ...]
    simulated: bool


class PreparedSource:
    """`htcore.training.batches.ScanSource` over prepared scans on disk.

    With ``known_risk`` the labels are the simulator's own risk given the image, where a scan has one.
    """

    def __init__(self, scans: Prepared, known_risk: bool = False) -> None:
        self._scans = scans
        risks = [entry.scan.number(KNOWN_RISK) if known_risk else None for entry in scans]
        labels = [entry.scan.ht if risk is None else risk for entry, risk in zip(scans, risks, strict=True)]
        self.labels: NDArray[np.float32] = np.array(labels, dtype=np.float32)
        self.factors: NDArray[np.float32] = standardised_factors(scans)
        # The cache names each file by the bytes that it was prepared from, and how.
        self.content = " ".join(entry.file.stem for entry in scans)

    def load(self, index: int) -> ScanArrays:
        """The scan at ``index``."""
        return self._scans[index].arrays()


def prepare_parts(
    division: Division, cohort_csv: Path, validation_csv: Path | None, cache: Path, workers: int, tell: Tell
) -> Parts:
    """Read the cohort, divide its patients, prepare every scan.

    Raises
    ------
    CohortError
        If the table cannot be used, a patient lies in two parts, a scan is there twice, or too few scans are usable.
    """
    cohort = read_cohort(cohort_csv)
    kept = set(cohort.patients[: division.limit])
    scans = tuple(scan for scan in cohort.scans if scan.patient_id in kept)
    validation = tuple(scan for scan in scans if scan.split == "validation")
    if validation_csv is not None:
        validation = read_cohort(validation_csv).scans
    test = tuple(scan for scan in scans if scan.split == "test")
    members = _divide(scans, division)
    for training, selection, held_out in members:
        parts = {"training": training, "selection": selection, "calibration": held_out}
        check_no_leak({**parts, "validation": validation})
        check_no_leak({**parts, "test": test})
    used = {scan.place for member in members for part in member for scan in part}
    rows = {scan.place: ("cohort table", row) for row, scan in enumerate(cohort.scans, start=2)}
    wanted = {scan.place: scan for scan in scans if scan.place in used}
    for row, scan in enumerate(validation, start=2):
        if scan.place in wanted:
            raise _twice(rows[scan.place], ("validation table", row))
        wanted[scan.place] = scan
        if validation_csv is not None:
            rows[scan.place] = ("validation table", row)
    prepared, refused = prepare_scans(tuple(wanted.values()), cache, workers, tell)
    _no_scan_twice(prepared, rows)
    places = [rows[place] for place in wanted]
    refused = tuple(replace(entry, table=places[entry.row - 1][0], row=places[entry.row - 1][1]) for entry in refused)
    usable = {entry.scan.place: entry for entry in prepared}

    def found(part: Scans) -> Prepared:
        return tuple(usable[scan.place] for scan in part if scan.place in usable)

    found_members = tuple(Member(*(found(part) for part in member)) for member in members)
    _enough(found_members, division.trains)
    return Parts(found_members, found(validation), refused, cohort.simulated)


def _enough(members: tuple[Member, ...], trains: bool) -> None:
    """What is left once unusable scans are out must still teach and calibrate: better said before the training."""
    trainings = tuple(("training", member.training) for member in members) if trains else ()
    fewest = min((len(scans) for _, scans in trainings), default=_MINIMUM_TRAINING)
    if fewest < _MINIMUM_TRAINING:
        raise CohortError(f"Training needs {_MINIMUM_TRAINING} usable scans or more, {fewest} are left: add scans.")
    held_out = tuple(entry for member in members for entry in member.held_out)
    for name, part in (*trainings, ("calibration", held_out)):
        if len({entry.scan.ht for entry in part}) < 2:
            raise CohortError(
                f"Of the {name} part, usable scans of one outcome alone are left (ht = 1 and 0 are needed): add scans."
            )


def _no_scan_twice(prepared: Prepared, rows: dict[Path, _Place]) -> None:
    """The same image under two names could train and be predicted."""
    first: dict[str, _Place] = {}
    for entry in prepared:
        place = rows[entry.scan.place]
        if entry.image in first:
            raise _twice(first[entry.image], place)
        first[entry.image] = place


def _twice(first: _Place, other: _Place) -> CohortError:
    return CohortError(
        f"Row {first[1]} of the {first[0]} and row {other[1]} of the {other[0]} hold the same scan: "
        "keep each scan once, under one patient."
    )


def _divide(scans: Scans, division: Division) -> list[tuple[Scans, Scans, Scans]]:
    """Training, selection and held-out scans of each network."""
    if not division.trains:
        return [((), (), tuple(scan for scan in scans if scan.split not in ("validation", "test")))]
    if division.folds is None:
        rest, held_out = split_patients(scans, division.calibration_share, division.seed)
        return [(*hold_out(rest, division.selection_share, division.seed), held_out)]
    parts = folds(scans, division.folds, division.seed)
    rests = [tuple(scan for other in parts if other is not part for scan in other) for part in parts]
    return [
        (*hold_out(rest, division.selection_share, division.seed + number), part)
        for number, (rest, part) in enumerate(zip(rests, parts, strict=True))
    ]


def standardised_factors(scans: Prepared) -> NDArray[np.float32]:
    """Known causes of each scan, mean 0 and standard deviation 1, NaN where unknown; float32 (N, len(FACTORS))."""
    columns = []
    for name in FACTORS:
        numbers = [entry.scan.number(name) for entry in scans]
        column = np.array([np.nan if value is None else value for value in numbers], dtype=np.float64)
        column = np.log1p(np.maximum(column, 0.0)) if name in _LOG_FACTORS else column
        known = column[np.isfinite(column)]
        spread = float(known.std()) if known.size else 0.0
        columns.append((column - known.mean()) / spread if spread > 0 else np.full(column.shape, np.nan))
    return np.stack(columns, axis=1).astype(np.float32)
