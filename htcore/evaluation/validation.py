"""Labelled predictions, checked once, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from htcore.errors import CohortError

MIN_PATIENTS = 3
REQUIRED = ("patient_id", "scan_id", "ht", "probability")
NUMBERS = (
    "logit",
    "p_ht",
    "p_ht_image",
    "lesion_volume_ml",
    "predicted_lesion_ml",
    "age",
    "thickness_mm",
    "onset_to_ct_h",
    "tilt_deg",
)
TEXTS = ("sex", "lesion_side", "territory", "manufacturer", "scanner", "vendor")
SHARES = ("probability", "p_ht", "p_ht_image")


def are_simulated(table: pd.DataFrame) -> bool:
    """Whether some scan's true risk is known, which a simulator alone can know."""
    return any(name in table.columns and bool(table[name].notna().any()) for name in ("p_ht", "p_ht_image"))


def part_of(table: pd.DataFrame) -> str:
    """The part that a bundle's stored patients had in its training: validation, calibration or out-of-fold."""
    return str(table["part"].iloc[0]) if "part" in table.columns and len(table) else "validation"


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """Scans with outcome and prediction.

    Attributes
    ----------
    patient : (scans,) int
        Running number of the scan's patient, from 0 in order of first appearance.
    labels : (scans,) bool
        Whether hemorrhagic transformation followed.
    probability : (scans,) float in [0, 1]
    columns : name → (scans,) float, NaN where unknown
        Optional numbers: ``p_ht``, ``p_ht_image``, ``lesion_volume_ml`` (mL), ``age`` (years), ``thickness_mm`` …
    sex : (scans,) str or None
        As written in the table.
    texts : name → (scans,) str, empty where unknown
        Optional words: ``lesion_side``, ``territory``, ``manufacturer`` …
    """

    patient: NDArray[np.intp]
    labels: NDArray[np.bool_]
    probability: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    sex: NDArray[np.str_] | None = None
    texts: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    @property
    def n_scans(self) -> int:
        """How many scans."""
        return int(self.labels.size)

    @property
    def n_patients(self) -> int:
        """How many patients."""
        return int(self.patient.max()) + 1

    @property
    def n_events(self) -> int:
        """How many scans with hemorrhagic transformation."""
        return int(self.labels.sum())

    @property
    def first_scans(self) -> NDArray[np.intp]:
        """Row of each patient's first scan, one a patient."""
        return np.asarray(np.unique(self.patient, return_index=True)[1], dtype=np.intp)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> ValidationSet:
        """Check a table of predictions, one row a scan.

        Parameters
        ----------
        frame
            Columns ``patient_id``, ``scan_id``, ``ht`` (0 or 1), ``probability``; optionally `columns`, ``sex``.

        Raises
        ------
        CohortError
            Naming row (from 1) and column of a value that cannot be used; code ``one_class`` where the table has
            fewer than three patients, or all scans the same outcome.
        """
        for name in REQUIRED:
            if name not in frame.columns:
                raise CohortError(f"Column {name} is missing: add it to the table of predictions.")
        _no_duplicates(frame)
        ht = _numbers(frame, "ht", required=True)
        _check(np.isin(ht, (0.0, 1.0)), "ht", "be 0 or 1")
        columns = {name: _numbers(frame, name, required=False) for name in NUMBERS if name in frame.columns}
        labels = ht == 1.0
        patient = pd.factorize(frame["patient_id"])[0].astype(np.intp)
        texts = {
            name: frame[name].fillna("").astype(str).to_numpy(dtype=np.str_) for name in TEXTS if name in frame.columns
        }
        sex = texts.pop("sex", None)
        found = cls(patient, labels, _numbers(frame, "probability", required=True), columns, sex, texts)
        _enough(found)
        return found

    def subset(self, mask: NDArray[np.bool_]) -> ValidationSet:
        """The scans in ``mask`` (scans,) alone, patients numbered anew.

        Raises
        ------
        CohortError
            With code ``one_class``, as `from_frame`.
        """
        part = ValidationSet(
            pd.factorize(self.patient[mask])[0].astype(np.intp),
            self.labels[mask],
            self.probability[mask],
            {name: values[mask] for name, values in self.columns.items()},
            None if self.sex is None else self.sex[mask],
            {name: values[mask] for name, values in self.texts.items()},
        )
        _enough(part)
        return part


def _enough(found: ValidationSet) -> None:
    if np.unique(found.patient).size >= MIN_PATIENTS and found.labels.any() and not found.labels.all():
        return
    alike = ""
    if found.labels.size and (found.labels.all() or not found.labels.any()):
        alike = f"all {found.labels.size} scans have ht {int(found.labels[0])}; "
    raise CohortError(
        f"Too little to evaluate: {alike}give scans of at least {MIN_PATIENTS} patients, with and without "
        "hemorrhagic transformation.",
        code="one_class",
    )


def _no_duplicates(frame: pd.DataFrame) -> None:
    for name in ("patient_id", "scan_id"):
        _check(frame[name].notna().to_numpy(), name, "not be empty")
    _check(~frame.duplicated(["patient_id", "scan_id"]).to_numpy(), "scan_id", "be unique within its patient")


def _numbers(frame: pd.DataFrame, name: str, *, required: bool) -> NDArray[np.float64]:
    raw = frame[name]
    values = pd.to_numeric(raw, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    usable = np.isfinite(values)
    if not required:
        usable |= raw.isna().to_numpy()
    _check(usable, name, "be a number")
    if name in SHARES:
        with np.errstate(invalid="ignore"):
            _check(~((values < 0) | (values > 1)), name, "lie between 0 and 1")
    return values


def _check(usable: NDArray[np.bool_], column: str, demand: str) -> None:
    if not usable.all():
        row = int(np.argmin(usable)) + 1
        raise CohortError(f"Row {row}, column {column}: the value must {demand}. Correct the table.")
