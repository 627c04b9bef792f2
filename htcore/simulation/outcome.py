"""Who bleeds: what the image shows, what the chart says, and P(hemorrhagic transformation).

Log odds ratios are those of ``EffectSizes``, published ones shrunk by a third because univariable and adjusted effects
are combined. Two gains then set how much can be known at all, both choices of this simulator and no clinical findings:

- ``image_gain``: with published effects alone the best possible discrimination from the image would be far under what
  plain-CT models report (AUC 0.84–0.92), so the image part is raised until the image-only oracle reaches 0.88–0.91.
- ``clinical_gain``: shrunk by a third, the chart would add 0.01 to that AUC, less than reports of combined models say;
  1.5 undoes the shrinking, so that the chart's odds ratios act as published, and the oracle that knows both reaches
  about 0.93. Nothing beyond the published sizes is put in.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from htcore.errors import UsageError

Array = NDArray[np.float64]

TERRITORIES = (
    "MCA trunk",
    "MCA superior division",
    "MCA inferior division",
    "lenticulostriate",
    "ACA",
    "PCA",
    "anterior choroidal",
    "cerebellar",
    "brainstem",
)
_TERRITORY_SHARE = (0.20, 0.20, 0.16, 0.13, 0.07, 0.11, 0.03, 0.07, 0.03)
_MEDIAN_ML = (70.0, 26.0, 24.0, 7.0, 15.0, 18.0, 3.0, 12.0, 2.5)
_LIMIT_ML = (230.0, 110.0, 100.0, 30.0, 60.0, 70.0, 8.0, 60.0, 7.0)
_CORTICAL = (0.55, 0.70, 0.70, 0.10, 0.75, 0.65, 0.05, 0.70, 0.0)
_ARTERY_SIGN = (0.55, 0.22, 0.16, 0.15, 0.05, 0.08, 0.0, 0.0, 0.05)
IMAGE_EFFECTS = ("volume_doubling", "depth_3hu", "cortical", "artery_sign", "leukoaraiosis", "mass_effect_mm")
CLINICAL_EFFECTS = (
    "age_10y",
    "nihss",
    "glucose",
    "atrial_fibrillation",
    "antiplatelet",
    "anticoagulant",
    "thrombolysis",
)
"""Names of the effects that act through the image, and through the chart."""
_SHRINK = 2.0 / 3.0
# What a head can hold: outside these a parameter is a mistake, not a patient.
_LIMITS = (
    ("volume_ml", 0.01, 1500.0),
    ("depth_hu", 0.0, 40.0),
    ("cortical_share", 0.0, 1.0),
    ("artery_sign", 0.0, 1.0),
    ("leukoaraiosis", 0.0, 1.0),
    ("atrophy", 0.0, 1.0),
    ("mass_effect_mm", 0.0, 30.0),
)


@dataclass(frozen=True)
class EffectSizes:
    """Odds ratios as published (see the sources beside each), before shrinking.

    ``volume_doubling``, ``depth_3hu``, ``cortical`` and ``mass_effect_mm`` have no published counterpart in this
    form: they stand for 'infarct volume 1.10 per 10 mL' (PMC3711260), 'early ischemic signs 3.49' (PMC7035114) and
    'ASPECTS 0.686 per point' (10.3389/fneur.2023.1079205), turned into what a scan shows.
    """

    volume_doubling: float = 1.55
    depth_3hu: float = 2.40
    cortical: float = 3.0
    artery_sign: float = 2.61  # 10.3389/fneur.2023.1079205
    leukoaraiosis: float = 1.89  # PMC4838243, for severe against none
    mass_effect_mm: float = 1.15
    age_10y: float = 1.50  # PMC3711260
    nihss: float = 1.10  # PMC6312075
    glucose: float = 1.13  # PMC8274233
    atrial_fibrillation: float = 2.94  # 10.3390/jcm11051162
    antiplatelet: float = 1.67  # PMC6312075
    anticoagulant: float = 2.47  # 10.3390/jcm11051162
    thrombolysis: float = 1.90  # 10.3390/jcm11051162, crude
    image_gain: float = 3.1
    clinical_gain: float = 1.5

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not 0.0 < value < np.inf:
                raise UsageError(f"Odds ratios and gains must be positive and finite, {f.name} is {value}.")


@dataclass(frozen=True, eq=False)
class ImageFactors:
    """What a perfect reader could see, one entry a patient; arrays of shape (n,).

    ``territory`` indexes ``TERRITORIES``; ``side`` is -1 for the patient's right, +1 for the left; ``leukoaraiosis``
    and ``atrophy`` run 0–1; ``mass_effect_mm`` is the shift of the midline.
    """

    territory: NDArray[np.int64]
    side: NDArray[np.int64]
    volume_ml: Array
    depth_hu: Array
    cortical_share: Array
    artery_sign: Array
    leukoaraiosis: Array
    atrophy: Array
    mass_effect_mm: Array

    def __post_init__(self) -> None:
        for name, low, high in _LIMITS:
            values = np.asarray(getattr(self, name))
            if not ((values >= low) & (values <= high)).all():
                raise UsageError(
                    f"{name} must lie between {low:g} and {high:g}: correct the parameters of the infarct."
                )

    def take(self, index: NDArray[np.int64]) -> ImageFactors:
        """The rows at ``index``, repeats allowed."""
        return ImageFactors(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True, eq=False)
class ClinicalFactors:
    """What the chart says, one entry a patient; arrays of shape (n,); yes/no as 1/0, sex 1 = female."""

    onset_to_ct_h: Array
    age: Array
    sex: Array
    nihss: Array
    glucose_mmol_l: Array
    atrial_fibrillation: Array
    thrombolysis: Array
    thrombectomy: Array
    antiplatelet: Array
    anticoagulant: Array
    systolic_bp_mmhg: Array


def draw_image_factors(rng: np.random.Generator, n: int) -> ImageFactors:
    """Draw what the scans of ``n`` patients show."""
    territory = rng.choice(len(TERRITORIES), size=n, p=_TERRITORY_SHARE)
    side = np.where(rng.random(n) < 0.5, -1, 1)
    median, limit = np.array(_MEDIAN_ML)[territory], np.array(_LIMIT_ML)[territory]
    volume = np.clip(median * np.exp(rng.normal(0, 0.8, n)), 0.5, limit)
    faint = rng.random(n) < 0.15
    depth = np.where(faint, rng.uniform(0.4, 2.4, n), np.clip(2.4 + rng.gamma(2.0, 2.0, n), 0, 14))
    cortical = np.clip(np.array(_CORTICAL)[territory] + rng.normal(0, 0.15, n), 0, 1)
    sign = (rng.random(n) < np.array(_ARTERY_SIGN)[territory]).astype(np.float64)
    atrophy = rng.beta(2, 2, n)
    leuko = np.clip(0.6 * atrophy + rng.normal(0, 0.25, n), 0, 1)
    shift = np.clip(0.012 * volume * depth / 4 * rng.lognormal(0, 0.3, n) - 0.6, 0, 9)
    return ImageFactors(territory, side, volume, depth, cortical, sign, leuko, atrophy, shift)


def draw_clinical_factors(rng: np.random.Generator, image: ImageFactors) -> ClinicalFactors:
    """Draw the chart given the image: hours follow depth, NIHSS follows volume and side, age follows atrophy."""
    n = image.volume_ml.size
    hours = np.clip(np.exp(np.log(0.9 * image.depth_hu + 0.8) + rng.normal(0, 0.45, n)), 0.5, 48)
    age = np.clip(46 + 28 * image.atrophy + 10 * image.leukoaraiosis + rng.normal(0, 10, n), 22, 98)
    nihss = 2.0 + 3.4 * np.log2(1 + image.volume_ml / 8) + 1.0 * (image.side > 0) + rng.normal(0, 5.0, n)
    glucose = np.clip(rng.lognormal(np.log(7.2), 0.33, n), 3.2, 28)
    af = _flag(rng, -1.6 + 0.045 * (age - 68) + 0.7 * image.artery_sign)
    lysis = _flag(rng, np.where(hours < 4.5, 0.2, -4.0))
    thrombectomy = _flag(rng, -3.0 + 2.6 * image.artery_sign)
    antiplatelet = _flag(rng, np.full(n, -0.9) + 0.02 * (age - 68))
    anticoagulant = _flag(rng, -3.4 + 2.2 * af)
    return ClinicalFactors(
        hours,
        np.round(age),
        (rng.random(n) < 0.42).astype(np.float64),
        np.clip(np.round(nihss), 0, 38),
        np.round(glucose, 1),
        af,
        lysis,
        thrombectomy,
        antiplatelet,
        anticoagulant,
        np.asarray(np.round(np.clip(rng.normal(152, 22, n), 90, 230)), dtype=np.float64),
    )


def _flag(rng: np.random.Generator, logit: Array) -> Array:
    return np.asarray(rng.random(logit.size) < expit(logit), dtype=np.float64)


def image_parts(image: ImageFactors, effects: EffectSizes) -> dict[str, Array]:
    """What each visible factor adds to the log odds, by the effect's name; arrays of shape (n,).

    What shows nothing (depth near 0) hides its volume too.
    """
    visible = np.clip(image.depth_hu / 3.0, 0, 1)
    values: dict[str, Array] = {
        "volume_doubling": np.log2(np.maximum(image.volume_ml, 0.5) / 20) * visible,
        "depth_3hu": (image.depth_hu - 6) / 3,
        "cortical": image.cortical_share - 0.5,
        "artery_sign": image.artery_sign,
        "leukoaraiosis": image.leukoaraiosis,
        "mass_effect_mm": image.mass_effect_mm,
    }
    return {name: log_effect(effects, name) * value for name, value in values.items()}


def clinical_parts(clinical: ClinicalFactors, effects: EffectSizes) -> dict[str, Array]:
    """What each entry of the chart adds to the log odds, by the effect's name; arrays of shape (n,).

    Sex, hours, pressure and thrombectomy carry no effect.
    """
    values: dict[str, Array] = {
        "age_10y": (clinical.age - 68) / 10,
        "nihss": clinical.nihss - 10,
        "glucose": clinical.glucose_mmol_l - 7.5,
        "atrial_fibrillation": clinical.atrial_fibrillation,
        "antiplatelet": clinical.antiplatelet,
        "anticoagulant": clinical.anticoagulant,
        "thrombolysis": clinical.thrombolysis,
    }
    return {name: log_effect(effects, name) * value for name, value in values.items()}


def log_effect(effects: EffectSizes, name: str) -> float:
    """The log odds ratio that acts: the published one shrunk, times the gain of the image or of the chart."""
    gain = effects.image_gain if name in IMAGE_EFFECTS else effects.clinical_gain
    return float(np.log(getattr(effects, name))) * _SHRINK * gain


def image_predictor(image: ImageFactors, effects: EffectSizes) -> Array:
    """The image's part of the log odds, shape (n,)."""
    return np.asarray(sum(image_parts(image, effects).values()))


