"""The risk of the open study: dial, sentence, prevalence, and what the validation set says about such a scan."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import streamlit as st

from htcore import services
from htcore.errors import HtcoreError
from htcore.evaluation import Bootstrap, ValidationSet, are_simulated, operating_point, part_of
from htcore.plots import gauge
from htcore.types import Assessment, Evidence, ModelIdentity, RiskEstimate
from htcore.ui import session
from htcore.ui.charts import draw_chart
from htcore.ui.notice import notice_for
from htcore.ui.words import (
    is_familiar,
    peers_sentence,
    plain,
    risk_sentence,
    simulated_warning,
    timing_sentence,
    values_sentence,
)

if TYPE_CHECKING:
    from htcore.bundle import Bundle
    from htcore.evaluation import OperatingPoint

UNSELECTED = 0.27
"""Share with hemorrhagic transformation in an unselected cohort (doi 10.3390/jcm11051162)."""
LOWEST_PERCENT, HIGHEST_PERCENT = 1.0, 90.0
"""Beyond these the shifted risk says more of the prevalence than of the scan."""

_OWN = "my own"

BOUNDS = {
    "calibration": "The model was calibrated on these same scans: both sentences flatter it.",
    "out-of-fold": "Each of these scans was predicted by the one network that never saw its patient.",
}
"""What bounds both sentences, by the part that the stored patients had in the training."""


def at_chosen_prevalence(opened: Assessment) -> Assessment:
    """The study with its risk, and whatever is told beside it, as in the population that the user asked for."""
    share, bundle = session.prevalence(), bundle_of(opened)
    if share is None or bundle is None or opened.risk is None:
        return opened
    from htcore.inference import estimate_risk
    from htcore.inference.calibrate import shift_prevalence

    joint, known, own = opened.clinical, opened.familiarity, bundle.calibration.prevalence
    if joint is not None:
        # The shift adds the same to all log-odds: the parts stay.
        risk, base = (shift_prevalence(value, own, share) for value in (joint.probability, joint.base))
        joint = replace(joint, probability=risk, base=base)
    if known is not None:
        moved = (replace(case, probability=shift_prevalence(case.probability, own, share)) for case in known.nearest)
        known = replace(known, nearest=tuple(moved))
    estimate = estimate_risk(bundle.calibration, opened.risk.logit, share)
    return replace(opened, risk=estimate, clinical=joint, familiarity=known, evidence=_mirrored(opened, own, share))


def _mirrored(opened: Assessment, own: float, share: float) -> Evidence | None:
    """The evidence with each region's mirrored risk moved from the model's own prevalence to ``share``."""
    from htcore.inference.calibrate import shift_prevalence

    if opened.evidence is None:
        return None
    regions = tuple(
        region
        if region.probability_if_mirrored is None
        else replace(region, probability_if_mirrored=shift_prevalence(region.probability_if_mirrored, own, share))
        for region in opened.evidence.regions
    )
    return replace(opened.evidence, regions=regions)


def bundle_of(opened: Assessment) -> Bundle | None:
    """The bundle that scored the study, whichever the session uses by now, if it is still there and undamaged."""
    if opened.model is None:
        return None
    try:
        bundle = session.bundle_named(opened.model.id)
    except HtcoreError:
        return None
    return bundle if bundle.identity.weights_sha256 == opened.model.weights_sha256 else None


def draw_dial(opened: Assessment, risk: RiskEstimate, model: ModelIdentity) -> None:
    """Draw what must be seen at first: the warning, the dial, the sentence."""
    st.subheader("Risk of hemorrhagic transformation")
    warning = simulated_warning(model)
    if warning is not None and not opened.receipt.simulated:
        st.warning(warning, icon=":material/warning:")
    draw_chart(gauge(risk, risk.prevalence), "gauge")
    st.write(risk_sentence(risk, simulated=model.score_simulated, familiar=is_familiar(opened.quality)))
    notice = plain(notice_for(simulated=model.simulated, training_data=model.training_data))
    st.badge(notice, icon=":material/science:", color="orange")


def draw_prevalence(bundle: Bundle) -> None:
    """Draw the control of the population that the risk is given for; every page follows it."""
    own, chosen = bundle.calibration.prevalence, session.prevalence()
    names = {"model": f"model's own, {own:.0%}", "unselected": f"unselected patients, {UNSELECTED:.0%}", "own": _OWN}
    now = "model" if chosen is None else "unselected" if chosen == UNSELECTED else "own"
    if st.session_state.get("prevalence-kind") is None:
        st.session_state["prevalence-kind"] = now
    st.segmented_control(
        "How many of your patients bleed (prevalence)",
        list(names),
        format_func=lambda kind: names[kind],
        key="prevalence-kind",
        help=f"Of an unselected cohort {UNSELECTED:.0%} bled (doi 10.3390/jcm11051162); the model's own is the share "
        "among the scans that calibrated it.",
        on_change=_take_prevalence,
        args=(own,),
    )
    if st.session_state["prevalence-kind"] == "own" and chosen is not None:
        percent = round(100 * chosen, 1)
        st.number_input(
            f"Per cent of your patients, {LOWEST_PERCENT:.0f} to {HIGHEST_PERCENT:.0f}",
            # The cohort page takes shares further out: one that was chosen there stands.
            min(LOWEST_PERCENT, percent),
            max(HIGHEST_PERCENT, percent),
            percent,
            1.0,
            format="%.1f",
            key="prevalence-percent",
            on_change=lambda: session.choose_prevalence(st.session_state["prevalence-percent"] / 100),
        )


def _take_prevalence(own: float) -> None:
    kind = st.session_state["prevalence-kind"]
    if kind == "own":
        share = session.prevalence() or own
        percent = min(HIGHEST_PERCENT, max(LOWEST_PERCENT, round(100 * share, 1)))
        session.choose_prevalence(percent / 100)
    elif kind is not None:
        session.choose_prevalence(UNSELECTED if kind == "unselected" else None)


@lru_cache(maxsize=8)
def _worth(bundle: Bundle, prevalence: float) -> OperatingPoint:
    """What a call is worth, as the cohort page measures it; a bundle never changes."""
    validation = ValidationSet.from_frame(services.validation_predictions(bundle)[0])
    return operating_point(Bootstrap(validation), bundle.calibration.threshold, prevalence)


def draw_peers(risk: RiskEstimate, bundle: Bundle) -> None:
    """Draw how validation scans like this one ended, what a call is worth, and where the scan lies among them."""
    from htcore.inference import estimate_risk
    from htcore.inference.peers import find_peers
    from htcore.plots.place import place_among

    calibration = bundle.calibration
    table, _ = services.validation_predictions(bundle)
    simulated = are_simulated(table)
    try:
        validation = ValidationSet.from_frame(table)
    except HtcoreError:
        st.caption("This model's validation set is too small to compare the scan with.")
        return
    own = estimate_risk(calibration, risk.logit)
    peers = find_peers(validation, own.probability, calibration.prevalence, risk.prevalence)
    point = _worth(bundle, risk.prevalence)
    weighed_to = None if risk.prevalence == calibration.prevalence else risk.prevalence
    st.write(peers_sentence(peers, risk.limits, simulated=simulated, weighed_to=weighed_to))
    st.write(values_sentence(point, simulated=simulated))
    if (bound := BOUNDS.get(part_of(table))) is not None:
        st.caption(bound)
    figure = place_among(validation, own.probability, calibration.threshold, simulated=simulated, limits=own.limits)
    draw_chart(figure, "place")
    if risk.prevalence != calibration.prevalence:
        st.caption(f"This chart is at the model's own prevalence, {calibration.prevalence:.0%}, as the scans were.")


def draw_source(opened: Assessment, risk: RiskEstimate, model: ModelIdentity) -> None:
    """Say how the interval was made, where it was computed and by which model."""
    st.caption(
        f"Interval: {plain(risk.interval_method)}. {timing_sentence(opened)} "
        f"Model {plain(model.id)}, weights {model.weights_sha256[:12]}."
    )
