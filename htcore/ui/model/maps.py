"""Checks of the maps: whether they point at the infarct, and whether they show what the network uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from htcore.bundle import Bundle
from htcore.ui.figures import NONE, listed, share, with_interval
from htcore.ui.model.files import Check, Verdict, draw_check, in_short, read_values, source
from htcore.ui.words import plain, signed

EXPLANATION = "explanation.json"
OWN_MAPS = ("lesion map", "evidence map")
"""Those that the review page shows; the others are there to compare with."""
_RANDOM = "random order"
_SIZES = {"all": "all infarcts", ">20 mL": "infarcts over 20 mL", "<=20 mL": "infarcts up to 20 mL"}
_UNLIKE, _ALIKE = 0.2, 0.9
_STEADY_RISK = 0.05
_FEW_SCANS = 100


def draw_maps(bundle: Bundle) -> None:
    """The checks, what holds and what does not first; what no check knows as it stands in the file."""
    st.subheader("Do the maps show what the model uses?")
    values = read_values(bundle, EXPLANATION)
    if values is None:
        st.info(f"This model came without checks of its maps ({plain(EXPLANATION)}): take no map as proof of a cause.")
        return
    checks, rest = map_checks(values)
    if checks:
        st.markdown(in_short(checks))
        st.caption(_scans_words(values, simulated=bundle.identity.simulated))
    for check in checks:
        draw_check(check)
    overlap = overlap_rows(values.get("pointing"))
    if overlap is not None:
        with st.expander("How much of each map lies in the infarct"):
            st.dataframe(overlap, hide_index=True, width="stretch")
            st.caption(
                "Mass: share of the map's positive values that lies in the true infarct. Dice: overlap of the infarct "
                "with as many of the map's highest blocks. 100% and 1 are best; means, without intervals in the file."
            )
    if rest:
        st.dataframe(flat_rows(rest), hide_index=True, width="stretch")
    st.caption(source(EXPLANATION))


def map_checks(values: Mapping[str, Any]) -> tuple[list[Check], dict[str, Any]]:
    """A check for each part of the file that has the form it is known by, and what is left."""
    checks, rest = [], {name: value for name, value in values.items() if name not in _COUNTS}
    for name, check in _CHECKS.items():
        try:
            checks.append(check(values[name]))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):  # absent, or of another form
            continue
        del rest[name]
    return checks, rest


def _scans_words(values: Mapping[str, Any], *, simulated: bool) -> str:
    shown = f"The review page shows the {listed(OWN_MAPS)}; the others are there to compare with."
    scans, without = values.get("scans"), values.get("without a block of infarct")
    if not isinstance(scans, int):
        return shown
    gone = "" if not without else f", {without} of them left out: their infarct fills half of no block of the map"
    return f"Measured on {scans} {'simulated ' if simulated else ''}scans with a known infarct{gone}. {shown}"


def _own(names: Mapping[str, Any]) -> list[str]:
    """The maps that the review page shows, or all where the file has none of them."""
    every = [name for name in names if name != _RANDOM]
    return [name for name in every if name in OWN_MAPS] or every


def _sizes(groups: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(size for row in groups.values() for size in row))


def _size_words(size: str) -> str:
    return _SIZES.get(size, size)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _of(row: Mapping[str, Any]) -> str:
    return share(row["value"], row["low"], row["high"])


def _pointing(maps: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Check:
    sizes = _sizes(maps)
    rows = [{"Map": name, **{_capital(_size_words(s)): _hit(row.get(s)) for s in sizes}} for name, row in maps.items()]
    own = _own(maps)
    parts = [size for size in sizes if size != "all"] or sizes
    best = {size: max((n for n in own if size in maps[n]), key=lambda n: maps[n][size]["value"]) for size in parts}
    found = {size: maps[name][size] for size, name in best.items()}
    low = [size for size, row in found.items() if row["high"] < 0.5]
    missed = any(row[s]["value"] < row[s].get("target", 0.0) for row in (maps[name] for name in own) for s in row)
    verdict: Verdict = "in part"
    if len(low) == len(parts):
        verdict = "does not hold"
    elif all(row["low"] > 0.5 for row in found.values()) and not missed:
        verdict = "holds"
    one = len(set(best.values())) == 1
    words = [
        f"{'**only** ' if size in low else ''}{_of(row)} of {plain(_size_words(size))}"
        + ("" if one else f" ({plain(best[size])})")
        for size, row in found.items()
    ]
    which = f"the {plain(best[parts[0]])}" if one else "the better map of those shown"
    conclusion = f"The highest point of {which} lies in the true infarct in {listed(words)}."
    if low:
        where = listed([plain(_size_words(size)) for size in low])
        conclusion += f" **In {where} it mostly lies outside: do not search for the infarct by it.**"
    return Check(
        "The highest point of the map lies in the infarct",
        verdict,
        conclusion,
        pd.DataFrame(rows),
        "Share of scans (95% interval), n scans; 100% is best. It holds where more than half are hit for certain at "
        "every size, and every target that the file names is met.",
    )


def _hit(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return NONE
    text = f"{_of(row)}, n {row['n']}" if "n" in row else _of(row)
    if "target" in row:
        text += f"; target {row['target']:.0%} {'met' if row['value'] >= row['target'] else 'missed'}"
    return text


def _curves(maps: Mapping[str, Mapping[str, float]]) -> Check:
    rows = [
        {
            "Map": name,
            "Log-odds lost where it is highest": signed(row["deletion"], 2).lstrip("+"),
            "Log-odds gained by these places alone": signed(row["insertion"], 2).lstrip("+"),
        }
        for name, row in maps.items()
    ]
    own = _own(maps)
    strongest = max((name for name in maps if name != _RANDOM), key=lambda name: maps[name]["deletion"])
    verdict: Verdict | None = None
    conclusion = ""
    if _RANDOM in maps:
        chance = maps[_RANDOM]
        beats = [n for n in own if all(maps[n][key] > chance[key] for key in ("deletion", "insertion"))]
        verdict = "holds" if len(beats) == len(own) else "in part" if beats else "does not hold"
        moves = listed([f"{maps[name]['deletion']:.2f} ({plain(name)})" for name in own])
        conclusion = (
            f"Without the asymmetry at a map's highest places the log-odds of HT fall by {moves}, in random order by "
            f"{chance['deletion']:.2f}: "
        )
        conclusion += {
            "holds": "the network does use what the maps mark.",
            "in part": f"only the {plain(listed(beats or own))} marks what the network uses.",
            "does not hold": "**the maps mark nothing that the network uses more than any other place.**",
        }[verdict]
    if strongest not in own:
        most = maps[strongest]["deletion"]
        conclusion += f" **A map that the review page does not show does better:** {plain(strongest)} ({most:.2f})."
    return Check(
        "What the map marks moves the risk",
        verdict,
        conclusion.strip(),
        pd.DataFrame(rows),
        "Mean change of the log-odds as the highest places of a map are made equal to their mirror image, or alone "
        "keep their difference; more is better, random order is what chance does. No intervals in the file. It holds "
        "where every map shown beats random order in both.",
    )


def _random_weights(maps: Mapping[str, float]) -> Check:
    rows = [{"Map": name, "Likeness to the map of random weights": f"{value:.2f}"} for name, value in maps.items()]
    worst = max(_own(maps), key=lambda name: maps[name])
    verdict: Verdict = "does not hold"
    if maps[worst] < _ALIKE:
        verdict = "holds" if maps[worst] < _UNLIKE else "in part"
    what = {
        "holds": "the maps come from what the network learnt.",
        "in part": "**part of a map is there without anything learnt.**",
        "does not hold": "**the maps look the same whatever the network learnt.**",
    }[verdict]
    return Check(
        "The map depends on what the network learnt",
        verdict,
        f"With random weights in place of the learnt ones the likeness is at most {maps[worst]:.2f} "
        f"({plain(worst)}): {what}",
        pd.DataFrame(rows),
        f"Median size of the rank correlation over the brain: the nearer to 0 the better, 1 is the same map. It holds "
        f"below {_UNLIKE:g}. No intervals in the file.",
    )


def _repeatability(changes: Mapping[str, Mapping[str, float]]) -> Check:
    moved = "probability change"
    names = list(dict.fromkeys(name for row in changes.values() for name in row if name != moved))
    rows = [
        {
            "Scan changed by": change,
            "Risk moves by, points": f"{100 * row[moved]:.1f}",
            **{f"Likeness of the {name}": f"{row[name]:.2f}" for name in names},
        }
        for change, row in changes.items()
    ]
    own = _own(dict.fromkeys(names))
    alike = [row[name] for row in changes.values() for name in own]
    risks = [row[moved] for row in changes.values()]
    asked = listed([f"*{plain(name)}*" for name in changes])
    steady = (min(alike) >= _ALIKE, max(risks) <= _STEADY_RISK)
    verdict: Verdict = "holds" if all(steady) else "in part" if any(steady) else "does not hold"
    return Check(
        "Map and risk stay under a small change",
        verdict,
        f"Under {asked} the maps stay alike to {min(alike):.2f} or more (1 is the same map) and "
        f"the risk moves by up to {100 * max(risks):.1f} points, each in the median scan.",
        pd.DataFrame(rows),
        f"Likeness: median rank correlation over the brain with the unchanged scan's map, 1 is best; change of the "
        f"risk: median, 0 is best. It holds from {_ALIKE:g} on and up to {100 * _STEADY_RISK:.0f} points. Medians: "
        "single scans move more. No intervals in the file.",
    )


def _regions(values: Mapping[str, Any]) -> Check:
    asked = {
        "first": "Region with most infarct stands first",
        "first three": "Among the first three",
        "side": "Side is right",
    }
    groups = {name: row for name, row in values.items() if isinstance(row, Mapping)}
    rows = [
        {
            "Infarct": _capital(_size_words(size)),
            "Scans": row["first"]["n"],
            **{heading: _of(row[key]) for key, heading in asked.items()},
        }
        for size, row in groups.items()
    ]
    whole = groups["all" if "all" in groups else min(groups)]
    verdict: Verdict = "in part"
    if all(whole[key]["low"] > 0.5 for key in asked):
        verdict = "holds"
    elif all(whole[key]["high"] < 0.5 for key in asked):
        verdict = "does not hold"
    count = whole["first"]["n"]
    few = f" Only {count} scans: the intervals are wide." if count < _FEW_SCANS else ""
    seconds = values.get("median cpu s")
    cost = f" Median {seconds:.1f} s of processor time a scan." if isinstance(seconds, float) else ""
    return Check(
        "The regions named first are those of the infarct",
        verdict,
        f"The region that holds most infarct stands first in {_of(whole['first'])} of scans and among the first three "
        f"in {_of(whole['first three'])}: **in {1 - whole['first three']['value']:.0%} it is not among the three named "
        f"first.** Left or right is right in {_of(whole['side'])}.{few}",
        pd.DataFrame(rows),
        "Regions in the order of what each adds to the risk; share of scans (95% interval), 100% is best. It holds "
        f"where all three lie above half for certain.{cost}",
    )


def overlap_rows(maps: Any) -> pd.DataFrame | None:
    """Mass and Dice of each map and size; ``None`` where the file has none."""
    try:
        rows = [
            {
                "Map": name,
                "Infarct": _capital(_size_words(size)),
                "Mass in the infarct": f"{row['mass']:.0%}",
                "Dice": f"{row['dice']:.2f}",
            }
            for name, sizes in maps.items()
            for size, row in sizes.items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return pd.DataFrame(rows) if rows else None


_COUNTS = ("scans", "without a block of infarct")
_CHECKS: dict[str, Callable[[Any], Check]] = {
    "pointing": _pointing,
    "curves": _curves,
    "random weights": _random_weights,
    "repeatability": _repeatability,
    "regions": _regions,
}


def flat_rows(values: Mapping[str, Any], before: str = "") -> list[dict[str, str]]:
    """One row a value; {value, low, high} in one, and what is nested under its path in words."""
    rows: list[dict[str, str]] = []
    for name, value in values.items():
        label = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, dict) and {"value", "low", "high"} <= set(value):
            numbers = [math.nan if value[key] is None else value[key] for key in ("value", "low", "high")]
            rows.append({"Check": label, "Value": with_interval(*numbers)})
        elif isinstance(value, dict):
            rows += flat_rows(value, f"{label}: ")
        elif isinstance(value, list):
            rows.append({"Check": label, "Value": ", ".join(_number(part) for part in value)})
        else:
            rows.append({"Check": label, "Value": _number(value)})
    return rows


def _number(value: Any) -> str:
    if value is None:
        return NONE
    return f"{value:.3f}" if isinstance(value, float) else str(value)
