"""Another model's weights, calibrated on a hospital's own scans: a bundle without a training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from htcore.bundle import Bundle, add_measurement, load_bundle, save_bundle
from htcore.errors import CohortError, UsageError
from htcore.inference.device import choose_device
from htcore.training.card import RECALIBRATED, left_out
from htcore.training.cohort import CohortScan, read_cohort
from htcore.training.contents import Account, bundle_contents, scans_in_words, started_in_words
from htcore.training.loop import LOG_COLUMNS
from htcore.training.parts import Division, prepare_parts
from htcore.training.predictions import predict_scans
from htcore.training.run import Listener

MINIMUM = 10
"""Patients with and as many without HT; fewer say nothing of what a score means."""
_KEPT = "explanation.json"  # measured of the weights' maps, whatever the calibration


@dataclass(frozen=True)
class RecalibrationParameters:
    """What ``htcore recalibrate`` may be told.

    Attributes
    ----------
    validation_cohort : Path or None
        Another ``cohort.csv``, which calibrates nothing; its predictions become the bundle's validation set.
    cache, workers
        As `htcore.training.run.TrainingParameters`.
    """

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
    fewer patients than a training (Steyerberg et al. 2004, doi 10.1002/sim.1844). Without validation patients those
    that calibrate are the stored ones: the weights met none of them, so the ranking is a fair measure, while what rests
    on calibration and threshold flatters.

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
    _enough(scan for scan in read_cohort(cohort_csv).scans if scan.split not in ("validation", "test"))
    cache = parameters.cache or cohort_csv.parent / "prepared"
    division = Division(0.0, 0.0, parameters.seed, trains=False)
    parts = prepare_parts(division, cohort_csv, parameters.validation_cohort, cache, parameters.workers, listener.stage)
    for entry in parts.refused:
        listener.refused(entry)
    held_out = parts.members[0].held_out
    _enough(entry.scan for entry in held_out)
    predictions = predict_scans(networks, held_out, "calibration", partial(listener.stage, "score"))
    identity = start.identity
    account = Account(
        out.name,
        started_in_words(f"{RECALIBRATED}{scans_in_words(held_out)}", identity),
        identity.simulated,
        {
            "recalibrated": True,
            "started_from": {"id": identity.id, "weights_sha256": identity.weights_sha256},
            "left_out": left_out(parts.refused),
        },
        ",".join(LOG_COLUMNS) + "\n",
    )
    made = save_bundle(out, bundle_contents(networks, predictions, parts.validation, account, seed=parameters.seed))
    measured = start.measurement(_KEPT)
    return made if measured is None else add_measurement(out, _KEPT, measured)


def _enough(scans: Iterable[CohortScan]) -> None:
    """Said before anything is prepared, and again of what is left."""
    patients: dict[str, bool] = {}
    for scan in scans:
        patients[scan.patient_id] = patients.get(scan.patient_id, False) or scan.ht
    with_ht = sum(patients.values())
    if min(with_ht, len(patients) - with_ht) < MINIMUM:
        raise CohortError(
            f"Calibration needs {MINIMUM} patients with and {MINIMUM} without HT whose scans can be used, found "
            f"{with_ht} and {len(patients) - with_ht}: add scans, or use the model as it is."
        )
