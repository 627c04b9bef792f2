"""The model page: what it is, what it was made from, what it must not be used for, and what is known of it.

Every figure comes from a file of the bundle.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import streamlit as st

from htcore.bundle import Bundle
from htcore.errors import BundleError
from htcore.plots import FlowRow, flow
from htcore.ui.notice import notice_for
from htcore.ui.words import plain

EXPLANATION, EFFICIENCY, ABLATIONS = "explanation.json", "data_efficiency.csv", "ablations.csv"
ROBUSTNESS = "robustness.json"
_ROBUSTNESS = {
    "variation": "Variation",
    "n": "Scans",
    "unreadable": "Not read",
    "risk_median": "Risk, median",
    "risk_p90": "Risk, 90%",
    "risk_worst": "Risk, worst",
    "lesion_ml_median": "Infarct, median mL",
    "lesion_ml_p90": "Infarct, 90% mL",
    "sides_asked": "Sides asked",
    "wrong_sides": "Wrong sides",
}


def draw_identity(bundle: Bundle, card: dict[str, Any]) -> None:
    """What it does, in whose hands it must not be, and which weights these are."""
    identity = bundle.identity
    st.markdown(f"##### {plain(str(card['purpose']))}")
    st.caption(
        f"Model {plain(identity.id)} · weights {identity.weights_sha256} · trained on "
        f"{plain(identity.training_data)} · "
        + plain(notice_for(simulated=identity.simulated, training_data=identity.training_data))
    )
    if identity.simulated:
        st.warning(
            "Trained and measured on SIMULATED scans: nothing here says how it does on patients.",
            icon=":material/science:",
        )
    limits = "; ".join(plain(str(limit)) for limit in card["not_for"])
    st.error(f"**Not for:** {limits}. Research use only: not a medical device.", icon=":material/block:")


def draw_flow(card: dict[str, Any]) -> None:
    """Where every scan went, exclusions included."""
    st.subheader("From cohort to figures")
    rows = flow_rows(card)
    if rows is None:
        st.info("This model's card does not record how its cohort was divided.")
        return
    figure = flow(rows)
    st.plotly_chart(figure, key="model-flow", config={"displayModeBar": False}, alt=_flow_words(rows))
    st.caption(
        "Patients, not scans, are divided: no patient is in two parts. Scans that the quality gate refuses are left "
        "out before anything is learnt from them; the card counts them over all parts together."
    )


def flow_rows(card: dict[str, Any]) -> list[FlowRow] | None:
    """The card's counts as boxes, or ``None`` where it does not tell them."""
    training, measured = card["training"], card["measured"]
    members = training.get("members") or []
    if not members:
        return None
    folds = training.get("folds")
    first = members[0]
    if folds:
        # Every patient is held out by one network: the held-out parts are the cohort, the training parts overlap.
        used = sum(member["held_out_scans"] for member in members)
        split: tuple[str, ...] = (
            f"<b>Training, {len(members)} networks</b><br>each leaves out a part of<br>"
            f"{used} scans, {sum(member['held_out_patients'] for member in members)} patients",
        )
    else:
        parts = (("Training", "training"), ("Choice of epoch", "selection"), ("Calibration, threshold", "held_out"))
        used = sum(first[f"{key}_scans"] for _, key in parts)
        split = tuple(
            f"<b>{name}</b><br>{first[f'{key}_scans']} scans<br>{first[f'{key}_patients']} patients"
            for name, key in parts
            if first[f"{key}_scans"]
        )
    separate = measured["part"] == "validation"
    if separate:
        split += (
            f"<b>Validation</b><br>{measured['scans']} scans, {measured['scans_with_ht']} with HT<br>"
            f"{measured['patients']} patients",
        )
    gone = training.get("left_out")
    total = used + (measured["scans"] if separate else 0)
    lost = sum(entry["scans"] for entry in gone or [])
    excluded = "Left out: not recorded"
    if gone is not None:
        reasons = "".join(f"<br>{entry['scans']} × {str(entry['code']).replace('_', ' ')}" for entry in gone)
        excluded = f"<b>Left out: {lost} scans</b>{reasons}"
    return [
        FlowRow((f"<b>{total + lost} scans</b><br>given to training and validation",), excluded),
        FlowRow((f"<b>{total} scans</b><br>prepared and divided by patient",)),
        FlowRow(split),
    ]


def _flow_words(rows: list[FlowRow]) -> str:
    texts = (text for row in rows for text in (*row.boxes, row.excluded) if text)
    return "; ".join(text.replace("<br>", ", ").replace("<b>", "").replace("</b>", "") for text in texts)


