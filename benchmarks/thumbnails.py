"""Pictures of its validation scans for a bundle that was trained without them: the list of cases shows them.

``python -m benchmarks.thumbnails --model ID --cohort CSV [--cache DIR] [--workers N]``. The cohort is the simulated one
that the model was validated on: its scans are prepared and scored anew, and nothing is kept unless each gives the
stored logit again. A training keeps the pictures by itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from htcore import services
from htcore.bundle import Bundle, add_thumbnails
from htcore.errors import CohortError, HtcoreError
from htcore.training.cache import prepare_scans
from htcore.training.cohort import CohortScan, read_cohort
from htcore.training.predictions import predict_scans

SAME_LOGIT = 0.05
"""What another device or number of threads may change."""


def validation_scans(bundle: Bundle, cohort_csv: Path) -> tuple[CohortScan, ...]:
    """The bundle's validation scans, in its order, as they stand in a cohort's table.

    Raises
    ------
    CohortError
        If one is not there.
    """
    known = {(scan.patient_id, scan.scan_id): scan for scan in read_cohort(cohort_csv).scans}
    stored = bundle.validation
    asked = list(zip(stored["patient_id"].astype(str), stored["scan_id"].astype(str), strict=True))
    missing = sum(who not in known for who in asked)
    if missing:
        raise CohortError(
            f"{missing} of the model's {len(asked)} validation scans are not in the table: give the cohort that the "
            "model was validated on."
        )
    return tuple(known[who] for who in asked)


def thumbnails(bundle: Bundle, cohort_csv: Path, cache: Path, workers: int = 1) -> np.ndarray:
    """As `htcore.training.predictions.Predictions` has them.

    Raises
    ------
    CohortError
        If a scan cannot be prepared or is not simulated, or its logit is another one than the bundle's.
    """
    prepared, refused = prepare_scans(validation_scans(bundle, cohort_csv), cache, workers)
    if refused:
        raise CohortError(f"{len(refused)} validation scans cannot be used any more, the first: {refused[0].message}")
    found = predict_scans(bundle.networks(torch.device("cpu")), prepared, "validation")
    if found.thumbnails is None:
        raise CohortError("Not every validation scan is simulated: a model holds no pictures of patients.")
    stored = bundle.validation
    # Out of fold, the network that left a scan out gave its logit, and which one that was is not stored.
    compared = (stored["part"] != "out-of-fold").to_numpy()
    apart = np.abs(found.table["logit"].to_numpy() - stored["logit"].to_numpy())[compared]
    if (apart > SAME_LOGIT).any():
        raise CohortError(
            f"{int((apart > SAME_LOGIT).sum())} scans have another logit than the model stored: these are other scans "
            "of the same names."
        )
    return found.thumbnails


def main() -> None:
    """Prepare, score, compare, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="prepared scans; the folder beside the table where not given")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    try:
        bundle = services.load_bundle_by_id(arguments.model)
        cache = arguments.cache or arguments.cohort.parent / "prepared"
        found = thumbnails(bundle, arguments.cohort, cache, arguments.workers)
        add_thumbnails(bundle.path, found)
    except HtcoreError as error:
        parser.error(str(error))
    print(f"{len(found)} pictures of {found.shape[1]} x {found.shape[2]} pixels, {found.nbytes / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
