"""What more scans would bring, and what each part of the network is worth: networks trained for these questions."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from htcore import transforms
from htcore.bundle import Bundle
from htcore.evaluation import Interval
from htcore.plots.learning_curve import LearningPoint, learning_curve
from htcore.ui.charts import draw_chart
from htcore.ui.figures import (
    NONE,
    TOLD_APART,
    difference,
    draw_table,
    listed,
    p_cell,
    p_words,
    with_interval,
)
from htcore.ui.model.files import read_table, source
from htcore.ui.words import plain

EFFICIENCY, ABLATIONS = "data_efficiency.csv", "ablations.csv"
_AUC = "AUC (95% interval)"
_PARTS = {
    "lesion-gated residual network": "The whole network",
    "lesion masks teach nothing": "Without learning from lesion masks",
    "the lesion map does not weigh the features": "Without the lesion map as a gate: the whole brain counts alike",
    "slices do not see their neighbours": "Without a look at the neighbouring slices",
    "twice as many features": "Twice as many features in each layer",
    "causes teach nothing": "Without learning from the known causes",
    "no difference from the mirror image": "Without the difference from the mirror image",
    "scans not varied": "Without varying the scans during training",
    "the true risk taught instead of the outcome": "Taught the true risk instead of the outcome",
}
_ONE_TRAINING = "One training each: differences of a few hundredths may be chance of the training."


def draw_efficiency(bundle: Bundle, card: dict[str, Any]) -> None:
    """The curve with what it says and of which networks; nothing where the bundle does not hold the file.

    Raises
    ------
    BundleError
        If it is there and cannot be read.
    """
    table = read_table(bundle, EFFICIENCY)
    if table is None:
        return
    st.subheader("What more scans would bring")
    rows = table
    if {"patients", "auc"} <= set(table.columns):
        table = table.sort_values("patients", kind="stable")
        points, best = learning_points(table), best_possible(table)
        st.write(efficiency_words(table))
        if points:
            draw_chart(learning_curve(points, best), "model-efficiency")
        rows = efficiency_rows(table)
    draw_table(_worded(rows))
    st.caption(_networks_words(table, card))
    st.caption(source(EFFICIENCY))


def learning_points(table: pd.DataFrame) -> list[LearningPoint]:
    """Those with a number of patients and an AUC; told apart by epochs and preparation where these differ."""
    kinds = [name for name in _KINDS if name in table.columns and table[name].nunique(dropna=False) > 1]
    points = []
    for row in table.to_dict("records"):
        patients, auc = _number(row, "patients"), _number(row, "auc")
        if not (math.isfinite(auc) and math.isfinite(patients) and patients > 0):
            continue
        kind = ", ".join(f"{_KINDS[name].lower()} {_cell(row[name])}" for name in kinds)
        points.append(LearningPoint(int(patients), Interval(auc, _number(row, "low"), _number(row, "high")), kind))
    return points


def best_possible(table: pd.DataFrame) -> float | None:
    """The AUC that each row's share is of; ``None`` where no row tells it."""
    if "share_of_best" not in table.columns:
        return None
    shares = table[["auc", "share_of_best"]].apply(pd.to_numeric, errors="coerce").dropna()
    shares = shares[shares["share_of_best"] > 0]
    return float((shares["auc"] / shares["share_of_best"]).median()) if len(shares) else None


def efficiency_words(table: pd.DataFrame) -> str:
    """What the most patients brought over the fewest, of networks whose images were prepared alike; Markdown.

    Parameters
    ----------
    table : by rising number of patients; the row without a difference is the one that the others are compared with.
    """
    records = table.to_dict("records")
    alike = [row for row in records if _cell(row.get("preparation")) == _cell(records[-1].get("preparation"))]
    few, many = alike[0], alike[-1]
    best = best_possible(table)
    ceiling = "" if best is None else f" The best possible from the image is {best:.3f}."
    if _number(few, "patients") == _number(many, "patients"):
        return f"One size was measured: nothing to compare.{ceiling}"
    gain = _number(many, "auc") - _number(few, "auc")
    unlike = ", not all for as many epochs" if len({_cell(row.get("epochs")) for row in alike}) > 1 else ""
    return (
        f"From {_cell(few['patients'])} to {_cell(many['patients'])} patients learnt from{unlike}, the AUC goes from "
        f"{_area(few)} to {_area(many)}, {difference(gain)}.{_tested_words(alike)}{ceiling} How it goes on beyond "
        f"{_cell(many['patients'])} these networks do not say."
    )


