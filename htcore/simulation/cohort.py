"""A whole simulated cohort on disk: scans, masks, ``cohort.csv`` and ``truth.csv``."""

from __future__ import annotations

import csv
import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from htcore.errors import UsageError
from htcore.simulation.outcome import TERRITORIES
from htcore.simulation.plan import CohortParameters, PlannedPatient, PlannedScan, plan_cohort
from htcore.simulation.scan import simulate_person_scan
from htcore.simulation.writer import Person, write_dicom, write_mask, write_nifti

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
    progress : called with (scans done, scans in all) after each scan.

    Raises
    ------
    UsageError
        If ``out`` holds anything, or an unfinished cohort of other parameters lies beside it.
    """
    partial = _open(parameters, out)
    patients = plan_cohort(parameters)
    tasks = [_Task(parameters, patient, scan, partial) for patient in patients for scan in patient.scans]
    waiting = [task for task in tasks if not _mark(task).exists()]
    done = len(tasks) - len(waiting)
    for _ in _run(waiting, workers):
        done += 1
        if progress is not None:
            progress(done, len(tasks))
    _write_tables(partial, parameters, tasks)
    shutil.rmtree(partial / _DONE)
    if out.exists():
        out.rmdir()
    partial.rename(out)
    return _summary(patients)


def _open(parameters: CohortParameters, out: Path) -> Path:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("The output folder already holds something: name a new or an empty folder.")
    partial = out.with_name(out.name + ".partial")
    record = json.dumps(asdict(parameters), indent=2) + "\n"
    if partial.exists():
        stored = partial / _PARAMETERS
        if not stored.is_file() or stored.read_text() != record:
            raise UsageError(
                "An unfinished cohort of other parameters lies beside the output folder (its name ends in "
                ".partial): delete it, or repeat its parameters to finish it."
            )
        (partial / _DONE).mkdir(exist_ok=True)
        return partial
    (partial / _DONE).mkdir(parents=True)
    (partial / _PARAMETERS).write_text(record)
    return partial


def _mark(task: _Task) -> Path:
    return task.root / _DONE / task.scan.scan_id


def _run(tasks: list[_Task], workers: int) -> Iterator[None]:
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            _make(task)
            yield
        return
    # spawn: a forked child of a process that has run threaded libraries may hang
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_make, task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
                yield
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


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
