"""Models beside each other on the same scans: does one rank better than another?

``python -m benchmarks.models --test CSV --models FOLDER FOLDER … [--cache DIR] [--workers N]``: every bundle scores
every scan of the cohort; the AUC of the others is compared with that of the first by DeLong's test on first scans.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.learning import compared, printed
from htcore.bundle import load_bundle
from htcore.inference.predict import predict
from htcore.training.cache import prepare_scans
from htcore.training.cohort import read_cohort


def main() -> None:
    """Score with each, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    cache = arguments.cache or arguments.test.parent / "prepared"
    scans, _ = prepare_scans(read_cohort(arguments.test).scans, cache, arguments.workers)
    names = [str(folder) for folder in arguments.models]
    bundles = [load_bundle(folder) for folder in arguments.models]
    logits = {
        name: np.array([predict(bundle, entry.model_input()).logit for entry in scans])
        for name, bundle in zip(names, bundles, strict=True)
    }
    print(printed(compared(logits, scans, names[0])))


if __name__ == "__main__":
    main()
