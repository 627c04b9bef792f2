"""A risk in words, for the person who reads it aloud."""

from __future__ import annotations

import re

from htcore.types import SURE, Assessment, Finding, LesionMeasure, RiskEstimate, Volume

# Everything Markdown gives a meaning; texts out of a file must not become links or pictures.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")

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


def percent(probability: float) -> str:
    """A probability as a whole percentage, without claiming certainty at the ends."""
    if probability < 1 - SURE:
        return "under 1%"
    if probability > SURE:
        return "over 99%"
    return f"{100 * probability:.0f}%"


def _whole(probability: float) -> int:
    """Of a hundred, but never none or all: no calibration set is large enough to say so."""
    return min(99, max(1, round(100 * probability)))


def _of_hundred(probability: float) -> str:
    if probability < 1 - SURE:
        return "fewer than 1"
    return "more than 99" if probability > SURE else f"about {_whole(probability)}"


def risk_sentence(risk: RiskEstimate, *, simulated: bool) -> str:
    """The risk, its interval and its side of the threshold, in one sentence."""
    low, high = risk.interval
    interval = f"{_whole(low)} to {_whole(high)}" if _whole(low) != _whole(high) else _of_hundred(risk.probability)
    side = "above" if risk.probability >= risk.threshold else "below"
    among = "simulated scans" if simulated else "scans"
    return (
        f"Of 100 {among} that score like this one, {_of_hundred(risk.probability)} go on to bleed "
        f"(interval {interval}). That is {side} the threshold of {percent(risk.threshold)}; "
        f"among all {among} that it was calibrated on it is {round(100 * risk.prevalence)} of 100."
    )


def finding_sentence(finding: Finding, volume: Volume) -> str:
    """A quality finding, and on which slice to look where it has a place."""
    if finding.place_mm is None:
        return finding.message
    return f"{finding.message} Look at slice {volume.nearest_slice(finding.place_mm) + 1} of {volume.shape[0]}."


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
