"""A whole simulated cohort on disk: scans, masks, ``cohort.csv`` and ``truth.csv``."""

from __future__ import annotations

import csv
import errno
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from htcore.errors import CohortError, UsageError
from htcore.processes import alone_in, in_processes
from htcore.simulation.outcome import TERRITORIES
from htcore.simulation.plan import CohortParameters, PlannedPatient, PlannedScan, plan_cohort
from htcore.simulation.scan import simulate_person_scan
from htcore.simulation.writer import Person, write_dicom, write_mask, write_nifti

SIMULATOR = 2
"""Counts changes of what a seed gives, so that an unfinished cohort is not finished by another simulator."""
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PARAMETERS, _DONE = "parameters.json", ".done"


@dataclass(frozen=True)
class CohortSummary:
    """What was written; the AUCs are those of the true probabilities over patients, ``None`` with one class only."""

    patients: int
    events: int
    scans: int
    oracle_image_auc: float | None
    oracle_full_auc: float | None


@dataclass(frozen=True, eq=False)
class _Task:
    parameters: CohortParameters
    patient: PlannedPatient
    scan: PlannedScan
    root: Path


def simulate_cohort(
    parameters: CohortParameters, out: Path, workers: int = 2, progress: Callable[[int, int], None] | None = None
) -> CohortSummary:
    """Write a simulated cohort to the folder ``out``; the same parameters give the same bytes for any ``workers``.

    Everything is made in a neighbouring folder that ends in ``.partial`` and is renamed when complete; called again
    after an interruption with the same parameters, finished scans are kept.

    Parameters
    ----------
    progress : called with (scans done, scans in all) after each scan, and once before with those found done.

    Raises
    ------
    UsageError
        If ``out`` holds anything or cannot be written to, an unfinished cohort of other parameters lies beside it,
        or another run is making it.
    CohortError
        Code ``disk_full`` or ``not_written``: what was finished is kept, and the same call goes on from there.
    """
    if workers < 1:
        raise UsageError(f"The number of workers must be at least 1, got {workers}.")
    patients = plan_cohort(parameters)
    with _written_or_said():
        partial = _open(parameters, out)
        with alone_in(partial):
            tasks = [_Task(parameters, patient, scan, partial) for patient in patients for scan in patient.scans]
            waiting = [task for task in tasks if not _mark(task).exists()]
            done = len(tasks) - len(waiting)
            if done and progress is not None:
                progress(done, len(tasks))
            with closing(in_processes(_make, waiting, workers)) as made:
                for _ in made:
                    done += 1
                    if progress is not None:
                        progress(done, len(tasks))
            _write_tables(partial, parameters, tasks)
            shutil.rmtree(partial / _DONE)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    return _summary(patients)


