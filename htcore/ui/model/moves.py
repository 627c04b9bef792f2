"""How far the risk moves when the same head is scanned another way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from htcore.bundle import Bundle
from htcore.inference.peers import wilson
from htcore.ui.figures import NONE, listed, with_minus
from htcore.ui.model.files import Check, Verdict, draw_check, no_values, read_values, source
from htcore.ui.words import plain

ROBUSTNESS = "robustness.json"
_FAR, _NEAR = 0.20, 0.10
_POINTS = {
    "risk_median": "Risk, points: median",
    "risk_p90": "Risk: 9 of 10 within",
    "risk_worst": "Risk: worst scan",
}
_ML = {"lesion_ml_median": "Infarct, mL: median", "lesion_ml_p90": "Infarct: 9 of 10 within"}


def draw_moves(bundle: Bundle) -> None:
    """Nothing where the bundle does not hold the file.

    Raises
    ------
    BundleError
        If it is there and holds no variations.
    """
    values = read_values(bundle, ROBUSTNESS)
    if values is None:
        return
    found = values.get("variations")
    if not isinstance(found, list) or not found or not all(isinstance(row, dict) for row in found):
        raise no_values(ROBUSTNESS)
    st.subheader("Does the risk stay when the same head is scanned another way?")
    try:
        check = moves_check(found)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise no_values(ROBUSTNESS) from error
    draw_check(check)
    st.caption(source(ROBUSTNESS))


def moves_check(variations: Sequence[Mapping[str, Any]]) -> Check:
    """The variations from the worst down; columns that no variation has are left out."""
    named = [{**row, "variation": with_minus(str(row.get("variation", NONE)))} for row in variations]
    ordered = sorted(named, key=lambda row: -(row.get("risk_worst") or 0.0))
    worst = {str(row["variation"]): row["risk_worst"] for row in ordered if _known(row, "risk_worst")}
    far = [name for name, moved in worst.items() if moved >= _FAR]
    near = [name for name, moved in worst.items() if moved <= _NEAR]
    verdict: Verdict | None = None
    if worst:
        verdict = "holds" if len(near) == len(worst) else "does not hold" if len(far) == len(worst) else "in part"
    return Check(
        "The risk stays",
        verdict,
        _conclusion(ordered, worst, far, near),
        _rows(ordered),
        "Each scan is changed, aligned and scored again, and compared with itself. Change of the risk in points of "
        "100 and of the measured infarct in mL: 0 is best. "
        f"It holds where no scan moves by more than {100 * _NEAR:.0f} points. Side: scans with a clear infarct on one "
        "side, in which the changed scan says the other (95% interval of that share); a mirrored head has to change "
        "sides.",
    )


def _conclusion(
    rows: Sequence[Mapping[str, Any]], worst: Mapping[str, float], far: Sequence[str], near: Sequence[str]
) -> str:
    said = []
    if far:
        medians = {str(row["variation"]): row["risk_median"] for row in rows if _known(row, "risk_median")}
        moved = [
            f"{math.floor(100 * worst[name] + 0.5)} points under *{plain(name)}*"
            + (f" (median {100 * medians[name]:.1f})" if name in medians else "")
            for name in far
        ]
        said.append(f"**The risk of a single scan shifts by up to** {listed(moved)}.")
    if near:
        kept = listed([f"*{plain(name)}*" for name in near])
        said.append(f"It stays within {100 * _NEAR:.0f} points in every scan under {kept}.")
    asked = [row for row in rows if _known(row, "sides_asked") and _known(row, "wrong_sides")]
    wrong = sorted((row for row in asked if row["wrong_sides"]), key=lambda row: -row["wrong_sides"])
    if wrong:
        each = [f"{row['wrong_sides']} of {row['sides_asked']} (*{plain(str(row['variation']))}*)" for row in wrong]
        said.append(f"**The side of the infarct comes out wrong in** {listed(each)}.")
    elif asked:
        said.append("The side of the infarct never comes out wrong.")
    return " ".join(said)


def _rows(variations: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    rows = []
    for row in variations:
        cells: dict[str, Any] = {"Variation": str(row["variation"]), "Scans": row.get("n", NONE)}
        if any(other.get("unreadable") for other in variations):
            cells["Not read"] = row.get("unreadable", NONE)
        for columns, factor in ((_POINTS, 100.0), (_ML, 1.0)):
            for key, heading in columns.items():
                if any(_known(other, key) for other in variations):
                    cells[heading] = f"{factor * row[key]:.1f}" if _known(row, key) else NONE
        if any(_known(other, "sides_asked") for other in variations):
            cells["Side wrong"] = _sides(row)
        rows.append(cells)
    return pd.DataFrame(rows)


def _sides(row: Mapping[str, Any]) -> str:
    if not (_known(row, "sides_asked") and _known(row, "wrong_sides") and row["sides_asked"]):
        return NONE
    low, high = wilson(row["wrong_sides"] / row["sides_asked"], row["sides_asked"])
    return f"{row['wrong_sides']} of {row['sides_asked']} ({100 * low:.0f}\u00a0to\u00a0{100 * high:.0f}%)"


def _known(row: Mapping[str, Any], key: str) -> bool:
    return row.get(key) is not None
