"""How fast intervals are: resampled patients beside a loop over scikit-learn, and DeLong's by the number of scans.

``python -m benchmarks.evaluation``, on the shipped model's validation patients and on made-up scores. Of the loop,
``LOOPED`` resamples are timed and scaled up to as many as are drawn here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from benchmarks.targets import judge
from htcore import services
from htcore.evaluation.bootstrap import RESAMPLES, Bootstrap
from htcore.evaluation.delong import delong_interval
from htcore.evaluation.validation import ValidationSet
from htcore.settings import Settings

LOOPED = 200
REPEATS = 3
FIGURES = ("auc", "f1", "sensitivity", "specificity", "accuracy")
SIZES = (1_000, 10_000, 100_000, 1_000_000)
MONTE_CARLO = 0.01  # between ends of two intervals of 2,000 draws each


def seconds(work: Callable[[], object]) -> float:
    """The shortest of a few runs."""
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def ours(validation: ValidationSet, threshold: float) -> dict[str, tuple[float, float]]:
    """Intervals of ``FIGURES``."""
    bootstrap = Bootstrap(validation, RESAMPLES)
    found = {"auc": bootstrap.auc(), **bootstrap.at_threshold(threshold)}
    return {name: (found[name].low, found[name].high) for name in FIGURES}


def looped(validation: ValidationSet, threshold: float, resamples: int) -> dict[str, tuple[float, float]]:
    """The same by scikit-learn, a resample at a time."""
    rng = np.random.default_rng(1)
    rows = [np.flatnonzero(validation.patient == patient) for patient in range(validation.n_patients)]
    drawn: dict[str, list[float]] = {name: [] for name in FIGURES}
    for _ in range(resamples):
        chosen = np.concatenate([rows[patient] for patient in rng.integers(0, len(rows), len(rows))])
        labels, scores = validation.labels[chosen], validation.probability[chosen]
        called = scores >= threshold
        drawn["auc"].append(roc_auc_score(labels, scores))
        drawn["f1"].append(f1_score(labels, called))
        drawn["sensitivity"].append(recall_score(labels, called))
        drawn["specificity"].append(recall_score(~labels, ~called))
        drawn["accuracy"].append(accuracy_score(labels, called))
    return {name: tuple(np.percentile(values, [2.5, 97.5])) for name, values in drawn.items()}  # type: ignore[misc]


def main() -> None:
    """Time, compare, judge."""
    bundle = services.load_bundle_by_id(Settings.from_environment().default_model)
    table = bundle.validation
    patient = pd.factorize(table["patient_id"])[0]
    validation = ValidationSet(patient, table["ht"].to_numpy(bool), table["probability"].to_numpy(np.float64))
    threshold = bundle.calibration.threshold
    own = seconds(lambda: ours(validation, threshold))
    loop = seconds(lambda: looped(validation, threshold, LOOPED)) * RESAMPLES / LOOPED
    print(f"{RESAMPLES} resamples of {validation.n_patients} patients with {validation.n_scans} scans")
    print(f"here {own:.2f} s; a loop over scikit-learn {loop:.1f} s, of {LOOPED} resamples timed")
    judge("intervals of five figures", own, 1.0, unit="s")
    judge("times faster than the loop", loop / own, 20.0, at_least=True)
    here, there = ours(validation, threshold), looped(validation, threshold, RESAMPLES)
    apart = max(abs(a - b) for name in FIGURES for a, b in zip(here[name], there[name], strict=True))
    judge("ends of intervals, apart from the loop's", apart, MONTE_CARLO)
    rng = np.random.default_rng(0)
    spent = []
    for size in SIZES:
        labels = rng.random(size) < 0.5
        scores = rng.normal(labels.astype(np.float64))
        spent.append(seconds(lambda labels=labels, scores=scores: delong_interval(labels, scores)))  # type: ignore[misc]
        print(f"DeLong's interval of {size:9,d} scans: {spent[-1]:8.4f} s")
    judge("DeLong's interval of 100,000 scans", spent[SIZES.index(100_000)], 1.0, unit="s")
    slope = float(np.polyfit(np.log(SIZES[1:]), np.log(spent[1:]), 1)[0])
    judge("its growth with the scans, exponent", slope, 1.2)


if __name__ == "__main__":
    main()
