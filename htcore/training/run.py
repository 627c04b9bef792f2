"""From a cohort table to a bundle."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from htcore.bundle import Bundle, BundleContents, load_bundle, save_bundle
from htcore.channels import CHANNELS
from htcore.errors import UsageError
from htcore.inference.device import choose_device
from htcore.networks import LesionGatedResNet, NetworkConfig, widened
from htcore.training.cache import PreparedScan, RefusedScan
from htcore.training.card import left_out
from htcore.training.contents import Account, bundle_contents, n_patients, scans_in_words, started_in_words
from htcore.training.distributed import Processes, joined
from htcore.training.loop import LOG_COLUMNS, EpochLog, Fitted, LoopParameters, fit, threads
from htcore.training.parts import FACTORS, Division, Member, Parts, PreparedSource, Tell, prepare_parts
from htcore.training.predictions import Predictions, predict_scans
from htcore.training.selection import chosen_by

_MEMBER_SEEDS = 1_009  # a member's seed; apart from each other and from the splits'


@dataclass(frozen=True)
class TrainingParameters:
    """What ``htcore train`` may be told.

    Attributes
    ----------
    network : NetworkConfig or None
        Sizes; by default those of ``start_from``, else the usual ones.
    wider : int
        So many times as many features as ``network`` says; the further ones of ``start_from`` begin without a say.
    validation_cohort : Path or None
        Another ``cohort.csv``, never trained on; its predictions become the bundle's validation set.
    calibration_share : float
        Patients kept aside to fit the calibration; not used with ``folds``.
    selection_share : float
        Of the others, patients that choose the epoch whose weights are kept; 0 keeps the last epoch's.
    folds : int or None
        So many networks, each of which leaves another part of the patients out; the bundle answers with their mean,
        and is calibrated and measured on each patient by the network that left them out.
    start_from : Path or None
        A bundle whose weights training starts from.
    blend : float
        Share of the new weights, in (0, 1]; the rest are still those of ``start_from``.
    cache : Path or None
        Folder of prepared scans, shared between trainings; by default ``prepared`` beside the cohort table.
    workers : int
        Processes that prepare scans.
    known_risk : bool
        Simulated scans teach, and calibrate towards, the simulator's risk given the image instead of the outcome drawn
        from it, which spares network and calibration the draw's noise; scans of patients give their outcome all the
        same.
    limit : int or None
        Use only the first so many patients, for data-efficiency curves.
    """

    loop: LoopParameters = field(default_factory=LoopParameters)
    network: NetworkConfig | None = None
    wider: int = 1
    validation_cohort: Path | None = None
    calibration_share: float = 0.2
    selection_share: float = 0.15
    folds: int | None = None
    start_from: Path | None = None
    blend: float = 1.0
    device: str = "auto"
    cache: Path | None = None
    workers: int = 1
    known_risk: bool = False
    limit: int | None = None


@dataclass(frozen=True)
class Listener:
    """Whom a training tells what happens: stages, finished epochs, scans left out."""

    stage: Tell = lambda stage, done, total: None
    epoch: Callable[[EpochLog], None] = lambda log: None
    refused: Callable[[RefusedScan], None] = lambda scan: None


def train(parameters: TrainingParameters, cohort_csv: Path, out: Path, listener: Listener | None = None) -> Bundle:
    """Read, split, prepare, train, calibrate, predict the validation patients, write the bundle ``out``.

    Interrupted, it goes on from the last epoch when called again the same way. Started by ``torchrun``, the processes
    share each batch; they need one and the same file system.

    Raises
    ------
    CohortError, TrainingError, UsageError, BundleError
        Each with what to do.
    """
    if not 0 < parameters.blend <= 1 or (parameters.blend < 1 and parameters.start_from is None):
        raise UsageError(
            "The share of new weights must lie above 0 and up to 1, below 1 only with a model to start from."
        )
    if out.exists():
        raise UsageError("The model's folder exists already: choose another id or delete the folder.")
    chosen = choose_device(parameters.device)
    start = None if parameters.start_from is None else load_bundle(parameters.start_from, earlier=True)
    config = _sizes(parameters.network, start).wider(parameters.wider)
    work = out.with_name(f"{out.name}.training")
    with joined(chosen) as processes:
        listener = listener if listener is not None and processes.first else Listener()
        with processes.first_goes_ahead():
            parts = _prepare(parameters, cohort_csv, listener)
        device = processes.device(chosen)
        fitted = _fit_members(parts, config, start, parameters, work, device, listener, processes)
        if parameters.blend < 1.0:
            fitted = _blended(fitted, _starts(start, config, parameters.loop.seed), parameters.blend)
        if processes.first:
            with threads(parameters.loop.threads):
                contents = _contents(fitted, parts, parameters, _account(out.name, fitted, parts, parameters, start))
            save_bundle(out, contents)
            shutil.rmtree(work, ignore_errors=True)
        processes.wait()
    return load_bundle(out)


def _prepare(parameters: TrainingParameters, cohort_csv: Path, listener: Listener) -> Parts:
    division = Division(
        calibration_share=parameters.calibration_share,
        selection_share=parameters.selection_share,
        seed=parameters.loop.seed,
        folds=parameters.folds,
        limit=parameters.limit,
    )
    cache = parameters.cache or cohort_csv.parent / "prepared"
    parts = prepare_parts(division, cohort_csv, parameters.validation_cohort, cache, parameters.workers, listener.stage)
    for entry in parts.refused:
        listener.refused(entry)
    return parts


def _sizes(wanted: NetworkConfig | None, start: Bundle | None) -> NetworkConfig:
    """The network's sizes; those of the bundle to start from have to fit."""
    if start is None:
        return wanted or NetworkConfig(factors=len(FACTORS))
    grown = replace(start.config, in_channels=len(CHANNELS))
    # Dropout holds no weights: it may differ.
    if wanted is not None and replace(wanted, dropout=0.0) != replace(grown, dropout=0.0):
        raise UsageError(
            f"The model to start from ({start.identity.id}) has other sizes than the network asked for: "
            "ask for its sizes, or start from fresh weights."
        )
    if start.config.factors not in (0, len(FACTORS)):
        raise UsageError(
            f"The model to start from ({start.identity.id}) was trained towards {start.config.factors} causes, "
            f"this version knows {len(FACTORS)}: choose another model to start from."
        )
    return wanted or grown


