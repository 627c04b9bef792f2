"""Who trains, who chooses the epoch, who calibrates, who is predicted: always whole patients."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from htcore.errors import UsageError
from htcore.training.cohort import CohortScan, check_no_leak

Scans = tuple[CohortScan, ...]

SELECTION_NEEDS = 30
"""Training patients from which on some are held out to choose the epoch; fewer are all needed to train."""
_SEED = 15_485_863


def hold_out(scans: Iterable[CohortScan], share: float, seed: int) -> tuple[Scans, Scans]:
    """Training scans, and those that choose the epoch; no patient in both, both outcomes in both where there are.

    A ``split`` column decides where it says ``selection``. Otherwise ``share`` of the patients with and of those
    without HT are taken, two of each at least; nobody where ``share`` is 0 or fewer than ``SELECTION_NEEDS``
    patients are given.

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
        rng = np.random.default_rng((seed, _SEED))
        for outcome in (False, True):
            patients = sorted(patient for patient, value in event.items() if value is outcome)
            count = min(max(2, round(share * len(patients))), len(patients) // 2)
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
