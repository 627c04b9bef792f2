"""Why the open study scored as it did: the lesion, and each region's part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from htcore.types import Assessment, as_shown
from htcore.ui.charts import draw_chart
from htcore.ui.review.risk import at_chosen_prevalence, bundle_of
from htcore.ui.words import lesion_sentence, mirror_sentence, region_name

if TYPE_CHECKING:
    from htcore.bundle import Calibration

_MIRRORED = 3
_TELLING = 0.02
"""Of a probability: a smaller change is not told."""


def draw_reasons(opened: Assessment) -> None:
    """Draw the lesion's measure and, where regions are known, their waterfall and what mirroring them would do."""
    if opened.evidence is None:
        return
    st.subheader("Why")
    st.write(lesion_sentence(opened.evidence.lesion))
    if not opened.evidence.regions:
        return
    from htcore.plots.waterfall import waterfall

    figure = waterfall([(region_name(region), region.contribution) for region in opened.evidence.regions])
    draw_chart(figure, "regions")
    bundle = bundle_of(opened)
    slope = 1.0 if bundle is None else bundle.calibration.slope
    doubles = math.log(2) / slope
    st.caption(
        "What each region's difference from its mirror image adds to the network's log-odds, on average over which of "
        f"the others take part: +{doubles:.1f} doubles the odds of bleeding, −{doubles:.1f} halves them. What both "
        "sides share is not in it, so the bars do not add up to the risk. Left and right are the patient's; M1 to M6 "
        "are the cortical fields of the middle cerebral artery (ASPECTS)."
    )
    if bundle is None:
        return
    for sentence in mirror_sentences(opened, bundle.calibration):
        st.write(sentence)


def mirror_sentences(opened: Assessment, calibration: Calibration) -> list[str]:
    """The risk did a whole side look like the other, and did each of the three regions that say most, where it shows.

    All at the shown prevalence. Where there are several, a last sentence says that they do not add up: a region alone
    may do more than its whole side.
    """
    from htcore.inference.calibrate import shift_prevalence

    shown = at_chosen_prevalence(opened)
    if opened.risk is None or shown.risk is None or shown.evidence is None:
        return []
    before, risk = opened.risk.prevalence, shown.risk
    regions = shown.evidence.regions
    mirrored: list[tuple[str, float]] = []
    for side in ("left", "right"):
        whole = sum(region.contribution for region in regions if region.side == side)
        own = float(calibration.probability(np.array(risk.logit - whole)))
        mirrored.append((f"whole {side} side", shift_prevalence(own, before, risk.prevalence)))
    for region in sorted(regions, key=lambda region: -abs(region.contribution))[:_MIRRORED]:
        if region.probability_if_mirrored is not None:
            mirrored.append((region_name(region), region.probability_if_mirrored))
    now, _ = as_shown(risk.probability, risk.limits)
    told = [
        mirror_sentence(what, risk, value)
        for what, value in mirrored
        if abs(as_shown(value, risk.limits)[0] - now) >= _TELLING
    ]
    if not told:
        return [
            "No part of the brain changes the risk by two percentage points or more when it takes its mirror image's "
            "look."
        ]
    return told if len(told) == 1 else [*told, "The parts work together: what each does alone does not add up."]
