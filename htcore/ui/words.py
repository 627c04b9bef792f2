"""A risk in words, for the person who reads it aloud."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from htcore.types import (
    SURE,
    Assessment,
    ClinicalRisk,
    CovariateContribution,
    Finding,
    LesionMeasure,
    Limits,
    ModelIdentity,
    QualityReport,
    RegionContribution,
    RiskEstimate,
    Volume,
    as_shown,
)

if TYPE_CHECKING:
    from htcore.evaluation import Interval, OperatingPoint
    from htcore.inference.peers import Peers

# Everything Markdown gives a meaning; texts out of a file must not become links or pictures.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")

_PERCENT_BEYOND = {"": "", "<": "under ", ">": "over "}
_COUNT_BEYOND = {"": "", "<": "fewer than ", ">": "more than "}

COVARIATES = {
    "age": ("Age", "years"),
    "nihss": ("NIHSS", "points"),
    "onset_to_ct_h": ("Onset to CT", "hours"),
    "glucose_mmol_l": ("Glucose", "mmol/L"),
    "atrial_fibrillation": ("Atrial fibrillation", ""),
}
"""What each covariate is called, and its unit; without one it is yes or no."""

LABEL_LETTERS = 60
"""What may be written on the report of whose it is: as much as fits beside the date."""

_REGIONS = {
    "C": "caudate nucleus",
    "L": "lentiform nucleus",
    "IC": "internal capsule",
    "I": "insula",
    "ACA": "ACA territory",
    "PCA": "PCA territory",
}
"""Regions whose letters of ASPECTS are no words; the others are called as they are."""

_NOT_AN_ESTIMATE = (
    "This model knows simulated scans only: on a real scan its number is a demonstration, not an estimate."
)
_SCORE_ALONE = (
    "This model's network knows simulated scans only; what its score means was fitted on scans of patients. The cohort "
    "page says how far that carries."
)

STAGES = {
    "reading": "Reading the files",
    "checking": "Checking whether the scan can be scored",
    "preparing": "Aligning the head",
    "network": "Estimating the risk",
    "explaining": "Finding the reasons",
}


def plain(text: str) -> str:
    """``text`` so that Markdown shows it letter for letter."""
    return _MARKDOWN.sub(r"\\\1", text)


def signed(value: float, digits: int) -> str:
    """A number with its sign, the minus as such; none at what rounds to 0."""
    size = f"{abs(value):.{digits}f}"
    if float(size) == 0:
        return size
    return f"{'−' if value < 0 else '+'}{size}"


def percent(probability: float, limits: Limits = (1 - SURE, SURE)) -> str:
    """A probability as a whole percentage, without claiming more at the ends than the limits allow."""
    value, beyond = as_shown(probability, limits)
    return f"{_PERCENT_BEYOND[beyond]}{100 * value:.0f}%"


def interval_percent(risk: RiskEstimate) -> str:
    """A risk's interval: "48% to 74%", "88% to over 95%", or "over 95%" where both ends lie beyond."""
    low, high = (percent(bound, risk.limits) for bound in risk.interval)
    return low if low == high else f"{low} to {high}"


def _of_hundred(probability: float, limits: Limits = (1 - SURE, SURE)) -> str:
    """Of a hundred, but never none or all: no calibration set is large enough to say so."""
    value, beyond = as_shown(probability, limits)
    return f"{_COUNT_BEYOND[beyond]}{100 * value:.0f}"


def _about(probability: float, limits: Limits = (1 - SURE, SURE)) -> str:
    words = _of_hundred(probability, limits)
    return f"about {words}" if words.isdigit() else words


def is_familiar(quality: QualityReport) -> bool:
    """Whether scans like this one were among those that the model was measured on, as far as anything says."""
    return all(finding.code != "unfamiliar" for finding in quality.findings)


def simulated_warning(model: ModelIdentity) -> str | None:
    """What to say of a real scan's risk by a model whose weights come from simulated scans; ``None`` by any other."""
    if not model.simulated:
        return None
    return _NOT_AN_ESTIMATE if model.score_simulated else _SCORE_ALONE


