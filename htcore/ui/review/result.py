"""One assessment on the page: slices on the left, the risk and its reasons on the right."""

from __future__ import annotations

import streamlit as st

from htcore.evaluation import are_simulated
from htcore.types import Assessment, StudyReceipt
from htcore.ui import session
from htcore.ui.notice import RESEARCH_USE, notice_for
from htcore.ui.review.patient import draw_clinical, draw_nearest
from htcore.ui.review.progress import draw_progress
from htcore.ui.review.reasons import draw_reasons
from htcore.ui.review.risk import at_chosen_prevalence, bundle_of, draw_dial, draw_peers, draw_prevalence, draw_source
from htcore.ui.viewer import draw_viewer
from htcore.ui.words import finding_sentence, plain, volume_words

# One below the other on a tablet that is held upright, the risk first; Streamlit itself does so on a phone only.
_STYLE = """<style>
@media (max-width: 900px) {
  .st-key-result > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  .st-key-result > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] {
    min-width: 100%;
  }
  .st-key-result [data-testid="stColumn"]:last-child { order: -1; }
}
</style>"""

_ICONS = {"info": ":material/info:", "warn": ":material/warning:", "refuse": ":material/block:"}


def draw_result(opened: Assessment | None) -> None:
    """Draw everything known about the open study; more is drawn in the same places while more becomes known."""
    st.html(_STYLE)
    with st.container(key="result"):
        slices, reading = st.columns([3, 2], gap="large")
    under_way = session.job() is not None
    with slices:
        served = session.served_study()
        if served is not None:
            draw_viewer(served, key="viewer")
        if opened is not None:
            draw_reasons(opened)
    with reading:
        # One place for both: what stands below stays where it is.
        with st.container(key="study-head"):
            if under_way:
                draw_progress()
            else:
                st.button("Clear this study", icon=":material/close:", on_click=session.clear)
        if opened is None:
            return
        # One place for what has more parts at one time than at another: else whatever stands below would be another
        # element to the browser, and an expander that somebody opened would close.
        with st.container():
            draw_risk(opened)
            if under_way and opened.risk is not None:
                st.caption("The maps and the reasons follow.")
        shown = at_chosen_prevalence(opened)
        bundle = bundle_of(opened)
        if opened.risk is not None and shown.risk is not None and bundle is not None:
            with st.container():
                draw_prevalence(bundle)
                draw_peers(shown.risk, bundle)
            if shown.familiarity is not None:
                draw_nearest(shown.familiarity, shown.risk.limits, simulated=are_simulated(bundle.validation))
            draw_clinical(opened, bundle)
        if shown.risk is not None and shown.model is not None:
            draw_source(shown, shown.risk, shown.model)


def draw_whose(opened: Assessment) -> None:
    """Draw that the study is of no real patient, where its files say so."""
    if opened.receipt.simulated:
        st.badge("Simulated study: no real patient", icon=":material/science:", color="violet")


def draw_risk(opened: Assessment) -> None:
    """Draw what must be seen at first: whose scan it is, warnings, and the risk or why there is none."""
    draw_whose(opened)
    _draw_warnings(opened)
    shown = at_chosen_prevalence(opened)
    if shown.risk is not None and shown.model is not None:
        draw_dial(shown, shown.risk, shown.model)


def draw_receipt(opened: Assessment) -> None:
    """Draw which series was read, how, and every finding."""
    with st.expander("Receipt and quality", icon=":material/receipt_long:"):
        _draw_receipt(opened)


def _draw_warnings(opened: Assessment) -> None:
    if opened.quality.verdict == "refuse":
        st.error("This scan was not scored. No risk is shown.", icon=":material/block:")
    for finding in opened.quality.findings:
        if finding.severity == "refuse":
            st.error(plain(finding_sentence(finding, opened.volume)), icon=_ICONS["refuse"])
        elif finding.severity == "warn":
            st.warning(plain(finding_sentence(finding, opened.volume)), icon=_ICONS["warn"])


def _draw_receipt(opened: Assessment) -> None:
    receipt, volume = opened.receipt, opened.volume
    for finding in opened.quality.findings:
        st.markdown(f"{_ICONS[finding.severity]} {plain(finding_sentence(finding, volume))}")
    if not opened.quality.findings:
        st.write("Quality: nothing to remark.")
    st.write(
        f"{receipt.n_files} {'file' if receipt.n_files == 1 else 'files'} given, read as "
        f"{receipt.source_kind.upper()}; {volume_words(volume)}."
    )
    _draw_series(receipt)
    for left_out in receipt.left_out:
        st.markdown(f"Left out: {left_out.count} × {plain(left_out.reason)}")
    st.caption(f"Content SHA-256 {receipt.content_sha256[:16]}. {_notice(opened)}")


def _notice(opened: Assessment) -> str:
    model = opened.model
    if model is None:
        return RESEARCH_USE
    return plain(notice_for(simulated=model.simulated, training_data=model.training_data))


def _draw_series(receipt: StudyReceipt) -> None:
    rows = [
        {
            "Series": series.number,
            "Kind": series.modality,
            "Images": series.n_images,
            "Used": "yes" if series.chosen else "no",
            "Why": series.reason,
        }
        for series in receipt.series
    ]
    st.dataframe(rows, hide_index=True, width="stretch")
    known = {
        "Maker": receipt.manufacturer,
        "Kernel": receipt.kernel,
        "kVp": None if receipt.kvp is None else f"{receipt.kvp:.0f}",
        "Age": None if receipt.age_years is None else f"{receipt.age_years:.0f} years",
        "Sex": receipt.sex,
        "Contrast agent": receipt.contrast_agent,
    }
    st.write(" · ".join(f"{name}: {plain(value or 'not stated')}" for name, value in known.items()))