def _fit_members(
    parts: Parts,
    config: NetworkConfig,
    start: Bundle | None,
    parameters: TrainingParameters,
    work: Path,
    device: torch.device,
    listener: Listener,
    processes: Processes,
) -> tuple[Fitted[LesionGatedResNet], ...]:
    loop = parameters.loop
    starts = _starts(start, config, loop.seed)
    fitted = []
    for number, member in enumerate(parts.members):
        stage = "train" if len(parts.members) == 1 else f"train {number + 1} of {len(parts.members)}"

        def told(log: EpochLog, stage: str = stage) -> None:
            listener.stage(stage, log.epoch, loop.epochs)
            listener.epoch(log)

        fitted.append(
            fit(
                config,
                PreparedSource(member.training, parameters.known_risk),
                replace(loop, seed=loop.seed + _MEMBER_SEEDS * number),
                work / f"network-{number + 1}",
                device,
                told,
                selection=PreparedSource(member.selection) if member.selection else None,
                start=starts[number % len(starts)] if starts else None,
                processes=processes,
            )
        )
    return tuple(fitted)


def _starts(start: Bundle | None, config: NetworkConfig, seed: int) -> tuple[dict[str, Tensor], ...]:
    """The weights of each network of the bundle to start from, in a network of these sizes."""
    networks = () if start is None else start.networks(torch.device("cpu"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return tuple(widened(network.state_dict(), config.build()) for network in networks)


def _blended(
    fitted: tuple[Fitted[LesionGatedResNet], ...], starts: tuple[dict[str, Tensor], ...], share: float
) -> tuple[Fitted[LesionGatedResNet], ...]:
    """Each network with weights between those that it started from and those that it learnt (Wortsman et al. 2022).

    What a network learns from new scans it can unlearn of others; between the two it tends to know both
    (doi 10.1109/CVPR52688.2022.00780).
    """
    for number, entry in enumerate(fitted):
        before = starts[number % len(starts)]
        learnt = entry.network.state_dict()
        for name, value in learnt.items():
            if value.is_floating_point():
                value.mul_(share).add_(before[name].to(value), alpha=1.0 - share)
    return fitted


def _contents(
    fitted: tuple[Fitted[LesionGatedResNet], ...], parts: Parts, parameters: TrainingParameters, account: Account
) -> BundleContents:
    networks = tuple(entry.network for entry in fitted)
    part = "out-of-fold" if len(networks) > 1 else "calibration"
    held_out = Predictions.joined(
        [
            predict_scans([network], member.held_out, part)
            for network, member in zip(networks, parts.members, strict=True)
        ]
    )
    return bundle_contents(
        networks,
        held_out,
        parts.validation,
        account,
        seed=parameters.loop.seed,
        known_risk=parameters.known_risk,
    )


def _account(
    name: str,
    fitted: tuple[Fitted[LesionGatedResNet], ...],
    parts: Parts,
    parameters: TrainingParameters,
    start: Bundle | None,
) -> Account:
    def used(member: Member) -> tuple[PreparedScan, ...]:
        # A bundle of folds has seen every patient in one network or another.
        return (*member.training, *member.held_out) if len(parts.members) > 1 else member.training

    text = scans_in_words(entry for member in parts.members for entry in used(member))
    text = text if start is None else started_in_words(text, start.identity)
    return Account(name, text, parts.simulated, _record(fitted, parts, parameters, start), _logs(fitted))


def _record(
    fitted: tuple[Fitted[LesionGatedResNet], ...], parts: Parts, parameters: TrainingParameters, start: Bundle | None
) -> dict[str, Any]:
    """How the bundle was trained, as plain values."""
    return {
        "loop": asdict(parameters.loop),
        "precision": fitted[0].precision,
        "calibration_share": None if parameters.folds else parameters.calibration_share,
        "selection_share": parameters.selection_share,
        "folds": parameters.folds,
        "known_risk": parameters.known_risk,
        "blend": parameters.blend,
        "started_from": start and {"id": start.identity.id, "weights_sha256": start.identity.weights_sha256},
        "members": [
            {
                "training_patients": n_patients(member.training),
                "training_scans": len(member.training),
                "selection_patients": n_patients(member.selection),
                "selection_scans": len(member.selection),
                "held_out_patients": n_patients(member.held_out),
                "held_out_scans": len(member.held_out),
                "epochs": len(entry.log),
                "weights_of_epoch": entry.chosen.epoch,
                "chosen_by": chosen_by(scan.scan.ht for scan in member.selection) if member.selection else None,
            }
            for entry, member in zip(fitted, parts.members, strict=True)
        ],
        "left_out": left_out(parts.refused),
    }


def _logs(fitted: tuple[Fitted[LesionGatedResNet], ...]) -> str:
    """All epochs as CSV; of several networks with their number in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, entry in enumerate(fitted, start=1):
        lead = [number] if len(fitted) > 1 else []
        if number == 1:
            writer.writerow([*(["network"] if lead else []), *LOG_COLUMNS])
        writer.writerows([*lead, *epoch.cells()] for epoch in entry.log)
    return text.getvalue()
