"""Figures, p-values and small tables as the pages show them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from htcore.ui.words import plain, signed

TOLD_APART = 0.05
"""Below this p two figures are told apart; no correction for asking several times."""
NONE = "not available"


def p_cell(p_value: float) -> str:
    """A p-value of a table: "< 0.001", "0.012", "0.28"."""
    if not math.isfinite(p_value):
        return NONE
    if p_value < 0.001:
        return "< 0.001"
    return f"{p_value:.{3 if p_value < 0.1 else 2}f}"


def p_words(p_value: float) -> str:
    """A p-value of a sentence: "p < 0.001", "p = 0.28"."""
    cell = p_cell(p_value)
    return f"p {cell}" if cell.startswith("<") else f"p = {cell}"


def with_interval(value: float, low: float, high: float) -> str:
    """Three decimals, and the interval where there is one: "0.686 (0.638 to 0.734)"."""
    if not math.isfinite(value):
        return NONE
    text = f"{value:.3f}"
    if math.isfinite(low) and math.isfinite(high):
        text += f" ({low:.3f} to {high:.3f})"
    return text.replace("-", "−")


def difference(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """A difference with its sign: "+0.007 (−0.006 to +0.020)"."""
    if not math.isfinite(value):
        return NONE
    if not (math.isfinite(low) and math.isfinite(high)):
        return signed(value, 3)
    return f"{signed(value, 3)} ({signed(low, 3)} to {signed(high, 3)})"


def share(value: float, low: float, high: float) -> str:
    """A share with its interval, whole percent: "29% (24 to 35%)"."""
    return f"{100 * value:.0f}% ({100 * low:.0f} to {100 * high:.0f}%)"


def with_minus(text: str) -> str:
    """A file's words, the minus before a number as such: "turned by −10°", "follow-up"."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)


def listed(words: Sequence[str]) -> str:
    """Several words in a sentence: "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def draw_table(rows: pd.DataFrame) -> None:
    """A small table that breaks long cells instead of hiding columns; its first column may come from a file."""
    first = rows.columns[0]
    st.table(rows.assign(**{first: rows[first].map(lambda cell: plain(str(cell)))}), hide_index=True)