def risk_sentence(risk: RiskEstimate, *, simulated: bool, familiar: bool = True) -> str:
    """The risk, its interval and its side of the threshold, in one sentence.

    Of a scan that is not ``familiar`` the like were not measured: then it counts scans of its score.
    """
    low, high = (_of_hundred(bound, risk.limits) for bound in risk.interval)
    interval = low if low == high else f"{low} to {high}"
    side = "above" if risk.probability >= risk.threshold else "below"
    among = "simulated scans" if simulated else "scans"
    like = "like this one" if familiar else "with this score"
    bound = "" if familiar else ", for scans like those it was measured on"
    return (
        f"The model's estimate: of 100 {among} {like}, {_about(risk.probability, risk.limits)} go on to bleed "
        f"(interval {interval}{bound}). That is {side} its threshold of {percent(risk.threshold)}. "
        f"It holds where {round(100 * risk.prevalence)} of 100 bleed in all."
    )


def joint_sentence(joint: ClinicalRisk, risk: RiskEstimate, *, simulated: bool) -> str:
    """The risk from the scan and what is known of the patient, both at one prevalence, and on whom it was fitted."""
    moved = replace(risk, probability=joint.probability, interval=joint.interval(risk))
    known = ", ".join(covariate_name(part) for part in joint.parts if part.name != "image")
    return (
        f"Image and clinical data together: {percent(joint.probability, risk.limits)} (interval "
        f"{interval_percent(moved)}, the scan's own moved along; {known}). An average patient with an average scan has "
        f"{percent(joint.base)}. Fitted on {'simulated patients' if simulated else 'patients'}."
    )


def covariate_name(part: CovariateContribution) -> str:
    """A covariate with its value: "NIHSS 14 points", "atrial fibrillation"."""
    if part.name == "image":
        return "the scan"
    name, unit = COVARIATES[part.name]
    name = name if name.isupper() else name[0].lower() + name[1:]
    return f"{name} {part.value:g} {unit}" if unit else name if part.value else f"no {name}"


def peers_sentence(peers: Peers, limits: Limits, *, simulated: bool, weighed_to: float | None = None) -> str:
    """How the validation scans that score like this one ended, in natural frequencies.

    Their risks are told no further than ``limits``; ``weighed_to`` is the prevalence that their outcomes were weighed
    to, where it is not their own.
    """
    scans = "simulated validation scans" if simulated else "validation scans"
    low, high = percent(peers.low, limits), percent(peers.high, limits)
    like = f"{scans} that scored like this one (risk {low if low == high else f'{low} to {high}'})"
    if peers.share is None:
        return f"Only {peers.n_scans} {like}: too few to say how such scans ended."
    share = peers.share
    weighed = "" if weighed_to is None else f", weighed as where {percent(weighed_to)} bleed"
    return (
        f"What was observed: of 100 {like}, {_about(share.value)} went on to bleed (95% interval "
        f"{_of_hundred(share.low)} to {_of_hundred(share.high)}; n = {peers.n_scans} scans of {peers.n_patients} "
        f"patients, {peers.n_events} with HT{weighed})."
    )


def values_sentence(point: OperatingPoint, *, simulated: bool) -> str:
    """What a call above or below the threshold is worth at the prevalence."""
    on = "simulated validation scans" if simulated else "validation scans"
    ppv, npv, sensitivity, specificity = (
        _shown(point.figures[name]) for name in ("ppv", "npv", "sensitivity", "specificity")
    )
    return (
        f"Where {percent(point.prevalence)} bleed: of those called above the threshold {ppv} bleed (PPV); of those "
        f"called below, {npv} do not (NPV). From sensitivity {sensitivity} and specificity {specificity} on {on}."
    )


def _shown(interval: Interval) -> str:
    if not math.isfinite(interval.value):
        return "an unknown share"
    return f"{percent(interval.value)} ({percent(interval.low)} to {percent(interval.high)})"


