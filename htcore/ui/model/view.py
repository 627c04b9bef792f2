"""The model page: what it is, what it was made from, what it must not be used for, and what is known of it.

Every figure comes from a file of the bundle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from htcore.bundle import Bundle
from htcore.errors import HtcoreError
from htcore.plots import FlowRow, flow
from htcore.plots.learning_curve import loss_curve
from htcore.training.card import CAVEATS, STARTED, Stage, history, provenance, stages
from htcore.ui.charts import draw_chart, sideways
from htcore.ui.figures import NONE, TOLD_APART, difference, draw_table, p_words, with_interval
from htcore.ui.model.learning import draw_ablations, draw_efficiency
from htcore.ui.model.maps import draw_maps
from htcore.ui.model.moves import draw_moves
from htcore.ui.notice import notice_for
from htcore.ui.words import caveats, plain


def draw_identity(bundle: Bundle, card: dict[str, Any]) -> None:
    """What it does, in whose hands it must not be, and which weights these are."""
    identity = bundle.identity
    below = " (below)" if len(stages(identity.id, identity.training_data)) > 1 else ""
    st.markdown(f"##### {plain(str(card['purpose']))}")
    st.caption(
        f"Model {plain(identity.id)} · weights {identity.weights_sha256} · "
        f"{plain(history(identity.training_data))}{below} · "
        + plain(notice_for(simulated=identity.simulated, training_data=identity.training_data))
    )
    warning = provenance(identity.simulated, card["measured"].get("simulated", card["simulated"]))
    if warning is not None:
        st.warning(warning.replace("simulated", "SIMULATED", 1), icon=":material/science:")
    limits = "; ".join(plain(str(limit)) for limit in card["not_for"])
    st.error(f"**Not for:** {limits}. Research use only: not a medical device.", icon=":material/block:")


def draw_flow(card: dict[str, Any]) -> None:
    """Where every scan went, exclusions included."""
    st.subheader("From cohort to figures")
    trained = stages_words(card)
    if trained:
        st.markdown(trained)
    rows = flow_rows(card)
    if rows is None:
        st.info("This model's card does not record how its cohort was divided.")
        return
    figure = flow(rows)
    with sideways("model-flow"):
        st.plotly_chart(figure, key="model-flow", config={"displayModeBar": False}, alt=_flow_words(rows))
    st.caption(
        "Patients, not scans, are divided: no patient is in two parts. Scans that the quality gate refuses are left "
        "out before anything is learnt from them; the card counts them over all parts together."
    )


def card_stages(card: dict[str, Any]) -> tuple[Stage, ...]:
    """The trainings that led to this model, the first one first."""
    return stages(str(card.get("id", "this model")), str(card.get("training_data", "")))


def stages_words(card: dict[str, Any]) -> str:
    """The trainings as a list and of which one the flow is, in Markdown; empty where there was but one."""
    trained = card_stages(card)
    start = card["training"].get("started_from")
    if len(trained) == 1:
        if start is None:
            return ""
        return (
            f"The last of several trainings: it started from the weights of {plain(str(start['id']))}. The flow is of "
            "the last alone."
        )
    lines = [f"{number}. {plain(stage.id)}: {plain(stage.data)}" for number, stage in enumerate(trained, start=1)]
    again = bool(card["training"].get("recalibrated"))
    count = len(trained) - again
    title = "1 training" if count == 1 else f"{count} trainings, each from the weights of the one before"
    title += ", then calibrated anew" if again else ""
    return (
        f"**{title}:**\n\n"
        + "\n".join(lines)
        + f"\n\nThe flow is of the last alone ({plain(trained[-1].id)}). Whether the trainings share patients the card "
        "does not say."
    )


def flow_rows(card: dict[str, Any]) -> list[FlowRow] | None:
    """The card's counts as boxes, or ``None`` where it does not tell them."""
    training, measured = card["training"], card["measured"]
    members = training.get("members") or []
    if not members and not training.get("recalibrated"):
        return None
    split: tuple[str, ...]
    if not members:
        fitted = card["calibration"]
        used = fitted["scans"]
        split = (f"<b>Calibration, threshold</b><br>{used} scans<br>{fitted['patients']} patients",)
    elif training.get("folds"):
        # Every patient is held out by one network: the held-out parts are the cohort, the training parts overlap.
        used = sum(member["held_out_scans"] for member in members)
        split = (
            f"<b>Training, {len(members)} networks</b><br>each leaves out a part of<br>"
            f"{used} scans, {sum(member['held_out_patients'] for member in members)} patients",
        )
    else:
        parts = (("Training", "training"), ("Choice of epoch", "selection"), ("Calibration, threshold", "held_out"))
        first = members[0]
        used = sum(first[f"{key}_scans"] for _, key in parts)
        split = tuple(
            f"<b>{name}</b><br>{first[f'{key}_scans']} scans<br>{first[f'{key}_patients']} patients"
            for name, key in parts
            if first[f"{key}_scans"]
        )
    separate = measured["part"] == "validation"
    others = " and validation" if separate else ""
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
        FlowRow(
            (f"<b>{total + lost} scans</b><br>given to {'training' if members else 'calibration'}{others}",), excluded
        ),
        FlowRow((f"<b>{total} scans</b><br>prepared{' and divided by patient' if len(split) > 1 else ''}",)),
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
            f"prevalence of HT {calibration['share_with_ht']:.1%}; threshold {calibration['threshold']:.3f}. "
            "A displayed risk holds where about as many have HT."
        )
        if settings:
            rows = [{"Setting": name.replace("_", " "), "Value": _setting(value)} for name, value in settings.items()]
            with st.expander("Every setting of the training"):
                st.dataframe(rows, hide_index=True, width="stretch")
    with right:
        _draw_loss(bundle, card)


