"""Why the open study scored as it did: the lesion, and each region's part."""

from __future__ import annotations

import streamlit as st

from htcore.types import Assessment
from htcore.ui.charts import draw_chart
from htcore.ui.risk import at_chosen_prevalence
from htcore.ui.words import lesion_sentence, mirror_sentence, region_name

_MIRRORED = 3


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
    st.caption(
        "Evidence for bleeding in log-odds: +0.7 doubles the odds, −0.7 halves them. Left and right are the patient's."
    )
    for sentence in mirror_sentences(opened):
        st.write(sentence)


def mirror_sentences(opened: Assessment) -> list[str]:
    """For the three regions that say most: the risk did each look like its mirror image, at the shown prevalence."""
    from htcore.inference.calibrate import shift_prevalence

    shown = at_chosen_prevalence(opened)
    if opened.risk is None or opened.evidence is None or shown.risk is None:
        return []
    before, after = opened.risk.prevalence, shown.risk.prevalence
    ranked = sorted(opened.evidence.regions, key=lambda region: -abs(region.contribution))
    return [
        mirror_sentence(region, shown.risk, shift_prevalence(region.probability_if_mirrored, before, after))
        for region in ranked[:_MIRRORED]
        if region.probability_if_mirrored is not None
    ]