def volume_words(volume: Volume) -> str:
    """How many slices of how many pixels, their sizes and tilt: "28 slices of 512 × 512 pixels, …"."""
    slices, rows, columns = volume.shape
    rows_mm, columns_mm = volume.pixel_spacing_mm
    thin_mm, thick_mm = (
        f"{round(float(value), 1):g}" for value in (volume.thickness_mm.min(), volume.thickness_mm.max())
    )
    thickness = thin_mm if thin_mm == thick_mm else f"{thin_mm} to {thick_mm}"
    return (
        f"{slices} slices of {columns} × {rows} pixels, {columns_mm:.2f} × {rows_mm:.2f} mm, {thickness} mm thick, "
        f"tilt {volume.tilt_deg:.1f}°"
    )


def finding_sentence(finding: Finding, volume: Volume) -> str:
    """A quality finding, and on which slice to look where it has a place."""
    if finding.place_mm is None:
        return finding.message
    return f"{finding.message} Look at slice {volume.nearest_slice(finding.place_mm) + 1} of {volume.shape[0]}."


def region_name(region: RegionContribution) -> str:
    """A region as a neurologist calls it: "left insula", "left M5", "brainstem"."""
    name = _REGIONS.get(region.name, region.name)
    return name if region.side == "midline" else f"{region.side} {name}"


def mirror_sentence(what: str, risk: RiskEstimate, mirrored: float) -> str:
    """What the risk would be did ``what`` look like its mirror image; both at one prevalence."""
    before, after = (percent(value, risk.limits) for value in (risk.probability, mirrored))
    return f"If the {what} looked like its mirror image: {before} → {after}."


def few_events_sentence(n_scans: int, n_events: int) -> str | None:
    """A warning where too few of the scans have one outcome; ``None`` where there are enough of both."""
    from htcore.evaluation import MIN_EVENTS

    fewest = min(n_events, n_scans - n_events)
    if fewest >= MIN_EVENTS:
        return None
    return (
        f"Only {fewest} scans {'with' if n_events == fewest else 'without'} hemorrhagic transformation: below "
        f"{MIN_EVENTS} the intervals are unsteady. Read no difference into these figures."
    )


def caveats(part: str | None, n_scans: int, n_events: int, *, started: bool = False) -> tuple[str, ...]:
    """What bounds a model's figures: its patients' ``part`` in the training, where that is known, and few events.

    ``started`` says that its weights were another model's first.
    """
    from htcore.training.card import CAVEATS, STARTED

    fewer = few_events_sentence(n_scans, n_events)
    return tuple(filter(None, (CAVEATS.get(part or ""), STARTED if started else None, fewer)))


def lesion_sentence(lesion: LesionMeasure) -> str:
    """What the lesion head measured; both of the patient's sides where the lesser has 1 mL or more."""
    if lesion.side is None or lesion.volume_ml <= 0:
        return "The model sees no acute infarct above its cut-off."
    where = "across the midline" if lesion.side == "midline" else f"on the patient's {lesion.side}"
    size = f"{lesion.volume_ml:.0f} mL" if lesion.volume_ml >= 1 else "less than 1 mL"
    if lesion.left_ml is not None and lesion.right_ml is not None and min(lesion.left_ml, lesion.right_ml) >= 1:
        more, less = ("left", "right") if lesion.left_ml >= lesion.right_ml else ("right", "left")
        small = round(min(lesion.left_ml, lesion.right_ml))
        # The greater part is what is left of the whole as told: the two add up.
        large = round(lesion.volume_ml) - small
        where = f"of which {large} mL on the patient's {more} and {small} mL on the {less}"
    return f"The model takes {size} for acute infarct, {where}."


def timing_sentence(assessment: Assessment) -> str:
    """Where it was computed and how long it took."""
    total = assessment.timing_ms.get("total")
    took = "" if total is None else f" in {total / 1000:.1f} s"
    return f"Computed on {assessment.device}{took}."
