"""From a cohort table to a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from htcore.bundle import Bundle, BundleContents, Calibration, save_bundle
from htcore.errors import CohortError, UsageError
from htcore.inference.calibrate import fit_calibration
from htcore.inference.device import choose_device
from htcore.inference.predict import run_network
from htcore.networks import LesionGatedResNet, NetworkConfig
from htcore.training.batches import ScanArrays
from htcore.training.cache import PreparedScan, RefusedScan, prepare_scans
from htcore.training.card import write_card
from htcore.training.cohort import COVARIATES, check_no_leak, read_cohort, split_patients
from htcore.training.loop import EpochLog, Fitted, LoopParameters, fit
from htcore.training.selection import score
from htcore.training.splits import hold_out

FACTORS = ("lesion_volume_ml", "depth_hu", "cortical_share", "artery_sign", "leukoaraiosis", "mass_effect_mm")
_LOG_FACTORS = ("lesion_volume_ml",)
_TRUTH = ("p_ht", "p_ht_image", "lesion_volume_ml", "lesion_side", "territory", "tilt_deg")
_MINIMUM_TRAINING = 8

Tell = Callable[[str, int, int], None]
"""Called with the stage ("prepare" or "train"), how much is done, and of how much."""


@dataclass(frozen=True)
class TrainingParameters:
    """What ``htcore train`` may be told.

    Attributes
    ----------
    validation_cohort : Path or None
        Another ``cohort.csv``, never trained on; its predictions become the bundle's validation set.
    calibration_share : float
        Patients kept aside to fit the calibration.
    selection_share : float
        Of the others, patients that choose the epoch whose weights are kept; 0 keeps the last epoch's.
    cache : Path or None
        Folder of prepared scans, shared between trainings; by default ``prepared`` beside the cohort table.
    workers : int
        Processes that prepare scans.
    limit : int or None
        Use only the first so many patients, for data-efficiency curves.
    """

    loop: LoopParameters = field(default_factory=LoopParameters)
    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(factors=len(FACTORS)))
    validation_cohort: Path | None = None
    calibration_share: float = 0.2
    selection_share: float = 0.15
    device: str = "auto"
    cache: Path | None = None
    workers: int = 1
    limit: int | None = None


class PreparedSource:
    """`htcore.training.batches.ScanSource` over prepared scans on disk."""

    def __init__(self, scans: tuple[PreparedScan, ...], factors: NDArray[np.float32]) -> None:
        self._scans = scans
        self.labels: NDArray[np.float32] = np.array([entry.scan.ht for entry in scans], dtype=np.float32)
        self.factors: NDArray[np.float32] = factors

    def load(self, index: int) -> ScanArrays:
        """The scan at ``index``."""
        return self._scans[index].arrays()


@dataclass(frozen=True)
class _Parts:
    """Prepared scans by use; no patient in two of them."""

    training: tuple[PreparedScan, ...]
    selection: tuple[PreparedScan, ...]
    calibration: tuple[PreparedScan, ...]
    validation: tuple[PreparedScan, ...]
    refused: tuple[RefusedScan, ...]
    simulated: bool


def train(
    parameters: TrainingParameters,
    cohort_csv: Path,
    out: Path,
    progress: Tell | None = None,
    on_epoch: Callable[[EpochLog], None] | None = None,
) -> Bundle:
    """Read, split, prepare, train, calibrate, predict the validation patients, write the bundle ``out``.

    Interrupted, it goes on from the last epoch when called again the same way.

    Raises
    ------
    CohortError, TrainingError, UsageError, BundleError
        Each with what to do.
    """
    if out.exists():
        raise UsageError("The model's folder exists already: choose another id or delete the folder.")
    device = choose_device(parameters.device)
    tell = progress or (lambda stage, done, total: None)
    parts = _prepare(parameters, cohort_csv, tell)
    work = out.with_name(f"{out.name}.training")
    source = PreparedSource(parts.training, standardised_factors(parts.training))
    selection = PreparedSource(parts.selection, standardised_factors(parts.selection)) if parts.selection else None

    def told(log: EpochLog) -> None:
        tell("train", log.epoch, parameters.loop.epochs)
        if on_epoch is not None:
            on_epoch(log)

    fitted = fit(parameters.network, source, parameters.loop, work, device, told, selection=selection)
    log = (work / "training_log.csv").read_text(encoding="utf-8")
    bundle = save_bundle(out, _contents(fitted, parts, parameters, out.name, log))
    shutil.rmtree(work, ignore_errors=True)
    return bundle


def _prepare(parameters: TrainingParameters, cohort_csv: Path, tell: Tell) -> _Parts:
    cohort = read_cohort(cohort_csv)
    scans = cohort.scans
    if parameters.limit is not None:
        kept = set(cohort.patients[: parameters.limit])
        scans = tuple(scan for scan in scans if scan.patient_id in kept)
    rest, calibration = split_patients(scans, parameters.calibration_share, parameters.loop.seed)
    training, selection = hold_out(rest, parameters.selection_share, parameters.loop.seed)
    validation = tuple(scan for scan in scans if scan.split == "validation")
    if parameters.validation_cohort is not None:
        validation = read_cohort(parameters.validation_cohort).scans
    parts = {"training": training, "selection": selection, "calibration": calibration, "validation": validation}
    check_no_leak(dict(parts))
    cache = parameters.cache or cohort_csv.parent / "prepared"
    wanted = tuple(scan for part in parts.values() for scan in part)
    prepared, refused = prepare_scans(wanted, cache, parameters.workers, tell)
    usable = {entry.scan.path: entry for entry in prepared}
    found = {name: tuple(usable[scan.path] for scan in part if scan.path in usable) for name, part in parts.items()}
    if len(found["training"]) < _MINIMUM_TRAINING:
        raise CohortError(
            f"Training needs {_MINIMUM_TRAINING} usable scans or more, {len(found['training'])} are left: add scans."
        )
    return _Parts(**found, refused=refused, simulated=cohort.simulated)


def standardised_factors(scans: tuple[PreparedScan, ...]) -> NDArray[np.float32]:
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


def _contents(fitted: Fitted, parts: _Parts, parameters: TrainingParameters, name: str, log: str) -> BundleContents:
    network = fitted.network
    calibration_results = [_score(network, entry) for entry in parts.calibration]
    curve = fit_calibration(
        np.array([logit for logit, _ in calibration_results]),
        np.array([entry.scan.ht for entry in parts.calibration], dtype=np.float64),
        [entry.scan.patient_id for entry in parts.calibration],
        np.random.default_rng((parameters.loop.seed, 104_729)),
    )
    if parts.validation:
        results = [_score(network, entry) for entry in parts.validation]
        table = _predictions(parts.validation, results, curve, "validation")
    else:
        table = _predictions(parts.calibration, calibration_results, curve, "calibration")
    if not parts.simulated:
        table = without_identifiers(table)
    text = _training_data(parts)
    choice = _choice(fitted, parts)
    card = write_card(name, text, parts.simulated, table, curve, parts.refused, parameters.loop, choice)
    settings = {
        "loop": asdict(parameters.loop),
        "calibration_share": parameters.calibration_share,
        "selection_share": parameters.selection_share,
        "weights_of_epoch": fitted.chosen.epoch,
    }
    return BundleContents(network, curve, table, card, log, text, parts.simulated, settings)


def _choice(fitted: Fitted, parts: _Parts) -> str:
    """Which epoch's weights the network has, and why."""
    chosen, done = fitted.chosen, len(fitted.log)
    if not parts.selection:
        return f"weights of the last epoch, {chosen.epoch}"
    patients = len({entry.scan.patient_id for entry in parts.selection})
    by_auc = score(np.zeros(len(parts.selection)), np.array([entry.scan.ht for entry in parts.selection])).by_auc
    return (
        f"weights of epoch {chosen.epoch} of {done}, the best by {'AUC' if by_auc else 'loss'} on "
        f"{len(parts.selection)} scans of {patients} selection patients"
    )


