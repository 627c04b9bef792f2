"""Single scans at a threshold: who was called rightly, who was missed, and which mistakes were the most confident."""

from __future__ import annotations

import numpy as np
import pandas as pd

KINDS = ("TP", "FP", "FN", "TN")
"""True and false positives, false and true negatives."""
_KNOWN = (
    "stored_row",
    "p_ht_image",
    "age",
    "sex",
    "onset_to_ct_h",
    "thickness_mm",
    "tilt_deg",
    "lesion_volume_ml",
    "predicted_lesion_ml",
    "lesion_side",
)


def case_table(predictions: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """One row a scan: its ids, ``kind`` of `KINDS`, ``ht``, ``probability``, and what else is known of it.

    Parameters
    ----------
    predictions
        As ``ValidationSet.from_frame`` takes them.
    threshold
        Probability in [0, 1] from which on a scan is called positive.
    """
    event = predictions["ht"].to_numpy(dtype=np.float64) == 1.0
    probability = predictions["probability"].to_numpy(dtype=np.float64)
    called = probability >= threshold
    kind = np.select([event & called, called, event], KINDS[:3], KINDS[3])
    known = [name for name in _KNOWN if name in predictions.columns]
    return pd.DataFrame(
        {
            "patient_id": predictions["patient_id"].astype(str),
            "scan_id": predictions["scan_id"].astype(str),
            "kind": kind,
            "ht": event,
            "probability": probability,
            **{name: predictions[name] for name in known},
        }
    ).reset_index(drop=True)


def confident_mistakes(cases: pd.DataFrame, n: int = 10) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ``n`` missed events of lowest risk and the ``n`` false alarms of highest, most confident first."""
    missed = cases[cases["kind"] == "FN"].sort_values(["probability", "scan_id"])
    false = cases[cases["kind"] == "FP"].sort_values(["probability", "scan_id"], ascending=[False, True])
    return missed.head(n), false.head(n)