@contextmanager
def _written_or_said() -> Iterator[None]:
    """Turn what a disk refuses into an error that says what to do; names of files are not repeated."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_RIGHT:
            message = "The output folder cannot be written to: choose another place or change its rights."
            raise UsageError(message) from error
        if error.errno in _NO_SPACE:
            message = "The disk is full: free some space and call again; the scans that are finished are kept."
            raise CohortError(message, code="disk_full") from error
        message = "A scan could not be written: check the disk and call again; the scans that are finished are kept."
        raise CohortError(message, code="not_written") from error


def _open(parameters: CohortParameters, out: Path) -> Path:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("The output folder already holds something: name a new or an empty folder.")
    partial = out.with_name(out.name + ".partial")
    record = json.dumps({"simulator": SIMULATOR, **asdict(parameters)}, indent=2) + "\n"
    stored = partial / _PARAMETERS
    if partial.exists() and (not partial.is_dir() or any(partial.iterdir())):
        if not stored.is_file() or stored.read_text() != record:
            raise UsageError(
                "Something else lies beside the output folder under its name with .partial added, such as an "
                "unfinished cohort of other parameters: delete it, or repeat its parameters to finish it."
            )
        (partial / _DONE).mkdir(exist_ok=True)
        return partial
    partial.mkdir(parents=True, exist_ok=True)
    pending = stored.with_name(_PARAMETERS + ".partial")
    pending.write_text(record)
    pending.rename(stored)
    (partial / _DONE).mkdir()
    return partial


def _mark(task: _Task) -> Path:
    return task.root / _DONE / task.scan.scan_id


def _make(task: _Task) -> None:
    """Render and write one scan; its folder gets its final name only when it is whole."""
    seed, one_affine = task.parameters.seed, task.parameters.format == "nifti"
    person = np.random.SeedSequence(seed, spawn_key=task.patient.spawn_key)
    acquisition = np.random.SeedSequence(seed, spawn_key=task.scan.spawn_key)
    volume, mask, truth = simulate_person_scan(person, acquisition, task.scan.image, task.parameters.pixels, one_affine)
    folder = task.root / (task.scan.scan_id + ".partial")
    final = task.root / task.scan.scan_id
    for stale in (folder, final):
        if stale.exists():
            shutil.rmtree(stale)
    folder.mkdir()
    if one_affine:
        write_nifti(folder / "ct.nii.gz", volume)
    else:
        rng = np.random.default_rng([seed, *task.scan.spawn_key])
        chart = task.patient.clinical
        identity = Person(task.patient.patient_id, int(chart.age[0]), "F" if chart.sex[0] else "M")
        write_dicom(folder / "dicom", volume, task.scan.scan_id, rng, truth.scanner.style, identity)
    write_mask(folder / "lesion.nii.gz", mask, volume)
    folder.rename(final)
    mark = _mark(task)
    pending = mark.with_name(mark.name + ".partial")
    pending.write_text(
        json.dumps(
            {
                "lesion_volume_ml": round(truth.lesion_volume_ml, 3),
                "thickness_mm": truth.scanner.slabs[0][0],
                "tilt_deg": round(truth.scanner.tilt_deg, 2),
                "scanner": truth.scanner.style.vendor.key,
                "kernel": truth.scanner.style.kernel,
                "motion": int(truth.scanner.motion is not None),
                "metal": int(truth.scanner.metal is not None),
            }
        )
    )
    pending.rename(mark)


def _write_tables(root: Path, parameters: CohortParameters, tasks: list[_Task]) -> None:
    name = "ct.nii.gz" if parameters.format == "nifti" else "dicom"
    _write_csv(root / "cohort.csv", [_cohort_row(task, name) for task in tasks])
    _write_csv(root / "truth.csv", [_truth_row(task) for task in tasks])


def _write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _cohort_row(task: _Task, name: str) -> dict[str, object]:
    patient, chart = task.patient, task.patient.clinical
    flags = ("atrial_fibrillation", "thrombolysis", "thrombectomy", "antiplatelet", "anticoagulant")
    return {
        "patient_id": patient.patient_id,
        "scan_id": task.scan.scan_id,
        "path": f"{task.scan.scan_id}/{name}",
        "ht": int(patient.ht),
        "ht_grade": patient.grade,
        "onset_to_ct_h": round(task.scan.onset_to_ct_h, 2),
        "age": int(chart.age[0]),
        "sex": "F" if chart.sex[0] else "M",
        "nihss": int(chart.nihss[0]),
        "glucose_mmol_l": float(chart.glucose_mmol_l[0]),
        **{flag: int(getattr(chart, flag)[0]) for flag in flags},
        "systolic_bp_mmhg": int(chart.systolic_bp_mmhg[0]),
    }


def _truth_row(task: _Task) -> dict[str, object]:
    image, patient = task.scan.image, task.patient
    measured = json.loads(_mark(task).read_text())
    factors = ("volume_ml", "depth_hu", "cortical_share", "artery_sign", "leukoaraiosis", "atrophy", "mass_effect_mm")
    return {
        "patient_id": patient.patient_id,
        "scan_id": task.scan.scan_id,
        "p_ht": round(patient.p_ht, 6),
        "p_ht_image": round(patient.p_ht_image, 6),
        "lesion_volume_ml": measured.pop("lesion_volume_ml"),
        "lesion_side": "left" if image.side[0] > 0 else "right",
        "territory": TERRITORIES[int(image.territory[0])],
        "mask_path": f"{task.scan.scan_id}/lesion.nii.gz",
        **{factor: round(float(getattr(image, factor)[0]), 4) for factor in factors},
        **{f"log_odds_{name}": round(part, 6) for name, part in patient.parts.items()},
        **measured,
    }


def _summary(patients: tuple[PlannedPatient, ...]) -> CohortSummary:
    events = np.array([patient.ht for patient in patients])
    return CohortSummary(
        len(patients),
        int(events.sum()),
        sum(len(patient.scans) for patient in patients),
        _auc(events, np.array([patient.p_ht_image for patient in patients])),
        _auc(events, np.array([patient.p_ht for patient in patients])),
    )


def _auc(events: NDArray[np.bool_], scores: NDArray[np.float64]) -> float | None:
    """Area under the ROC curve by ranks (Mann–Whitney)."""
    from scipy.stats import rankdata

    n1, n0 = int(events.sum()), int((~events).sum())
    if n1 == 0 or n0 == 0:
        return None
    return float((rankdata(scores)[events].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))
