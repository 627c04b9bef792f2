"""What the network does not see: each cause of bleeding that the image shows, beside the network's answer.

``python -m benchmarks.causes --cohort CSV --model ID [--cache DIR]``: on the first scans of a simulated cohort whose
``truth.csv`` holds each cause's share of the log-odds. Which cause would help most if it were known exactly tells what
to make visible next.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmarks.learning import Logits, compared, printed
from htcore import services
from htcore.bundle import Bundle
from htcore.simulation.outcome import IMAGE_EFFECTS
from htcore.training.cache import PreparedScan, prepare_scans
from htcore.training.cohort import read_cohort
from htcore.training.parts import FACTORS, standardised_factors

Scans = tuple[PreparedScan, ...]
NETWORK = "the network"


def answers(bundle: Bundle, scans: Scans) -> tuple[Logits, NDArray[np.float64]]:
    """Logit (scans,) and the causes that the network regresses beside it (scans, factors), of scan and mirror image."""
    networks = bundle.networks(torch.device("cpu"))
    logits, factors = [], []
    with torch.inference_mode():
        for entry in scans:
            channels = torch.from_numpy(entry.model_input().channels)[None]
            outputs = [network(torch.cat([channels, channels.flip(-1)])) for network in networks]
            logits.append(np.mean([output.logit.mean().item() for output in outputs]))
            factors.append(np.mean([mean_of(output.factors) for output in outputs], axis=0))
    return np.array(logits), np.array(factors, dtype=np.float64)


def mean_of(factors: torch.Tensor | None) -> NDArray[np.float32]:
    """Of a scan and its mirror image; ends the program where the network regresses no causes."""
    if factors is None:
        raise SystemExit("The network regresses no causes: choose a model that was trained on simulated scans.")
    return np.asarray(factors.mean(dim=0).numpy())


def share_of(cause: str, scans: Scans) -> Logits:
    """What a cause adds to each scan's log-odds, (scans,); ends the program where a scan's truth does not tell."""
    shares = [entry.scan.number(f"log_odds_{cause}") for entry in scans]
    if None in shares:
        raise SystemExit(f"The truth.csv of the cohort does not tell what {cause} adds: give one that was simulated.")
    return np.array(shares, dtype=np.float64)


def knowing(logits: Logits, share: Logits, labels: NDArray[np.bool_]) -> Logits:
    """Logits with one cause known: each scan's from a logistic regression on the others' logits and causes."""
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    both = np.column_stack([logits, share])
    return np.asarray(
        cross_val_predict(LogisticRegression(C=100.0), both, labels, cv=folds, method="decision_function")
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    first = {scan.patient_id: scan for scan in reversed(read_cohort(arguments.cohort).scans)}
    cache = arguments.cache or arguments.cohort.parent / "prepared"
    entries, _ = prepare_scans(tuple(first.values()), cache)
    labels = np.array([entry.scan.ht for entry in entries])
    shares = {name: share_of(name, entries) for name in IMAGE_EFFECTS}
    logits, factors = answers(services.load_bundle_by_id(arguments.model), entries)
    truth = standardised_factors(entries)
    print(f"{'':20s}{'SD of its log-odds':>20s}{'r with the logit':>18s}{'r of its regression':>21s}")
    for place, (name, factor) in enumerate(zip(IMAGE_EFFECTS, FACTORS, strict=True)):
        own = np.corrcoef(truth[:, place], factors[:, place])[0, 1]
        told = np.corrcoef(shares[name], logits)[0, 1]
        print(f"{factor:20s}{shares[name].std():20.2f}{told:18.2f}{own:21.2f}")
    scores = {NETWORK: logits}
    for name, factor in zip(IMAGE_EFFECTS, FACTORS, strict=True):
        scores[f"with {factor} known"] = knowing(logits, shares[name], labels)
    print(printed(compared(scores, entries, NETWORK)))


if __name__ == "__main__":
    main()