def _tested_words(rows: list[dict[Hashable, Any]]) -> str:
    """Whether more patients helped for certain: the most, or the fewest, against the one that all are compared with."""
    reference = next((row for row in rows if not math.isfinite(_number(row, "difference"))), None)
    other = rows[0] if reference is rows[-1] else rows[-1]
    p_value = _number(other, "p")
    if reference is None or not math.isfinite(p_value):
        return ""
    more, fewer = (reference, other) if reference is rows[-1] else (other, reference)
    verdict = "**More patients helped**"
    if p_value >= TOLD_APART:
        verdict = "**That more patients help is not shown**"
    elif _number(more, "auc") < _number(fewer, "auc"):
        verdict = "**More patients did not help**"
    return f" {verdict}: {_cell(more['patients'])} against {_cell(fewer['patients'])}, {p_words(p_value)}."


def efficiency_rows(table: pd.DataFrame) -> pd.DataFrame:
    """For people, one row a network."""
    rows = _area_columns(table.rename(columns={"patients": "Patients learnt from"}))
    return rows.assign(**{"Patients learnt from": [_cell(value) for value in rows["Patients learnt from"]]})


def _networks_words(table: pd.DataFrame, card: dict[str, Any]) -> str:
    """Which networks these are, and how the model of the page differs from them; Markdown."""
    epochs = "How many epochs the file does not say."
    if "epochs" in table.columns:
        counts = [_cell(value) for value in table["epochs"].drop_duplicates()]
        epochs = f"They learnt for {listed(counts)} epochs."
    told = [
        "**Other networks than the model of this page:** each was trained for this question alone, from fresh weights, "
        f"on the first so many patients. {epochs}{_preparation_words(table)}"
    ]
    training, found = card["training"], card["measured"]["evaluation"]
    members = training.get("members") or []
    if members:
        start = training.get("started_from")
        began = "" if start is None else f" and started from the weights of {plain(str(start['id']))}"
        auc = None if found is None else found["metrics"].get("auc")
        reached = ""
        if auc is not None and auc["value"] is not None:
            numbers = [math.nan if auc[key] is None else auc[key] for key in ("value", "low", "high")]
            reached = f"; its AUC is {with_interval(*numbers)}"
        count = max(member["training_patients"] for member in members)
        told.append(f"The model of this page learnt from {count} patients{began}{reached}.")
    return " ".join([*told, _ONE_TRAINING])


def _preparation_words(table: pd.DataFrame) -> str:
    """Which preparation of the images all networks learnt from, where the file tells it and they share it."""
    if "preparation" not in table.columns or table["preparation"].nunique(dropna=False) > 1:
        return ""
    number = _cell(table["preparation"].iloc[0])
    if number == transforms.VERSION:
        return " The images were prepared as for the model of this page."
    return f" The images were prepared by version {number}, those of the model of this page by {transforms.VERSION}."


def draw_ablations(bundle: Bundle) -> None:
    """What is lost without each part; nothing where the bundle does not hold the file.

    Raises
    ------
    BundleError
        If it is there and cannot be read.
    """
    table = read_table(bundle, ABLATIONS)
    if table is None:
        return
    st.subheader("What each part of it is worth")
    words = "" if "model" not in table.columns else ablation_words(table)
    if words:
        st.write(words)
    draw_table(_worded(ablation_rows(table)))
    counted = ""
    if "patients" in table.columns and table["patients"].nunique() == 1:
        counted = f" Measured on the first scan of each of {_cell(table['patients'].iloc[0])} patients."
    st.caption(
        "**Other networks than the model of this page:** trained for this question alone, from fresh weights, whole "
        "and with one part left out or changed. Difference: AUC less that of the whole, below 0 where the part is "
        f"worth having.{counted}{_preparation_words(table)} {_ONE_TRAINING}"
    )
    st.caption(source(ABLATIONS))


