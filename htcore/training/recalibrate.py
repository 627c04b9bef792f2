"""Another model's weights, calibrated on a hospital's own scans: a bundle without a training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from htcore.bundle import Bundle, load_bundle, save_bundle
from htcore.errors import UsageError
from htcore.inference.device import choose_device
from htcore.training.card import left_out
from htcore.training.contents import Account, bundle_contents, scans_in_words, started_in_words
from htcore.training.loop import LOG_COLUMNS
from htcore.training.parts import Division, prepare_parts
from htcore.training.predictions import predict_scans
from htcore.training.run import Listener
from htcore.training.splits import folds


@dataclass(frozen=True)
class RecalibrationParameters:
    """What ``htcore recalibrate`` may be told.

    Attributes
    ----------
    folds : int
        Parts of whole patients; for the table each is calibrated on the others.
    validation_cohort : Path or None
        Another ``cohort.csv``, which calibrates nothing; its predictions become the bundle's validation set.
    cache, workers
        As `htcore.training.run.TrainingParameters`.
    """

    folds: int = 5
    seed: int = 0
    validation_cohort: Path | None = None
    cache: Path | None = None
    workers: int = 1
    device: str = "auto"


def recalibrate(
    parameters: RecalibrationParameters, model: Path, cohort_csv: Path, out: Path, listener: Listener | None = None
) -> Bundle:
    """Fit calibration, threshold and the joint risk anew on a cohort's scans; write the bundle ``out``.

    The weights stay, and with them which of two scans scores higher: only what a score means is learnt, which takes
    fewer patients than a training (Steyerberg et al. 2004, doi 10.1002/sim.1844).

    Raises
    ------
    CohortError, UsageError, BundleError
        Each with what to do.
    """
    if out.exists():
        raise UsageError("The model's folder exists already: choose another id or delete the folder.")
    listener = listener or Listener()
    start = load_bundle(model)
    networks = start.networks(choose_device(parameters.device))
    division = Division(0.0, 0.0, parameters.seed, trains=False)
    cache = parameters.cache or cohort_csv.parent / "prepared"
    parts = prepare_parts(division, cohort_csv, parameters.validation_cohort, cache, parameters.workers, listener.stage)
    for entry in parts.refused:
        listener.refused(entry)
    (member,) = parts.members
    divided = folds((replace(entry.scan, split=None) for entry in member.held_out), parameters.folds, parameters.seed)
    fold = {scan.patient_id: number for number, part in enumerate(divided) for scan in part}
    held_out = predict_scans(networks, member.held_out, "recalibrated", partial(listener.stage, "score"))
    held_out.table["fold"] = held_out.table["patient_id"].map(fold)
    identity = start.identity
    account = Account(
        out.name,
        started_in_words(f"no new scans, only calibrated on {scans_in_words(member.held_out)}", identity),
        identity.simulated or parts.simulated,
        {
            "recalibrated": True,
            "folds": parameters.folds,
            "started_from": {"id": identity.id, "weights_sha256": identity.weights_sha256},
            "left_out": left_out(parts.refused),
        },
        ",".join(LOG_COLUMNS) + "\n",
    )
    return save_bundle(out, bundle_contents(networks, held_out, parts.validation, account, seed=parameters.seed))