def _score(network: LesionGatedResNet, entry: PreparedScan) -> tuple[float, float]:
    """Logit, and the lesion head's volume in mL at its cut-off of 0.5."""
    model_input = entry.model_input()
    result = run_network(network, model_input)
    return result.logit, float((result.lesion >= 0.5).sum() * model_input.grid.voxel_ml)


def _predictions(
    scans: tuple[PreparedScan, ...], results: list[tuple[float, float]], curve: Calibration, part: str
) -> pd.DataFrame:
    rows = []
    for entry, (logit, lesion_ml) in zip(scans, results, strict=True):
        scan = entry.scan
        rows.append(
            {
                "patient_id": scan.patient_id,
                "scan_id": scan.scan_id,
                "part": part,
                "ht": int(scan.ht),
                "logit": logit,
                "probability": float(curve.probability(np.array([logit]))[0]),
                "predicted_lesion_ml": lesion_ml,
                "thickness_mm": entry.thickness_mm,
                **{column: scan.values[column] for column in (*COVARIATES, *_TRUTH) if column in scan.values},
            }
        )
    return pd.DataFrame(rows)


def without_identifiers(table: pd.DataFrame) -> pd.DataFrame:
    """The same rows with running numbers in place of a hospital's own patient and scan numbers."""
    table = table.copy()
    for column, letter in (("patient_id", "P"), ("scan_id", "S")):
        numbers, _ = pd.factorize(table[column])
        table[column] = [f"{letter}{number + 1:05d}" for number in numbers]
    return table


def _training_data(parts: _Parts) -> str:
    patients = len({entry.scan.patient_id for entry in parts.training})
    kind = "simulated plain head CTs" if parts.simulated else "labelled plain head CTs"
    return f"{len(parts.training)} {kind} of {patients} {'simulated ' if parts.simulated else ''}patients"
