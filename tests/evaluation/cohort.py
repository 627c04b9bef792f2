"""Made-up predictions for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit


def frame(n_patients: int = 60, seed: int = 0) -> pd.DataFrame:
    """Patients whose outcome follows a known risk; every third has a second scan."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(size=n_patients) * 1.5
    outcome = rng.random(n_patients) < expit(log_odds)
    patient = np.concatenate((np.arange(n_patients), np.arange(0, n_patients, 3)))
    noisy = log_odds[patient] + rng.normal(size=patient.size) * 0.5
    return pd.DataFrame(
        {
            "patient_id": [f"P{k:04d}" for k in patient],
            "scan_id": [f"S{k:04d}" for k in range(patient.size)],
            "part": "validation",
            "ht": outcome[patient].astype(int),
            "logit": noisy,
            "probability": expit(noisy),
            "p_ht": expit(log_odds)[patient],
            "p_ht_image": expit(0.8 * log_odds)[patient],
            "lesion_volume_ml": np.exp(rng.normal(3.5, 1, n_patients))[patient],
            "age": rng.uniform(40, 90, n_patients)[patient],
            "sex": np.where(rng.random(n_patients) < 0.5, "F", "M")[patient],
            "thickness_mm": np.where(rng.random(patient.size) < 0.5, 5.0, 1.25),
        }
    )