def ablation_words(table: pd.DataFrame) -> str:
    """Which parts are shown to be worth something, and which are not; Markdown, empty where nothing was compared."""
    rows = [row for row in table.to_dict("records") if math.isfinite(_number(row, "difference"))]
    rows.sort(key=lambda row: _number(row, "difference"))
    shown: dict[str, list[str]] = {"lost": [], "gained": [], "neither": []}
    for row in rows:
        change, p_value = _number(row, "difference"), _number(row, "p")
        named = f"*{plain(_part(row['model']).lower())}* ({difference(change)}, {p_words(p_value)})"
        apart = math.isfinite(p_value) and p_value < TOLD_APART
        shown["neither" if not apart else "lost" if change < 0 else "gained"].append(named)
    headings = {"lost": "Lower AUC:", "gained": "Higher AUC, the part does harm:", "neither": "No difference shown:"}
    return " ".join(f"**{headings[kind]}** {listed(named)}." for kind, named in shown.items() if named)


def ablation_rows(table: pd.DataFrame) -> pd.DataFrame:
    """For people, one row a network; how many patients it was measured on stands in the caption where all agree."""
    if "model" in table.columns:
        table = table.assign(model=table["model"].map(_part)).rename(columns={"model": "Network"})
    if "patients" in table.columns:
        if table["patients"].nunique() == 1:
            table = table.drop(columns="patients")
        else:
            table = table.rename(columns={"patients": "Patients measured on"})
    return _area_columns(table)


def _part(name: Any) -> str:
    """What was changed, in words, with what follows its name: how many patients it learnt from."""
    part, comma, rest = str(name).partition(", ")
    return f"{_PARTS.get(part, part)}{comma}{rest}"


_KINDS = {"epochs": "Epochs", "preparation": "Image preparation"}


def _area_columns(table: pd.DataFrame) -> pd.DataFrame:
    """AUC with its interval in one cell, share of the best, difference and p in words; other columns as they are."""
    records = table.to_dict("records")
    if "auc" in table.columns:
        table = table.assign(auc=[_area(row) for row in records])
    if "share_of_best" in table.columns:
        shares = [_number(row, "share_of_best") for row in records]
        table = table.assign(share_of_best=[f"{value:.0%}" if math.isfinite(value) else NONE for value in shares])
    if "difference" in table.columns:
        moved = [_number(row, "difference") for row in records]
        # The one that the others are compared with has none.
        table = table.assign(difference=[difference(v) if math.isfinite(v) else "reference" for v in moved])
    if "p" in table.columns:
        values = [_number(row, "p") for row in records]
        table = table.assign(p=[p_cell(value) if math.isfinite(value) else "–" for value in values])
    spent = ["low", "high"]
    if "preparation" in table.columns and table["preparation"].nunique(dropna=False) == 1:
        spent.append("preparation")  # said below the table
    return table.drop(columns=[name for name in spent if name in table.columns])


_HEADINGS = {
    "auc": _AUC,
    "share_of_best": "Of the best possible",
    "difference": "Difference from the reference",
    **_KINDS,
}


def _worded(rows: pd.DataFrame) -> pd.DataFrame:
    """Headings in words, every cell as text."""
    renamed = rows.rename(columns={name: _HEADINGS.get(name, str(name).replace("_", " ")) for name in rows.columns})
    return renamed.map(_cell)


def _area(row: Mapping[Any, Any]) -> str:
    return with_interval(*(_number(row, name) for name in ("auc", "low", "high")))


def _number(row: Mapping[Any, Any], name: str) -> float:
    """A cell as a number, NaN where it is none."""
    try:
        return float(row.get(name, math.nan))
    except (TypeError, ValueError):
        return math.nan


def _cell(value: Any) -> str:
    """A value as people write it: no "nan", no "474.0"."""
    if not isinstance(value, str) and pd.isna(value):
        return NONE
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.3f}"
    return str(value)
