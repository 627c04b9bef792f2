"""A risk in words, for the person who reads it aloud."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from htcore.types import (
    SURE,
    Assessment,
    Finding,
    LesionMeasure,
    Limits,
    RegionContribution,
    RiskEstimate,
    Volume,
    as_shown,
)

if TYPE_CHECKING:
    from htcore.evaluation import Interval
    from htcore.inference.peers import Peers, PredictiveValues

# Everything Markdown gives a meaning; texts out of a file must not become links or pictures.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")

_PERCENT_BEYOND = {"": "", "<": "under ", ">": "over "}
_COUNT_BEYOND = {"": "", "<": "fewer than ", ">": "more than "}

NOT_AN_ESTIMATE = (
    "This model knows simulated scans only: on a real scan its number is a demonstration, not an estimate."
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


def risk_sentence(risk: RiskEstimate, *, simulated: bool) -> str:
    """The risk, its interval and its side of the threshold, in one sentence."""
    low, high = (_of_hundred(bound, risk.limits) for bound in risk.interval)
    interval = low if low == high else f"{low} to {high}"
    side = "above" if risk.probability >= risk.threshold else "below"
    among = "simulated scans" if simulated else "scans"
    return (
        f"Of 100 {among} that score like this one, {_about(risk.probability, risk.limits)} go on to bleed "
        f"(interval {interval}). That is {side} the threshold of {percent(risk.threshold)}; "
        f"where {round(100 * risk.prevalence)} of 100 bleed in all."
    )


def peers_sentence(peers: Peers, *, simulated: bool) -> str:
    """How the validation scans that score like this one ended, in natural frequencies."""
    scans = "simulated validation scans" if simulated else "validation scans"
    like = f"{scans} that scored like this one (risk {percent(peers.low)} to {percent(peers.high)})"
    if peers.share is None:
        return f"Only {peers.n_scans} {like}: too few to say how such scans ended."
    share = peers.share
    return (
        f"Of 100 {like}, {_about(share.value)} went on to bleed (95% interval {_of_hundred(share.low)} to "
        f"{_of_hundred(share.high)}; n = {peers.n_scans} scans of {peers.n_patients} patients, "
        f"{peers.n_events} with HT)."
    )


def values_sentence(values: PredictiveValues, *, simulated: bool) -> str:
    """What a call above or below the threshold is worth at the prevalence."""
    on = "simulated validation scans" if simulated else "validation scans"
    return (
        f"Where {percent(values.prevalence)} bleed: of those called above the threshold {_shown(values.ppv)} bleed "
        f"(PPV); of those called below, {_shown(values.npv)} do not (NPV). From sensitivity "
        f"{_shown(values.sensitivity)} and specificity {_shown(values.specificity)} on {on}."
    )


def _shown(interval: Interval) -> str:
    if not math.isfinite(interval.value):
        return "an unknown share"
    return f"{percent(interval.value)} ({percent(interval.low)} to {percent(interval.high)})"


def finding_sentence(finding: Finding, volume: Volume) -> str:
    """A quality finding, and on which slice to look where it has a place."""
    if finding.place_mm is None:
        return finding.message
    return f"{finding.message} Look at slice {volume.nearest_slice(finding.place_mm) + 1} of {volume.shape[0]}."


def region_name(region: RegionContribution) -> str:
    """A region as a neurologist calls it: "left insula", "left M5", "brainstem"."""
    name = region.name.replace("_", " ")
    return name if region.side == "midline" else f"{region.side} {name}"


def mirror_sentence(region: RegionContribution, risk: RiskEstimate, mirrored: float) -> str:
    """What the risk would be did the region look like its mirror image; both at one prevalence."""
    before, after = (percent(value, risk.limits) for value in (risk.probability, mirrored))
    return f"If the {region_name(region)} looked like its mirror image: {before} → {after}."


def lesion_sentence(lesion: LesionMeasure) -> str:
    """What the lesion head measured; side is the patient's."""
    if lesion.side is None or lesion.volume_ml <= 0:
        return "The model sees no acute infarct above its cut-off."
    where = "across the midline" if lesion.side == "midline" else f"on the patient's {lesion.side}"
    return f"The model sees {lesion.volume_ml:.0f} mL of acute infarct, {where}."


def timing_sentence(assessment: Assessment) -> str:
    """Where it was computed and how long it took."""
    total = assessment.timing_ms.get("total")
    took = "" if total is None else f" in {total / 1000:.1f} s"
    return f"Computed on {assessment.device}{took}."
