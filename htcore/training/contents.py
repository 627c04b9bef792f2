"""What a bundle holds, once its networks are there: calibration, predictions, card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from htcore.bundle import BundleContents
from htcore.evaluation import are_simulated
from htcore.inference.calibrate import fit_calibration
from htcore.inference.clinical import fit_clinical
from htcore.networks import LesionGatedResNet
from htcore.training.cache import PreparedScan
from htcore.training.card import card_values, render
from htcore.training.parts import KNOWN_RISK, Prepared
from htcore.training.predictions import Predictions, cross_fitted, predict_scans, without_identifiers
from htcore.types import ModelIdentity


@dataclass(frozen=True)
class Account:
    """How a model came about, for its card.

    Attributes
    ----------
    training_data : str
        What it was trained on, in a sentence for people.
    simulated : bool
        Whether some of that was simulated.
    record : plain values of how it was trained.
    log : one row an epoch, CSV.
    """

    id: str
    training_data: str
    simulated: bool
    record: dict[str, Any]
    log: str


def bundle_contents(
    networks: Sequence[LesionGatedResNet],
    held_out: Predictions,
    validation: Prepared,
    account: Account,
    *,
    seed: int,
    known_risk: bool = False,
) -> BundleContents:
    """Calibrate on the scans held out, predict those that validate, and tell of it.

    Parameters
    ----------
    held_out
        Of scans that neither trained nor chose; where their ``part`` is not ``calibration``, each is calibrated for the
        table on the other folds.
    validation
        Prepared scans of patients of no other part; none for a table of the scans held out.
    known_risk
        Calibrate towards the simulator's risk where a scan has one.
    """
    table = held_out.table
    logits, labels = table["logit"].to_numpy(np.float64), table["ht"].to_numpy(np.float64)
    targets = _known_risks(table, labels) if known_risk else labels
    rng = np.random.default_rng((seed, 104_729))
    curve = fit_calibration(logits, labels, table["patient_id"].tolist(), rng, risks=targets)
    joined_model = fit_clinical(table)
    stored = predict_scans(networks, validation, "validation") if validation else held_out
    if validation or set(table["part"]) == {"calibration"}:
        probability = curve.probability(stored.table["logit"].to_numpy(np.float64))
    else:
        probability = cross_fitted(logits, targets, table["fold"].to_numpy())
    kept = stored.table.drop(columns="fold", errors="ignore")
    kept.insert(5, "probability", probability)  # beside the logit
    if joined_model is not None and validation:
        kept["probability_clinical"] = joined_model.probabilities(kept)
    if not account.simulated or stored.thumbnails is None:  # some scan is a patient's
        kept = without_identifiers(kept)
    clinical = None if joined_model is None else joined_model.to_json()
    card = card_values(account.id, account.training_data, account.simulated, account.record, curve, kept, clinical)
    return BundleContents(
        tuple(networks),
        curve,
        kept,
        render(card),
        account.log,
        account.training_data,
        account.simulated,
        account.record,
        card_values=card,
        embedding=None if set(kept["part"]) == {"out-of-fold"} else stored.embedding,  # several networks' views
        clinical=clinical,
        thumbnails=stored.thumbnails if account.simulated else None,
        calibrated_on_patients=not are_simulated(table),
    )


def _known_risks(table: pd.DataFrame, labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The simulator's risk given the image, where a scan has one, else its outcome; (scans,)."""
    if KNOWN_RISK not in table.columns:
        return labels
    risks = pd.to_numeric(table[KNOWN_RISK], errors="coerce").to_numpy(np.float64)
    return np.where(np.isfinite(risks), risks, labels)


def n_patients(scans: Iterable[PreparedScan]) -> int:
    """How many patients they are of."""
    return len({entry.scan.patient_id for entry in scans})


def scans_in_words(scans: Iterable[PreparedScan]) -> str:
    """How many simulated and labelled scans of how many patients; each scan counts once."""
    unique = {entry.scan.place: entry for entry in scans}.values()
    simulated = [entry for entry in unique if entry.scan.simulated]
    labelled = [entry for entry in unique if not entry.scan.simulated]
    told = []
    if simulated:
        told.append(f"{len(simulated)} simulated plain head CTs of {n_patients(simulated)} simulated patients")
    if labelled:
        told.append(f"{len(labelled)} labelled plain head CTs of {n_patients(labelled)} patients")
    return " and ".join(told)


def started_in_words(data: str, start: ModelIdentity) -> str:
    """The same of a model that began with another's weights; `htcore.training.card.stages` reads it back."""
    return f"{data}, starting from {start.id} ({start.training_data})"
