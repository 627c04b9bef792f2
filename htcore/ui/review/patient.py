"""The scan beside others: the validation scans it resembles, and the patient's own clinical data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from htcore import services
from htcore.errors import UsageError
from htcore.types import Assessment, ClinicalRisk, Familiarity, Limits
from htcore.ui import session
from htcore.ui.charts import draw_chart
from htcore.ui.review.risk import at_chosen_prevalence, bundle_of
from htcore.ui.words import COVARIATES, covariate_name, joint_sentence, percent, plain

if TYPE_CHECKING:
    from htcore.bundle import Bundle

_STEPS = {"age": 1.0, "nihss": 1.0, "onset_to_ct_h": 0.5, "glucose_mmol_l": 0.1}
_YES_NO = {"yes": 1.0, "no": 0.0}


def draw_nearest(known: Familiarity, limits: Limits, *, simulated: bool) -> None:
    """Draw which validation scans look most like this one to the network, with their outcomes.

    ``limits`` are those of a risk at the prevalence of theirs.
    """
    scans = "simulated validation scans" if simulated else "validation scans"
    bled = sum(case.ht for case in known.nearest)
    with st.expander(f"The {len(known.nearest)} {scans} it resembles most: {bled} bled", icon=":material/group:"):
        rows = [
            {
                "Scan": case.scan_id,
                "Outcome": "bled" if case.ht else "did not bleed",
                "Its risk": percent(case.probability, limits),
            }
            for case in known.nearest
        ]
        st.dataframe(rows, hide_index=True, width="stretch")
        whose = f"the {scans}"
        if known.itself is not None:
            st.caption(
                f"This is {plain(known.itself)}, one of the {scans}: it and its patient's other scans are left out."
            )
            whose = f"the other patients' {scans}"
        st.caption(
            f"Nearest in the network's own features. This scan looks less usual to it than {known.less_usual_than} "
            f"{whose}."
        )


def joined(opened: Assessment) -> Assessment:
    """The study with the joint risk, where clinical data were entered for it and the model takes them."""
    bundle, known = bundle_of(opened), session.clinical()
    if bundle is None or bundle.clinical is None or not known:
        return opened
    try:
        return services.with_clinical(opened, bundle, known)
    except UsageError:
        return opened


def draw_clinical(opened: Assessment, bundle: Bundle) -> None:
    """Draw the form of clinical data, and the joint risk once something is known."""
    if bundle.clinical is None or opened.risk is None:
        return
    age = opened.receipt.age_years
    # Open where something is entered: coming from another page, nobody overlooks that there is a joint risk.
    with st.expander("Join it with clinical data", bool(session.clinical()), icon=":material/clinical_notes:"):
        for name in bundle.clinical["names"]:
            _draw_field(name)
        known = session.clinical()
        if not known:
            aged = "" if age is None else f" The files give the age as {age:.0f}: enter it if it is right."
            st.caption(
                f"Nothing is entered: what is left empty counts as average.{aged} It is forgotten with the study."
            )
            return
        try:
            services.with_clinical(opened, bundle, known)
        except UsageError as error:
            st.error(plain(str(error)), icon=":material/error:")
            return
        shown = at_chosen_prevalence(joined(opened))
        if shown.clinical is None or shown.risk is None:
            return
        st.write(joint_sentence(shown.clinical, shown.risk, simulated=bundle.identity.score_simulated))
        _draw_parts(shown.clinical)


def _draw_field(name: str) -> None:
    """One covariate; what was entered is kept with the study."""
    label, unit = COVARIATES[name]
    key = f"clinical-{name}-{session.upload_generation()}"
    kept = session.clinical().get(name)
    if not unit:
        words = {value: word for word, value in _YES_NO.items()}
        if key not in st.session_state:
            st.session_state[key] = None if kept is None else words[kept]
        st.segmented_control(label, list(_YES_NO), key=key, on_change=_keep, args=(name, key))
        return
    from htcore.inference.clinical import RANGES

    low, high = RANGES[name]
    step = _STEPS[name]
    if key not in st.session_state:
        st.session_state[key] = kept
    st.number_input(
        f"{label}, {unit} ({low:g} to {high:g})",
        low,
        high,
        None,
        step,
        format="%.0f" if step == 1 else "%.1f",
        key=key,
        placeholder="unknown",
        on_change=_keep,
        args=(name, key),
    )


def _keep(name: str, key: str) -> None:
    value = st.session_state[key]
    session.enter_clinical(name, _YES_NO[value] if isinstance(value, str) else value)


def _draw_parts(joint: ClinicalRisk) -> None:
    from htcore.plots.waterfall import waterfall

    steps = [(covariate_name(part), part.contribution) for part in joint.parts]
    draw_chart(waterfall(steps, "against the average"), "clinical")
