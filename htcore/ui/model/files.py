"""Measurements that a model's folder may hold, read and checked, and how a check is drawn."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import streamlit as st

from htcore.bundle import Bundle
from htcore.errors import BundleError
from htcore.ui.figures import draw_table
from htcore.ui.words import plain

Verdict = Literal["holds", "in part", "does not hold"]
_BADGES: dict[Verdict, str] = {
    "holds": ":green-badge[✓ holds]",
    "in part": ":orange-badge[◐ in part]",
    "does not hold": ":red-badge[✗ does not hold]",
}


@dataclass(frozen=True, eq=False)
class Check:
    """One question to the model, with its answer in a sentence before the figures.

    Attributes
    ----------
    title, conclusion : Markdown.
    verdict : the same for good and bad answers; ``None`` where the file does not allow one.
    rows : for people; the first column may hold names out of a file.
    caption : Markdown: units, which way is good, from when on the verdict says that it holds.
    """

    title: str
    verdict: Verdict | None
    conclusion: str
    rows: pd.DataFrame
    caption: str


def draw_check(check: Check) -> None:
    """Title and verdict, conclusion, figures, units."""
    badge = "" if check.verdict is None else f" {_BADGES[check.verdict]}"
    st.markdown(f"**{check.title}**{badge}")
    if check.conclusion:
        st.write(check.conclusion)
    draw_table(check.rows)
    st.caption(check.caption)


def in_short(checks: Sequence[Check]) -> str:
    """Which checks hold, and which do not, the bad ones first, as a list in Markdown."""
    found: dict[Verdict, list[str]] = {"does not hold": [], "in part": [], "holds": []}
    for check in checks:
        if check.verdict is not None:
            found[check.verdict].append(check.title[0].lower() + check.title[1:])
    return "\n".join(f"- {_BADGES[verdict]} {'; '.join(titles)}" for verdict, titles in found.items() if titles)


def read_values(bundle: Bundle, name: str) -> dict[str, Any] | None:
    """A measurement's values, or ``None`` where there is none.

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
        raise no_values(name)
    return values


def no_values(name: str) -> BundleError:
    """The error of a file that can be read and holds nothing that can be shown."""
    return BundleError(f"The model's {name} holds no values: make it again.", code="bundle_damaged")


def read_table(bundle: Bundle, name: str) -> pd.DataFrame | None:
    """A measurement's table, or ``None`` where there is none; errors as `read_values`."""
    content = bundle.measurement(name)
    if content is None:
        return None
    try:
        table = pd.read_csv(io.BytesIO(content))
    except ValueError as error:
        raise BundleError(f"The model's {name} cannot be read: make it again.", code="bundle_damaged") from error
    if table.empty:
        raise no_values(name)
    return table


def source(name: str) -> str:
    """From which file figures come, in Markdown."""
    return f"From {plain(name)} of the model's folder."
