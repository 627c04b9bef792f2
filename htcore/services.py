"""The few verbs that pages and commands share."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from htcore.errors import BundleError, HtcoreError, RefusedError, StoppedError, UsageError
from htcore.limits import limited
from htcore.settings import Settings
from htcore.stages import Clock, Progress
from htcore.types import Assessment, Familiarity, Finding, QualityReport, StudyReceipt, Volume

if TYPE_CHECKING:
    import pandas as pd

    from htcore.bundle import Bundle
    from htcore.evaluation import Evaluation
    from htcore.training.cohort import Cohort, CohortScan

Source = Path | Sequence[Path] | Sequence[tuple[str, BinaryIO]]
Listener = Callable[[Assessment], None]
"""Called with what is known so far of a study that is being assessed."""


@dataclass(frozen=True)
class ExampleStudy:
    """A simulated study that ships with a model."""

    id: str
    label: str
    path: Path


@dataclass(frozen=True)
class RefusedScan:
    """A scan of a cohort that could not be scored, and why; ``row`` of the table, whose header is row 1."""

    scan_id: str
    code: str
    message: str
    row: int


@dataclass(frozen=True)
class ScoredScan:
    """A scan of a cohort with its score: a row for ``ValidationSet.from_frame``; its files may say it is simulated."""

    scan_id: str
    values: Mapping[str, float | str]
    simulated: bool = False


@dataclass(frozen=True)
class CohortEvaluation:
    """How a model does on labelled scans, which it could not score, and the part their patients had in its training."""

    evaluation: Evaluation
    refused: tuple[RefusedScan, ...]
    part: str | None = None


def inspect_study(source: Source, settings: Settings | None = None) -> tuple[Volume, StudyReceipt, QualityReport]:
    """Read a study and check it; nothing is scored.

    Raises
    ------
    ReadError, RefusedError
        As ``htcore.dicom.read_study``.
    """
    from htcore import dicom, quality

    volume, receipt = dicom.read_study(source, settings or Settings.from_environment())
    return volume, receipt, quality.check(volume, receipt)


def assess(
    source: Source,
    *,
    model_id: str | None = None,
    bundle: Bundle | None = None,
    device: str = "auto",
    regions: bool = True,
    progress: Progress | None = None,
    so_far: Listener | None = None,
    stop: threading.Event | None = None,
    settings: Settings | None = None,
) -> Assessment:
    """Read, check, score and explain one study.

    Parameters
    ----------
    source : a path, paths, or (name, open stream) pairs
    model_id : str, optional
        A bundle of ``settings.models_dir``; the default model where neither this nor ``bundle`` is given.
    device : ``auto``, ``cpu``, ``cuda`` or ``mps``
    regions : bool
        Also ask what each region adds to the logit, which takes longer than all the rest.
    so_far : callable, optional
        Given the study without a risk once it is fit for scoring, and with its risk, without evidence, once the
        network is done. Whoever looks need not wait for the explanation.
    stop : event, optional
        Set by another thread, it ends the work at its next part: a file, a slice, a run of the network.
    settings
        Limits, among them ``deadline_s``.

    Returns
    -------
    Assessment
        Without risk, evidence and model where quality refuses the scan.

    Raises
    ------
    HtcoreError
        The source cannot be read, the model cannot be loaded, or the device is not there.
    StoppedError, DeadlineError
        The work was stopped, or took longer than it may.
    """
    settings = settings or Settings.from_environment()
    with limited(settings.deadline_s, stop):
        return _assess(source, model_id, bundle, device, regions, Clock(progress), so_far, settings)


def _assess(
    source: Source,
    model_id: str | None,
    bundle: Bundle | None,
    device: str,
    regions: bool,
    clock: Clock,
    so_far: Listener | None,
    settings: Settings,
) -> Assessment:
    from htcore import dicom, quality

    clock.begin("reading")
    volume, receipt = dicom.read_study(source, settings)
    clock.begin("checking")
    report = quality.check(volume, receipt)
    if report.verdict == "refuse":
        return Assessment(volume, receipt, report, timing_ms=clock.end())
    chosen = bundle or load_bundle_by_id(model_id or settings.default_model, settings)
    if so_far is not None:
        so_far(Assessment(volume, receipt, report))
    return _score(volume, receipt, report, chosen, device, regions, clock, so_far)


def _score(
    volume: Volume,
    receipt: StudyReceipt,
    report: QualityReport,
    bundle: Bundle,
    device: str,
    regions: bool,
    clock: Clock,
    so_far: Listener | None,
) -> Assessment:
    from htcore import transforms
    from htcore.explain import explain, region_contributions
    from htcore.inference import choose_device, estimate_risk, or_fall_back, predict_or_fall_back
    from htcore.inference.familiarity import familiarity

    clock.begin("preparing")
    try:
        model_input = transforms.prepare(volume)
    except RefusedError as error:
        refusal = QualityReport((*report.findings, Finding(error.code, "refuse", str(error))))
        return Assessment(volume, receipt, refusal, timing_ms=clock.end())
    clock.begin("network")
    result, place, fallen = predict_or_fall_back(bundle, model_input, choose_device(device))
    risk = estimate_risk(bundle.calibration, result.logit)
    known = familiarity(bundle, result.embedding)
    report = QualityReport((*report.findings, *fallen, *_unfamiliar(known)))
    clock.rest()
    scored = Assessment(
        volume, receipt, report, risk, None, bundle.identity, device=_device_name(place.type), familiarity=known
    )
    if so_far is not None:
        so_far(scored)
    clock.begin("explaining")
    added, _, late = or_fall_back(
        lambda there: region_contributions(bundle.networks(there), model_input, bundle.calibration) if regions else (),
        place,
    )
    evidence, report = explain(result, model_input, volume, added), QualityReport((*report.findings, *late))
    return replace(scored, quality=report, evidence=evidence, timing_ms=clock.end())


def _unfamiliar(known: Familiarity | None) -> tuple[Finding, ...]:
    """A warning where the network sees the scan as unlike those it was measured on."""
    from htcore.inference.familiarity import UNFAMILIAR

    if known is None or known.farther_than < UNFAMILIAR:
        return ()
    others = "the scans" if known.itself is None else "the other patients' scans"
    message = (
        f"To the network this scan looks less usual than {known.less_usual_than} {others} it was measured on: "
        "how often it is right on such a scan is not known."
    )
    return (Finding("unfamiliar", "warn", message),)


def with_clinical(opened: Assessment, bundle: Bundle, known: Mapping[str, float]) -> Assessment:
    """The same assessment with a joint risk from the image and what is known of the patient.

    Parameters
    ----------
    known : by the names of ``htcore.inference.clinical.RANGES``

    Raises
    ------
    UsageError
        If a value is impossible, or the model joins no covariates with the image.
    """
    from htcore.inference.clinical import ClinicalModel, check_covariates

    check_covariates(known)
    if opened.risk is None:
        return opened
    stored = bundle.clinical
    if stored is None:
        raise UsageError(
            "This model joins no clinical data with the image, for its calibration patients had none or were too few: "
            "leave them out."
        )
    return replace(opened, clinical=ClinicalModel.from_json(stored).risk(opened.risk.logit, known))


def load_bundle_by_id(model_id: str, settings: Settings | None = None) -> Bundle:
    """The verified bundle of that id.

    Raises
    ------
    BundleError
        If the id is no plain name, or the bundle is missing or damaged.
    """
    from htcore.bundle import load_bundle

    settings = settings or Settings.from_environment()
    if not model_id or Path(model_id).name != model_id or model_id.startswith("."):
        raise BundleError("A model is named by its folder's name alone: choose one of the list.", code="bundle_missing")
    folder = settings.models_dir / model_id
    if not folder.is_dir():
        known = ", ".join(list_models(settings)) or "none is installed"
        raise BundleError(f"There is no model of that id. Installed: {known}.", code="bundle_missing")
    return load_bundle(folder)


def list_models(settings: Settings | None = None) -> tuple[str, ...]:
    """Ids of the installed models."""
    from htcore.bundle import list_bundles

    return list_bundles((settings or Settings.from_environment()).models_dir)


def told_training(model_id: str, settings: Settings | None = None) -> tuple[bool, str] | None:
    """Whether an installed model comes from simulated scans, and what it was trained on, in its own words.

    ``None`` where its files cannot be read. Quick, and nothing is verified: `load_bundle_by_id` does that.
    """
    folder = (settings or Settings.from_environment()).models_dir / model_id
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return bool(config["simulated"]), str(config["training_data"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def example_studies(settings: Settings | None = None) -> tuple[ExampleStudy, ...]:
    """The simulated studies that ship with the models; their labels are their file names' words."""
    folder = (settings or Settings.from_environment()).models_dir / "examples"
    return tuple(
        ExampleStudy(path.stem, path.stem.replace("-", " ").capitalize(), path) for path in sorted(folder.glob("*.zip"))
    )


