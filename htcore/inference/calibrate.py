"""From a logit to a probability that means what it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from htcore.bundle import Calibration
from htcore.errors import TrainingError, UsageError
from htcore.types import Limits, RiskEstimate

RESAMPLES = 200
INTERVAL_METHOD = (
    "95% interval of the calibration curve, {n} resamples of calibration patients; "
    "does not cover the network's own uncertainty"
)
_END_SHARE, _END_PATIENTS = 0.1, 20
"""The end of the curve is what this share of the calibration patients hold, or so many where they are few."""
_RIDGE = 1e-3  # keeps the slope finite where few calibration patients are perfectly ranked

Array = NDArray[np.float64]


def fit_platt(logits: Array, labels: Array, weights: Array | None = None) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of outcome on logit (Platt 1999, without his label smoothing).

    ``weights`` counts each scan. The slope is not negative: a calibration never turns a ranking round.
    """
    weights = np.ones_like(logits) if weights is None else weights
    total = float(weights.sum())

    def loss(parameters: Array) -> tuple[float, Array]:
        score = parameters[0] * logits + parameters[1]
        value = float((weights * (np.logaddexp(0.0, score) - labels * score)).sum() / total)
        residual = weights * (expit(score) - labels) / total
        ridge = _RIDGE * (parameters[0] - 1.0)
        gradient = np.array([float(residual @ logits) + ridge, float(residual.sum())])
        return value + 0.5 * ridge * (parameters[0] - 1.0), gradient

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, 50.0), (-50.0, 50.0)])
    return float(found.x[0]), float(found.x[1])


def fit_calibration(
    logits: Array,
    labels: Array,
    patients: list[str],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    risks: Array | None = None,
) -> Calibration:
    """Fit on scans of patients that neither trained nor chose the model.

    Patients, not scans, are resampled: a patient's scans are alike. Resamples with one outcome only are drawn again.
    ``risks``, which a simulator knows, are fitted instead of the outcomes drawn from them: it spares the curve the
    draw's noise. The threshold rests on outcomes all the same.

    Raises
    ------
    TrainingError
        If only one outcome occurs.
    """
    labels = np.asarray(labels, dtype=np.float64)
    if not 0 < labels.mean() < 1:
        raise TrainingError("Calibration needs patients with and without HT: enlarge the calibration part.")
    names, index = np.unique(np.asarray(patients), return_inverse=True)
    targets = labels if risks is None else risks
    slope, intercept = fit_platt(logits, targets)
    pairs: list[tuple[float, float]] = []
    while len(pairs) < resamples:
        counts = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        weights = counts[index].astype(np.float64)
        share = float((weights * labels).sum() / max(weights.sum(), 1.0))
        if 0 < share < 1:
            pairs.append(fit_platt(logits, targets, weights))
    probability = expit(slope * logits + intercept)
    threshold = youden_threshold(np.asarray(probability), labels)
    return Calibration(
        slope, intercept, tuple(pairs), threshold, float(targets.mean()), n_patients=len(names), n_scans=len(labels)
    )


def youden_threshold(probability: Array, labels: Array) -> float:
    """Threshold of the largest sensitivity + specificity − 1, halfway to the next lower value; lowest wins a tie."""
    values = np.unique(probability)
    positive = np.asarray(labels) == 1
    above = probability[None, :] >= values[:, None]
    sensitivity = (above & positive).sum(axis=1) / max(int(positive.sum()), 1)
    specificity = (~above & ~positive).sum(axis=1) / max(int((~positive).sum()), 1)
    best = int(np.argmax(sensitivity + specificity))
    return float(values[best] if best == 0 else (values[best] + values[best - 1]) / 2)


def shift_prevalence(probability: float, before: float, after: float) -> float:
    """Probability in a population of another prevalence, likelihood ratio unchanged (Saerens et al. 2002, eq. 2.4)."""
    if not 0 < after < 1:
        raise UsageError("The prevalence must lie between 0 and 1, both excluded.")
    if after == before:
        return probability
    return float(expit(logit(probability) - logit(before) + logit(after)))


def supported(calibration: Calibration) -> Limits:
    """The lowest and the highest risk that the calibration patients can tell from 0 and from 1.

    A fitted curve goes on where no patient is left to confirm it. Had each of the tenth of the patients that score
    highest bled, a true risk as low as this would still not be excluded at 95% (Clopper & Pearson 1934; about 1 - 3/n,
    the rule of three). The lowest mirrors it.
    """
    highest = float(0.05 ** (1.0 / max(_END_SHARE * calibration.n_patients, _END_PATIENTS)))
    return 1.0 - highest, highest


def estimate_risk(calibration: Calibration, logit_value: float, prevalence: float | None = None) -> RiskEstimate:
    """Probability and interval at a network's logit; with ``prevalence``, in a population of that prevalence.

    The interval holds the 2.5th to 97.5th percentile of the resampled calibration curves, widened to the probability
    where the curves miss it. Threshold and limits move with the prevalence: they divide the same scans.
    """

    def moved(value: float) -> float:
        target = calibration.prevalence if prevalence is None else prevalence
        return shift_prevalence(value, calibration.prevalence, target)

    tiny = 1e-6
    point = float(np.clip(expit(calibration.slope * logit_value + calibration.intercept), tiny, 1 - tiny))
    pairs = np.asarray(calibration.resamples, dtype=np.float64).reshape(-1, 2)
    curves = np.clip(expit(pairs[:, 0] * logit_value + pairs[:, 1]), tiny, 1 - tiny)
    low, high = np.percentile(curves, [2.5, 97.5]) if len(curves) else (point, point)
    lowest, highest = supported(calibration)
    return RiskEstimate(
        probability=moved(point),
        interval=(moved(min(float(low), point)), moved(max(float(high), point))),
        interval_method=INTERVAL_METHOD.format(n=len(pairs)),
        threshold=moved(calibration.threshold),
        prevalence=calibration.prevalence if prevalence is None else prevalence,
        logit=logit_value,
        limits=(moved(lowest), moved(highest)),
    )
