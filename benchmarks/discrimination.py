"""The shipped model's figures on its stored validation patients against their targets.

``python -m benchmarks.discrimination [--model ID]``. The same figures, with intervals: ``python -m htcore evaluate``.
"""

from __future__ import annotations

import argparse
import io
import re

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.learning import OURS
from benchmarks.targets import judge
from htcore import services
from htcore.evaluation.delong import delong_difference
from htcore.inference.calibrate import fit_platt
from htcore.settings import Settings

REFERENCE = "reference"


def best_brier(logits: np.ndarray, outcomes: np.ndarray) -> float:
    """The Brier score after Platt's calibration fitted on these very scans: what this ranking allows."""
    slope, intercept = fit_platt(logits, outcomes)
    return float(((expit(slope * logits + intercept) - outcomes) ** 2).mean())


def main() -> None:
    """Judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=Settings.from_environment().default_model)
    bundle = services.load_bundle_by_id(parser.parse_args().model)
    found = services.evaluate_stored(bundle).evaluation
    print(f"{bundle.identity.id} {bundle.identity.weights_sha256[:12]}")
    print(f"{found.n_scans} scans of {found.n_patients} patients")
    slope, intercept = (found.metrics[f"calibration_{name}"].value for name in ("slope", "intercept"))
    if found.oracle is not None and found.oracle.image_auc is not None:
        share = found.oracle.model_auc / found.oracle.image_auc
        judge("AUC of the simulator's own given the image, first scans", share, 0.95, at_least=True)
    judge("calibration slope, lower bound", slope, 0.9, at_least=True)
    judge("calibration slope, upper bound", slope, 1.1)
    judge("calibration intercept, size", abs(intercept), 0.1)
    table = bundle.validation
    best = best_brier(table["logit"].to_numpy(np.float64), table["ht"].to_numpy(np.float64))
    judge("Brier score beside the best for this ranking", found.metrics["brier"].value / best, 1.1)
    content = bundle.measurement("baselines.csv")
    if content is not None:
        beside_others(table, pd.read_csv(io.BytesIO(content), index_col="scan_id"))


def beside_others(table: pd.DataFrame, others: pd.DataFrame) -> None:
    """Judge the model's ranking of first scans beside that of other models, as their logits stand in the bundle.

    Networks that learnt from N patients alone are judged against the model's kind of network that learnt from the same.
    """
    first = table[~table["patient_id"].duplicated()]
    labels, logits = first["ht"].to_numpy() == 1, others.loc[first["scan_id"]].astype(np.float64)
    shipped = first["logit"].to_numpy(np.float64)
    for name in others.columns:
        size = re.search(r", \d+ patients$", name)
        fair = f"{OURS.name}{size[0]}" if size else None
        if name == fair:
            continue
        ours = logits[fair].to_numpy() if fair in logits.columns else shipped
        against = delong_difference(labels, ours, logits[name].to_numpy())
        short = name.replace(", logistic regression", "").replace(" residual network", " net")
        if REFERENCE in name:
            judge(f"AUC above {short}", against.difference.value, 0, at_least=True)
        else:
            p_value = against.p_value if against.difference.value > 0 else 1.0
            judge(f"better than {short}, p", p_value, 0.01)


if __name__ == "__main__":
    main()