def _draw_loss(bundle: Bundle, card: dict[str, Any]) -> None:
    """The loss, and of which epochs of which training."""
    losses = losses_of(bundle.training_log)
    if not losses:
        return
    draw_chart(loss_curve(losses), "model-loss")
    epochs = [epoch for numbers, _ in losses.values() for epoch in numbers]
    which = "the training"
    if len(card_stages(card)) > 1 or card["training"].get("started_from") is not None:
        which = "the last training alone: the model's folder does not hold the losses of those before"
    st.caption(f"Loss, lower is better; epochs {min(epochs):g} to {max(epochs):g} of {which}.")


def losses_of(log: pd.DataFrame) -> dict[str, tuple[list[float], list[float]]]:
    """Epochs and losses of each network and each set of scans that the log knows, by name."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    if "epoch" not in log.columns:
        return found
    numbers = log["network"].unique() if "network" in log.columns else [None]
    for column, name in (("loss", "training scans"), ("selection_loss", "scans that chose the epoch")):
        for number in numbers if column in log.columns else ():
            own = log if number is None else log[log["network"] == number]
            known = own.dropna(subset=["epoch", column])
            if len(known):
                label = name if number is None else f"{name}, network {number}"
                found[label] = (known["epoch"].tolist(), known[column].tolist())
    return found


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {part}" for name, part in value.items())
    return "none" if value is None else str(value)


def draw_performance(card: dict[str, Any]) -> None:
    """The card's headline figures with what bounds them, and where the rest is."""
    st.subheader("How good it is")
    found = card["measured"]["evaluation"]
    if found is None:
        st.info("Too few patients were measured to say.")
        return
    started = card["training"].get("started_from") is not None
    for sentence in caveats(card["measured"]["part"], found["n_scans"], found["n_events"], started=started):
        if sentence in (CAVEATS["validation"], STARTED):
            st.write(sentence)
        else:
            st.warning(sentence, icon=":material/warning:")
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
    joint = card["measured"].get("with_clinical_data")
    if joint is not None:
        rows.insert(1, {"Figure": "AUC with clinical data", "Value": _figure({**joint, "value": joint["auc"]})})
    draw_table(pd.DataFrame(rows))
    if joint is not None:
        st.write(joint_words(joint))
    st.caption(
        "95% intervals, patients resampled"
        + ("; with clinical data DeLong's, on the first scan of each patient" if joint is not None else "")
        + ". Written into the card when the model was made."
    )
    st.page_link("pages/cohort.py", label="All figures, curves and cases", icon=":material/monitoring:")


def joint_words(joint: dict[str, Any]) -> str:
    """What clinical data add to the image, in Markdown."""
    gain, p_value = joint["more_than_the_image"], joint["p_value"]
    verdict = "No difference from the image alone is shown"
    if p_value < TOLD_APART:
        verdict = f"Clinical data **{'add to' if gain > 0 else 'take from'}** what the image tells"
    return f"{verdict}: AUC {difference(gain)} on the same first scans ({p_words(p_value)})."


def _figure(value: dict[str, float | None] | None) -> str:
    if value is None:
        return NONE
    return with_interval(
        *(math.nan if value[key] is None else float(value[key] or 0) for key in ("value", "low", "high"))
    )


def draw_extras(bundle: Bundle, card: dict[str, Any]) -> None:
    """Checks of the maps, robustness, data efficiency and ablations, each where the bundle holds its file."""
    parts: tuple[Callable[[], None], ...] = (
        partial(draw_maps, bundle),
        partial(draw_moves, bundle),
        partial(draw_efficiency, bundle, card),
        partial(draw_ablations, bundle),
    )
    for draw in parts:
        try:
            draw()
        except HtcoreError as error:
            st.error(str(error), icon=":material/error:")
