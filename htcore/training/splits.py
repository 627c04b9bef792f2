"""Who trains, who chooses the epoch, who calibrates, who is predicted: always whole patients."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from htcore.errors import CohortError, UsageError
from htcore.training.cohort import CohortScan, check_no_leak

Scans = tuple[CohortScan, ...]

SELECTION_NEEDS = 30
"""Training patients from which on some are held out to choose the epoch; fewer are all needed to train."""
_SEED = 15_485_863


def hold_out(scans: Iterable[CohortScan], share: float, seed: int) -> tuple[Scans, Scans]:
    """Training scans, and those that choose the epoch; no patient in both, both outcomes in both where there are.

    A ``split`` column decides where it says ``selection``. Otherwise ``share`` of the patients with and of those
    without HT are taken, two of each at least, from those that it leaves empty; where there are none of an outcome,
    from those that it says train. Nobody where ``share`` is 0 or fewer than ``SELECTION_NEEDS`` patients are given.

    Raises
    ------
    UsageError
        If the share is not from 0 up to a half.
    """
    if not 0 <= share <= 0.5:
        raise UsageError("the share of selection patients must lie between 0 and 0.5")
    scans = tuple(scans)
    chosen = {scan.patient_id for scan in scans if scan.split == "selection"}
    event = _events(scans)
    if not chosen and share > 0 and len(event) >= SELECTION_NEEDS:
        told = {scan.patient_id for scan in scans if scan.split == "train"}
        rng = np.random.default_rng((seed, _SEED))
        for outcome in (False, True):
            patients = sorted(patient for patient, value in event.items() if value is outcome)
            count = min(max(2, round(share * len(patients))), len(patients) // 2)
            patients = [patient for patient in patients if patient not in told] or patients
            chosen |= {patients[index] for index in rng.permutation(len(patients))[:count]}
    training = tuple(scan for scan in scans if scan.patient_id not in chosen)
    selection = tuple(scan for scan in scans if scan.patient_id in chosen)
    check_no_leak({"training": training, "selection": selection})
    return training, selection


def _events(scans: Scans) -> dict[str, bool]:
    """Each patient once: whether HT followed on any scan."""
    event = dict.fromkeys((scan.patient_id for scan in scans), False)
    for scan in scans:
        event[scan.patient_id] |= scan.ht
    return event


def folds(scans: Iterable[CohortScan], count: int, seed: int) -> tuple[Scans, ...]:
    """Parts of whole patients, as equal as can be, those with HT spread evenly; every scan in exactly one.

    Validation and test scans of a ``split`` column are in none.

    Raises
    ------
    UsageError
        If ``count`` is under 2.
    CohortError
        If an outcome has fewer patients than there are folds, or the ``split`` column names calibration or selection
        scans: with folds every patient takes each part in turn.
    """
    if count < 2:
        raise UsageError("folds must be 2 or more")
    scans = tuple(scan for scan in scans if scan.split not in ("validation", "test"))
    if any(scan.split in ("calibration", "selection") for scan in scans):
        raise CohortError(
            "With folds every patient trains, calibrates and selects in turn: leave train, validation and test alone "
            "in the split column, or train without folds."
        )
    event = _events(scans)
    place: dict[str, int] = {}
    rng = np.random.default_rng((seed, _SEED, count))
    for outcome in (True, False):
        patients = sorted(patient for patient, value in event.items() if value is outcome)
        if len(patients) < count:
            raise CohortError(
                f"{count} folds need {count} patients or more with and as many without HT, "
                f"found {len(patients)} {'with' if outcome else 'without'}: use fewer folds or add scans."
            )
        # Patients without HT fill up from the last fold on: no fold gets the surplus of both.
        order = range(count) if outcome else range(count - 1, -1, -1)
        turns = [order[number % count] for number in range(len(patients))]
        place |= {patients[index]: turn for index, turn in zip(rng.permutation(len(patients)), turns, strict=True)}
    return tuple(tuple(scan for scan in scans if place[scan.patient_id] == fold) for fold in range(count))
