"""The image's score joined with what is known of the patient at the bedside: a small logistic regression.

Linear in standardised covariates, so that each one's share of the log-odds is its exact Shapley value against the
average patient (Lundberg & Lee 2017, independent features): coefficient times distance from the mean. What is not known
counts as average and adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from htcore.errors import UsageError
from htcore.types import SURE, ClinicalRisk, CovariateContribution

RANGES = {
    "age": (18.0, 110.0),
    "nihss": (0.0, 42.0),
    "onset_to_ct_h": (0.0, 48.0),
    "glucose_mmol_l": (1.0, 60.0),
    "atrial_fibrillation": (0.0, 1.0),
}
"""What may be given, in years, points, hours, mmol/L and 0 or 1; treatment is decided after the scan and left out."""

_RIDGE = 1.0
_EVENTS_A_COVARIATE = 10  # Peduzzi et al., J Clin Epidemiol 1996
_IMAGE = "image"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClinicalModel:
    """Log-odds = intercept + image · (logit - its mean) + Σ coefficient · (value - mean) / sd.

    Attributes
    ----------
    names, means, sds, coefficients : one entry a covariate
    image : float
        Coefficient of the network's logit, not standardised.
    n_patients, n_events : int
        What it was fitted on, one scan a patient.
    """

    names: tuple[str, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    coefficients: tuple[float, ...]
    image: float
    image_mean: float
    intercept: float
    n_patients: int
    n_events: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ClinicalModel:
        """The inverse of `to_json`."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)

    def risk(self, logit: float, known: Mapping[str, float]) -> ClinicalRisk:
        """The joint risk and each part's share of its log-odds; covariates that are not given add nothing.

        Raises
        ------
        UsageError
            If a covariate is unknown to the model or its value impossible.
        """
        check_covariates(known)
        strangers = sorted(set(known) - set(self.names))
        if strangers:
            raise UsageError(f"This model was fitted without {', '.join(strangers)}: leave it out.")
        parts = [CovariateContribution(_IMAGE, logit, self.image * (logit - self.image_mean))]
        for name, mean, sd, coefficient in zip(self.names, self.means, self.sds, self.coefficients, strict=True):
            if name in known:
                value = float(known[name])
                parts.append(CovariateContribution(name, value, coefficient * (value - mean) / sd))
        total = self.intercept + sum(part.contribution for part in parts)
        return ClinicalRisk(float(np.clip(expit(total), 1 - SURE, SURE)), float(expit(self.intercept)), tuple(parts))

    def probabilities(self, table: pd.DataFrame) -> Array:
        """The joint risk of each row of a table as `fit_clinical` takes it; (rows,)."""
        total = self.intercept + self.image * (table["logit"].to_numpy(np.float64) - self.image_mean)
        for name, mean, sd, coefficient in zip(self.names, self.means, self.sds, self.coefficients, strict=True):
            values = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64) if name in table else np.nan
            total = total + np.nan_to_num(coefficient * (values - mean) / sd)
        return np.asarray(expit(total), dtype=np.float64)


def check_covariates(known: Mapping[str, float]) -> None:
    """Raise where a name or value cannot be.

    Raises
    ------
    UsageError
        Naming the covariate and its range, never the value.
    """
    for name, value in known.items():
        if name not in RANGES:
            raise UsageError(f"A covariate is not known: give any of {', '.join(RANGES)}.")
        low, high = RANGES[name]
        if not low <= value <= high:
            raise UsageError(f"{name} must lie between {low:g} and {high:g}: correct it or leave it out.")


def fit_clinical(table: pd.DataFrame) -> ClinicalModel | None:
    """Fit on scans that did not train the network; ``None`` with fewer than ten events a covariate.

    Each patient counts once, by the first scan: further scans of the same patients are no further events.

    Parameters
    ----------
    table : patient_id, ht, logit, and those of ``RANGES`` that were noted; unknown cells NaN or absent.
    """
    table = table.drop_duplicates("patient_id")
    labels = table["ht"].to_numpy(np.float64)
    logits = table["logit"].to_numpy(np.float64)
    columns: dict[str, Array] = {}
    for name in RANGES:
        if name in table.columns:
            values = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
            if np.isfinite(values).mean() > 0.5 and np.nanstd(values) > 0:
                columns[name] = values
    rarer = int(min(labels.sum(), len(labels) - labels.sum()))
    if not columns or rarer < _EVENTS_A_COVARIATE * (len(columns) + 1):
        return None
    means = {name: float(np.nanmean(values)) for name, values in columns.items()}
    sds = {name: float(np.nanstd(values)) for name, values in columns.items()}
    standard = [np.nan_to_num((values - means[name]) / sds[name]) for name, values in columns.items()]
    image_mean = float(logits.mean())
    design = np.stack([np.ones_like(logits), logits - image_mean, *standard], axis=1)  # (scans, 2 + covariates)
    found = _fit(design, labels)
    return ClinicalModel(
        names=tuple(columns),
        means=tuple(means.values()),
        sds=tuple(sds.values()),
        coefficients=tuple(float(value) for value in found[2:]),
        image=float(found[1]),
        image_mean=image_mean,
        intercept=float(found[0]),
        n_patients=len(table),
        n_events=int(labels.sum()),
    )


def _fit(design: Array, labels: Array) -> Array:
    """Logistic regression with a light ridge on everything but the intercept."""
    penalised = np.ones(design.shape[1])
    penalised[0] = 0.0

    def loss(weights: Array) -> tuple[float, Array]:
        score = design @ weights
        value = float(np.logaddexp(0.0, score).sum() - labels @ score)
        gradient = design.T @ (expit(score) - labels)
        return value + 0.5 * _RIDGE * float(penalised @ weights**2), gradient + _RIDGE * penalised * weights

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B")
    return np.asarray(found.x, dtype=np.float64)