def clinical_predictor(clinical: ClinicalFactors, effects: EffectSizes) -> Array:
    """The chart's part of the log odds, shape (n,)."""
    return np.asarray(sum(clinical_parts(clinical, effects).values()))


def p_given_image(
    rng: np.random.Generator, image: ImageFactors, effects: EffectSizes, intercept: float, draws: int = 400
) -> Array:
    """P(HT) given the image alone, shape (n,): the chart is averaged out over ``draws`` charts that fit the image."""
    n = image.volume_ml.size
    repeated = image.take(np.repeat(np.arange(n), draws))
    clinical = clinical_predictor(draw_clinical_factors(rng, repeated), effects).reshape(n, draws)
    seen = image_predictor(image, effects)[:, None]
    return np.asarray(expit(intercept + seen + clinical).mean(axis=1))


@lru_cache(maxsize=16)
def solve_intercept(prevalence: float, effects: EffectSizes) -> float:
    """The intercept at which a large cohort has ``prevalence`` events.

    Raises
    ------
    UsageError
        If ``prevalence`` is not strictly between 0 and 1.
    """
    if not 0.0 < prevalence < 1.0:
        raise UsageError("The prevalence must lie strictly between 0 and 1: for example 0.487.")
    rng = np.random.default_rng(474613)
    image = draw_image_factors(rng, 20_000)
    known = image_predictor(image, effects) + clinical_predictor(draw_clinical_factors(rng, image), effects)
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(middle + known).mean() < prevalence else (low, middle)
    return (low + high) / 2


def draw_grade(rng: np.random.Generator, volume_ml: float) -> str:
    """HT grade (ECASS) given that it happened; parenchymal haematoma is likelier in large infarcts."""
    haematoma = min(0.15 + 0.0025 * volume_ml, 0.6)
    shares = np.array([0.55 * (1 - haematoma), 0.45 * (1 - haematoma), 0.6 * haematoma, 0.4 * haematoma])
    return ("HI1", "HI2", "PH1", "PH2")[int(rng.choice(4, p=shares))]


def later_scan(rng: np.random.Generator, image: ImageFactors, hours: float) -> tuple[ImageFactors, float]:
    """The same patient (one row) scanned again before any bleeding: hours later, darker by up to 3 HU."""
    wait = float(rng.uniform(3, 20))
    darker = np.clip(image.depth_hu + rng.uniform(0.6, 1.4) * np.minimum(wait / 6, 2.0), 0, 15)
    return replace(image, depth_hu=darker), hours + wait
