"""The scan beside others: the validation scans it resembles, and the patient's own clinical data."""

from __future__ import annotations

import streamlit as st

from htcore import services
from htcore.errors import UsageError
from htcore.types import Assessment, ClinicalRisk, CovariateContribution, Familiarity, Limits
from htcore.ui import session
from htcore.ui.charts import draw_chart
from htcore.ui.risk import bundle_of
from htcore.ui.words import percent, plain

_LABELS = {
    "age": ("Age, years", 1.0),
    "nihss": ("NIHSS, points", 1.0),
    "onset_to_ct_h": ("Onset to CT, hours", 0.5),
    "glucose_mmol_l": ("Glucose, mmol/L", 0.1),
    "atrial_fibrillation": ("Atrial fibrillation, 0 no, 1 yes", 1.0),
}
"""What each covariate is called, with its unit, and the step of its control."""


def draw_nearest(known: Familiarity, limits: Limits, *, simulated: bool) -> None:
    """Draw which validation scans look most like this one to the network, with their outcomes.

    ``limits`` are those of a risk at the model's own prevalence.
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
        st.caption(
            f"Nearest in the network's own features. This scan looks less usual to it than {known.farther_than:.0%} of "
            f"the {scans}."
        )


def draw_clinical(opened: Assessment) -> None:
    """Draw the form of clinical data, and the joint risk once something is known."""
    bundle = bundle_of(opened)
    if bundle is None or bundle.clinical is None or opened.risk is None:
        return
    from htcore.inference.clinical import RANGES

    with st.expander("Join it with clinical data", icon=":material/clinical_notes:"):
        study = opened.receipt.content_sha256[:8]
        known = {}
        for name in bundle.clinical["names"]:
            label, step = _LABELS[name]
            low, high = RANGES[name]
            value = st.number_input(label, low, high, None, step, key=f"clinical-{name}-{study}", placeholder="unknown")
            if value is not None:
                known[name] = float(value)
        if not known:
            st.caption("Nothing is entered: what is left empty counts as average. Nothing of it is kept.")
            return
        try:
            joint = services.with_clinical(opened, bundle, known).clinical
        except UsageError as error:
            st.error(plain(str(error)), icon=":material/error:")
            return
        if joint is not None:
            _draw_joint(joint, opened.risk.limits, bundle.calibration.prevalence, simulated=bundle.identity.simulated)


def _draw_joint(joint: ClinicalRisk, own: Limits, own_prevalence: float, *, simulated: bool) -> None:
    from htcore.inference.calibrate import shift_prevalence
    from htcore.plots.waterfall import waterfall

    share = session.prevalence() or own_prevalence
    values = (joint.probability, joint.base, *own)
    risk, base, lowest, highest = (shift_prevalence(value, own_prevalence, share) for value in values)
    patients = "simulated patients" if simulated else "patients"
    st.write(
        f"Image and clinical data together: **{percent(risk, (lowest, highest))}**, where an average patient with an "
        f"average scan has {percent(base)}. Fitted on {patients}; without an interval of its own."
    )
    draw_chart(waterfall([(_part_name(part), part.contribution) for part in joint.parts]), "clinical")


def _part_name(part: CovariateContribution) -> str:
    if part.name == "image":
        return "the scan"
    return f"{_LABELS[part.name][0].split(',')[0].lower().replace('nihss', 'NIHSS')} {part.value:g}"