def draw_training(bundle: Bundle, card: dict[str, Any]) -> None:
    """How it was trained and calibrated."""
    calibration = card["calibration"]
    st.subheader("Training and calibration")
    left, right = st.columns(2, gap="large")
    settings = {**card["training"].get("loop", {})}
    with left:
        st.write(
            f"{calibration['method']} on {calibration['scans']} scans of {calibration['patients']} patients, "
            f"{calibration['share_with_ht']:.1%} with HT; threshold {calibration['threshold']:.3f}. "
            "A displayed risk holds where about as many have HT."
        )
        if settings:
            rows = [{"Setting": name.replace("_", " "), "Value": _setting(value)} for name, value in settings.items()]
            with st.expander("Every setting of the training"):
                st.dataframe(rows, hide_index=True, width="stretch")
    with right:
        log = bundle.training_log
        names = [name for name in ("loss", "selection_loss") if name in log.columns and log[name].notna().any()]
        if "epoch" in log.columns and names:
            st.line_chart(log, x="epoch", y=names, height=220)


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {part}" for name, part in value.items())
    return "none" if value is None else str(value)


def draw_performance(card: dict[str, Any]) -> None:
    """The card's headline figures, and where the rest is."""
    st.subheader("How good it is")
    found = card["measured"]["evaluation"]
    if found is None:
        st.info("Too few patients were measured to say.")
        return
    rows = [
        {"Figure": label, "Value": _figure(found["metrics"].get(name))}
        for name, label in (
            ("auc", "AUC"),
            ("sensitivity", "Sensitivity at the model's own threshold"),
            ("specificity", "Specificity at the model's own threshold"),
            ("brier", "Brier score"),
            ("calibration_slope", "Calibration slope (1 is best)"),
            ("calibration_intercept", "Calibration intercept (0 is best)"),
        )
    ]
    if found["oracle"] and found["oracle"]["image_auc"] is not None:
        rows.append({"Figure": "Best possible AUC (simulator truth)", "Value": f"{found['oracle']['image_auc']:.3f}"})
    st.dataframe(rows, hide_index=True, width="stretch")
    st.caption("95% intervals, patients resampled; written into the card when the model was made.")
    st.page_link("pages/cohort.py", label="All figures, curves and cases", icon=":material/monitoring:")


def _figure(value: dict[str, float | None] | None) -> str:
    if value is None or value["value"] is None:
        return "not available"
    if value["low"] is None or value["high"] is None:
        return f"{value['value']:.3f}"
    return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def draw_extras(bundle: Bundle) -> None:
    """Checks of the explanation, data efficiency and ablations, each where the bundle holds its file."""
    explanation = _json(bundle, EXPLANATION)
    st.subheader("Do the maps show what the model uses?")
    if explanation is None:
        st.info(f"This model came without checks of its maps ({plain(EXPLANATION)}): take no map as proof of a cause.")
    else:
        st.dataframe(_flat(explanation), hide_index=True, width="stretch")
        st.caption(f"From {plain(EXPLANATION)} of the model's folder.")
    robustness = _json(bundle, ROBUSTNESS)
    if robustness is not None:
        st.subheader("Does the risk stay when the same head is scanned another way?")
        st.dataframe(
            pd.DataFrame(robustness["variations"]).rename(columns=_ROBUSTNESS).round(3),
            hide_index=True,
            width="stretch",
        )
        st.caption("Changes of the risk as shares of 1. From robustness\\.json of the model's folder.")
    for name, title in ((EFFICIENCY, "What more scans would bring"), (ABLATIONS, "What each part of it is worth")):
        table = _csv(bundle, name)
        if table is not None:
            st.subheader(title)
            if name == EFFICIENCY and {"patients", "auc"} <= set(table.columns):
                st.line_chart(table, x="patients", y="auc", height=260)
            st.dataframe(table, hide_index=True, width="stretch")
            st.caption(f"From {plain(name)} of the model's folder.")


def _json(bundle: Bundle, name: str) -> dict[str, Any] | None:
    """The measurement's values, or ``None`` where there is none.

    Raises
    ------
    BundleError
        If it is there and cannot be read.
    """
    content = bundle.measurement(name)
    if content is None:
        return None
    try:
        values = json.loads(content)
    except ValueError as error:
        raise BundleError(f"The model's {name} cannot be read: make it again.", code="bundle_damaged") from error
    if not isinstance(values, dict):
        raise BundleError(f"The model's {name} holds no values: make it again.", code="bundle_damaged")
    return values


def _csv(bundle: Bundle, name: str) -> pd.DataFrame | None:
    """The measurement's table, or ``None`` where there is none; errors as `_json`."""
    content = bundle.measurement(name)
    if content is None:
        return None
    try:
        return pd.read_csv(io.BytesIO(content))
    except ValueError as error:
        raise BundleError(f"The model's {name} cannot be read: make it again.", code="bundle_damaged") from error


def _flat(values: dict[str, Any], before: str = "") -> list[dict[str, str]]:
    """One row a value; {value, low, high} in one, and what is nested under its path in words."""
    rows: list[dict[str, str]] = []
    for name, value in values.items():
        label = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, dict) and {"value", "low", "high"} <= set(value):
            rows.append({"Check": label, "Value": _figure(value)})
        elif isinstance(value, dict):
            rows += _flat(value, f"{label}: ")
        elif isinstance(value, list):
            rows.append({"Check": label, "Value": ", ".join(_number(part) for part in value)})
        else:
            rows.append({"Check": label, "Value": _number(value)})
    return rows


def _number(value: Any) -> str:
    if value is None:
        return "not available"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