def simulate_again(scan_id: str, lesion_volume_ml: float) -> bytes:
    """A scan of a simulated cohort from its id alone, as ``htcore.simulation.again.simulate_again``."""
    from htcore.simulation import again

    return again.simulate_again(scan_id, lesion_volume_ml)


def evaluate_cohort(
    bundle: Bundle,
    cohort_csv: Path,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> CohortEvaluation:
    """Score every scan of a ``cohort.csv`` and measure the model at its own threshold.

    Scans that cannot be read or are refused are left out and listed.

    Parameters
    ----------
    workers
        Processes; each computes on one thread where there are several.

    Raises
    ------
    CohortError
        If the table cannot be used, or too little of it can be scored.
    UsageError
        If there is no such device.
    """
    from htcore.evaluation import ValidationSet, evaluate
    from htcore.inference.device import choose_device
    from htcore.processes import in_processes
    from htcore.training.cohort import read_cohort

    choose_device(device)
    scans = read_cohort(cohort_csv).scans
    if workers > 1:
        tasks = [(number, scan, bundle.path, device) for number, scan in enumerate(scans)]
        scored: Iterable[tuple[int, ScoredScan | RefusedScan]] = in_processes(_score_numbered, tasks, workers)
    else:
        scored = ((number, score_scan(scan, number + 2, bundle, device)) for number, scan in enumerate(scans))
    outcomes: dict[int, ScoredScan | RefusedScan] = {}
    for number, outcome in scored:
        outcomes[number] = outcome
        if progress is not None:
            progress(len(outcomes), len(scans))
    # In the table's order however they came: the intervals' resampling counts rows.
    ordered = [outcomes[number] for number in range(len(scans))]
    measured = evaluate(ValidationSet.from_frame(scored_table(ordered)), bundle.calibration.threshold)
    return CohortEvaluation(measured, tuple(entry for entry in ordered if isinstance(entry, RefusedScan)))


def _score_numbered(task: tuple[int, CohortScan, Path, str]) -> tuple[int, ScoredScan | RefusedScan]:
    """A scan's number and outcome, in a process of its own."""
    import torch

    number, scan, model, device = task
    torch.set_num_threads(1)
    return number, score_scan(scan, number + 2, _bundle_of_process(model), device)


@lru_cache(maxsize=1)
def _bundle_of_process(model: Path) -> Bundle:
    from htcore.bundle import load_bundle

    return load_bundle(model)


def score_scan(
    scan: CohortScan, row: int, bundle: Bundle, device: str = "auto", progress: Progress | None = None
) -> ScoredScan | RefusedScan:
    """Score one scan of a cohort, which stands in that row of its table; one that cannot be scored says why.

    Raises
    ------
    StoppedError
        From the first `checkpoint` after a limit around it was set to stop.
    """
    try:
        opened = assess(scan.path, bundle=bundle, device=device, regions=False, progress=progress)
    except StoppedError:
        raise
    except HtcoreError as error:
        return RefusedScan(scan.scan_id, error.code, str(error), row)
    if opened.risk is None:
        worst = next(finding for finding in opened.quality.findings if finding.severity == "refuse")
        return RefusedScan(scan.scan_id, worst.code, worst.message, row)
    values: dict[str, float | str] = {"thickness_mm": float(opened.volume.thickness_mm.mean()), **scan.values}
    values |= {"patient_id": scan.patient_id, "scan_id": scan.scan_id, "ht": int(scan.ht)}
    values |= {"logit": opened.risk.logit, "probability": opened.risk.probability}
    return ScoredScan(scan.scan_id, values, opened.receipt.simulated)


def scored_table(outcomes: Iterable[ScoredScan | RefusedScan]) -> pd.DataFrame:
    """The scored scans as ``ValidationSet.from_frame`` takes them."""
    import pandas as pd

    rows = [dict(entry.values) for entry in outcomes if isinstance(entry, ScoredScan)]
    return pd.DataFrame(rows or None, columns=None if rows else ["patient_id", "scan_id", "ht", "logit", "probability"])


def labelled_cohorts(settings: Settings | None = None) -> dict[str, Path]:
    """The cohort tables that the dashboard may score, by the names of their folders; none unless it is allowed."""
    root = (settings or Settings.from_environment()).cohorts_dir
    if root is None or not root.is_dir():
        return {}
    tables = (root / "cohort.csv", *sorted(root.glob("*/cohort.csv")))
    return {path.parent.name: path for path in tables if path.is_file()}


def labelled_scans(cohort_csv: Path, settings: Settings | None = None) -> Cohort:
    """A table of `labelled_cohorts`, read; every scan must lie in the allowed folder too.

    Raises
    ------
    CohortError
        If the table cannot be used, or could not be evaluated even if every scan were scored.
    UsageError
        If it, or a scan, lies elsewhere.
    """
    import pandas as pd

    from htcore.evaluation import ValidationSet
    from htcore.training.cohort import read_cohort

    settings = settings or Settings.from_environment()
    root = settings.cohorts_dir
    if root is None or cohort_csv not in labelled_cohorts(settings).values():
        raise UsageError("This table is not one that the dashboard may score: choose one of the list.")
    cohort = read_cohort(cohort_csv)
    for number, scan in enumerate(cohort.scans, start=2):
        if not scan.path.resolve().is_relative_to(root.resolve()):
            raise UsageError(
                f"Cohort table, row {number}: the scan lies outside the folder that the dashboard may read: move it."
            )
    rows = [
        {**scan.values, "patient_id": scan.patient_id, "scan_id": scan.scan_id, "ht": int(scan.ht), "probability": 0.5}
        for scan in cohort.scans
    ]
    # Else a wrong cell would be told after hours of scoring.
    ValidationSet.from_frame(pd.DataFrame(rows))
    return cohort


def validation_predictions(bundle: Bundle) -> tuple[pd.DataFrame, bool]:
    """The bundle's stored predictions, and whether their patients took no part in calibration either.

    A bundle trained without a validation cohort holds its calibration patients alone; of a mixed table the fair part
    is given. ``stored_row`` is each scan's row in the bundle, from 0: the place of its thumbnail.
    """
    table = bundle.validation
    table = table.assign(stored_row=range(len(table)))
    if "part" not in table.columns:
        return table, True
    fair = table["part"] == "validation"
    return (table[fair].reset_index(drop=True), True) if bool(fair.any()) else (table, False)


def evaluate_stored(bundle: Bundle) -> CohortEvaluation:
    """What the cohort page shows: the stored validation predictions measured at the bundle's own threshold.

    Raises
    ------
    CohortError
        If the predictions cannot be evaluated.
    """
    from htcore.evaluation import ValidationSet, evaluate, part_of

    table, _ = validation_predictions(bundle)
    found = evaluate(ValidationSet.from_frame(table), bundle.calibration.threshold)
    return CohortEvaluation(found, (), part_of(table))


def _device_name(kind: str) -> str:
    """The graphics card's name, or CPU."""
    if kind == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return {"cpu": "CPU", "mps": "Apple GPU"}.get(kind, kind)
