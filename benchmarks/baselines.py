"""What the network has to beat, on the same scans: features and logistic regression, and the true-mask reference.

``python -m benchmarks.baselines --train CSV --test CSV --model ID [--out FILE]``: fits on the first cohort, scores the
second, and prints each model's AUC with interval, its share of the best possible, and DeLong's p against the network.
One scan a patient, the first, is compared, as DeLong's test takes scans as independent.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from htcore import services
from htcore.evaluation.delong import delong_difference, delong_interval
from htcore.inference.predict import predict
from htcore.training.cache import PreparedScan, prepare_scans
from htcore.training.cohort import read_cohort
from htcore.training.features import Features, lesion_factors, radiomics

Measure = Callable[[PreparedScan], Features]


def by_radiomics(entry: PreparedScan) -> Features:
    """Features that ask no network."""
    scan = entry.model_input()
    return radiomics(scan.channels, scan.brain, scan.grid.voxel_ml)


def by_true_mask(entry: PreparedScan) -> Features:
    """Features measured with the true infarct; an empty one where nobody drew it."""
    scan, lesion = entry.model_input(), entry.arrays().lesion
    mask = np.zeros(scan.brain.shape) if lesion is None else lesion.astype(np.float32)
    return lesion_factors(scan.channels, scan.brain, mask, scan.grid.voxel_ml)


def table(entries: tuple[PreparedScan, ...], measure: Measure) -> pd.DataFrame:
    """One row a scan."""
    return pd.DataFrame([measure(entry) for entry in entries])


def fit(features: pd.DataFrame, entries: tuple[PreparedScan, ...]) -> Pipeline:
    """Logistic regression on standardised features, its ridge chosen by cross-validation over patients."""
    labels = np.array([entry.scan.ht for entry in entries])
    patients = np.array([entry.scan.patient_id for entry in entries])
    folds = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(features, labels, patients))
    chosen = LogisticRegressionCV(Cs=np.logspace(-4, 1, 8), cv=folds, scoring="roc_auc", max_iter=2000)
    return make_pipeline(StandardScaler(), chosen).fit(features, labels)


def main() -> None:
    """Fit, score, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    bundle = services.load_bundle_by_id(arguments.model)
    parts = {}
    for name in ("train", "test"):
        csv = getattr(arguments, name)
        parts[name] = prepare_scans(read_cohort(csv).scans, csv.parent / "prepared", arguments.workers)[0]

    def by_network_map(entry: PreparedScan) -> Features:
        scan = entry.model_input()
        return lesion_factors(scan.channels, scan.brain, predict(bundle, scan).lesion, scan.grid.voxel_ml)

    test = parts["test"]
    scores = {"the network": np.array([predict(bundle, entry.model_input()).logit for entry in test])}
    measures: dict[str, Measure] = {
        "radiomics + logistic": by_radiomics,
        "factors by the network's lesion map + logistic": by_network_map,
        "factors by the true mask + logistic (reference)": by_true_mask,
    }
    for name, measure in measures.items():
        model = fit(table(parts["train"], measure), parts["train"])
        scores[name] = model.decision_function(table(test, measure))
    oracle = np.array([entry.scan.number("p_ht_image") or np.nan for entry in test], dtype=np.float64)
    if np.isfinite(oracle).all():
        scores["best possible from the image (the simulator's)"] = oracle
    print_table(scores, test)
    if arguments.out is not None:
        frame = pd.DataFrame({"scan_id": [entry.scan.scan_id for entry in test], **scores})
        frame.to_parquet(arguments.out, index=False)


def print_table(scores: dict[str, np.ndarray], test: tuple[PreparedScan, ...]) -> None:
    """AUC with DeLong's interval, share of the best possible, p against the network; first scans."""
    seen: set[str] = set()
    first = np.array([not (e.scan.patient_id in seen or seen.add(e.scan.patient_id)) for e in test])
    labels = np.array([entry.scan.ht for entry in test])[first]
    kept = {name: values[first] for name, values in scores.items()}
    areas = {name: delong_interval(labels, values) for name, values in kept.items()}
    best = next((area.value for name, area in areas.items() if name.startswith("best possible")), None)
    print(f"first scans of {first.sum()} patients, {labels.sum()} with HT")
    print(f"{'model':50s}{'AUC':>7s}{'95% interval':>16s}{'of best':>9s}{'p against the network':>23s}")
    for name, area in areas.items():
        share = f"{area.value / best:9.3f}" if best else f"{'':9s}"
        compared = delong_difference(labels, kept["the network"], kept[name])
        p_value = "" if name == "the network" else f"{compared.p_value:.2g} ({compared.difference.value:+.3f})"
        print(f"{name:50s}{area.value:7.3f}{f'{area.low:.3f}–{area.high:.3f}':>16s}{share}{p_value:>23s}")


if __name__ == "__main__":
    main()
