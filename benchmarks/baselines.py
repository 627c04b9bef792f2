"""What the network has to beat on the same scans: measured features, and the true-mask reference.

``python -m benchmarks.baselines --train CSV … --test CSV --model ID [--cache DIR] [--keep]``: features with logistic
regression learn from the first cohort and are scored on the second. ``--keep`` puts the scores into the bundle's
``baselines.csv``, beside those of other models that it holds: the second cohort has to be the bundle's validation set.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.learning import Logits, cohorts, compared, keep_scores, prepared, printed
from htcore import services
from htcore.inference.predict import predict
from htcore.training.cache import PreparedScan
from htcore.training.features import Features, lesion_factors, radiomics

Scans = tuple[PreparedScan, ...]
Measure = Callable[[PreparedScan], Features]
NETWORK = "the network"
ORACLE = "best possible from the image (the simulator's)"


def by_radiomics(entry: PreparedScan) -> Features:
    """Features that ask no network."""
    scan = entry.model_input()
    return radiomics(scan.channels, scan.brain, scan.grid.voxel_ml)


def by_true_mask(entry: PreparedScan) -> Features:
    """Features measured with the true infarct; an empty one where nobody drew it."""
    scan, lesion = entry.model_input(), entry.arrays().lesion
    mask = np.zeros(scan.brain.shape) if lesion is None else lesion.astype(np.float32)
    return lesion_factors(scan.channels, scan.brain, mask, scan.grid.voxel_ml)


def fit(features: pd.DataFrame, entries: Scans) -> Pipeline:
    """Logistic regression on standardised features, its ridge chosen by cross-validation over patients."""
    labels = np.array([entry.scan.ht for entry in entries])
    patients = np.array([entry.scan.patient_id for entry in entries])
    folds = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(features, labels, patients))
    chosen = LogisticRegressionCV(
        Cs=np.logspace(-4, 1, 8),
        cv=folds,
        scoring="roc_auc",
        max_iter=2000,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    )
    return make_pipeline(StandardScaler(), chosen).fit(features, labels)


def by_features(measure: Measure, training: Scans, test: Scans) -> Logits:
    """Logits of a logistic regression on measured features."""
    tables = [pd.DataFrame([measure(entry) for entry in part]) for part in (training, test)]
    return np.asarray(fit(tables[0], training).decision_function(tables[1]), dtype=np.float64)


def main() -> None:
    """Fit, score, compare, print; keep where asked to."""
    arguments = cohorts(__doc__).parse_args()
    bundle = services.load_bundle_by_id(arguments.model)
    training, test = prepared(arguments)

    def by_network_map(entry: PreparedScan) -> Features:
        scan = entry.model_input()
        return lesion_factors(scan.channels, scan.brain, predict(bundle, scan).lesion, scan.grid.voxel_ml)

    scores = {NETWORK: np.array([predict(bundle, entry.model_input()).logit for entry in test])}
    measures: dict[str, Measure] = {
        "radiomics, logistic regression": by_radiomics,
        "factors by the network's lesion map, logistic regression": by_network_map,
        "factors by the true mask, logistic regression (reference)": by_true_mask,
    }
    for name, measure in measures.items():
        scores[name] = by_features(measure, training, test)
    oracle = np.array([entry.scan.number("p_ht_image") or np.nan for entry in test], dtype=np.float64)
    if np.isfinite(oracle).all():
        scores[ORACLE] = oracle
    print(printed(compared(scores, test, NETWORK)))
    if arguments.keep:
        others = {name: values for name, values in scores.items() if name not in (NETWORK, ORACLE)}
        keep_scores(bundle, test, others)


if __name__ == "__main__":
    main()
