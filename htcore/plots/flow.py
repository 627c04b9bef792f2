"""Whose scans went where: boxes from top to bottom, exclusions beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from htcore.plots.palette import BLUE, GREY, INK, ORANGE, PALE_BLUE, PALE_ORANGE, dress

_ROW_PX = 96
_HALF_HEIGHT = 0.33


@dataclass(frozen=True)
class FlowRow:
    """One level: boxes side by side, and what left before the next level.

    Attributes
    ----------
    boxes : lines of text of each box, ``<br>`` between lines
    excluded : text of the box beside, empty where nothing left
    """

    boxes: tuple[str, ...]
    excluded: str = ""


def flow(rows: Sequence[FlowRow]) -> go.Figure:
    """The rows from top to bottom, each joined to the next."""
    figure = go.Figure()
    for level, row in enumerate(rows):
        y = -float(level)
        wide = len(row.boxes)
        centres = [(k + 0.5) / wide for k in range(wide)] if wide > 1 else [0.35 if row.excluded else 0.5]
        half = 0.46 / wide if wide > 1 else 0.24
        for x, text in zip(centres, row.boxes, strict=True):
            _box(figure, x, y, half, text, BLUE)
            if level:
                _line(figure, x, y + 1 - _HALF_HEIGHT, x, y + _HALF_HEIGHT)
        if level and wide > 1:
            _line(figure, centres[0], y + 1 - _HALF_HEIGHT, centres[-1], y + 1 - _HALF_HEIGHT)
        if row.excluded:
            _box(figure, 0.82, y, 0.18, row.excluded, ORANGE)
            _line(figure, centres[0] + half, y, 0.64, y)
    dress(figure, height=40 + _ROW_PX * len(rows))
    figure.update_layout(margin={"l": 5, "r": 5, "t": 5, "b": 5}, showlegend=False)
    figure.update_xaxes(visible=False, range=[-0.01, 1.01], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-len(rows) + 0.55, 0.45], fixedrange=True)
    return figure


def _box(figure: go.Figure, x: float, y: float, half: float, text: str, colour: str) -> None:
    figure.add_shape(
        type="rect",
        x0=x - half,
        x1=x + half,
        y0=y - _HALF_HEIGHT,
        y1=y + _HALF_HEIGHT,
        line={"color": colour, "width": 1.5},
        fillcolor=PALE_ORANGE if colour == ORANGE else PALE_BLUE,
    )
    figure.add_annotation(x=x, y=y, text=text, showarrow=False, font={"size": 13, "color": INK})


def _line(figure: go.Figure, x0: float, y0: float, x1: float, y1: float) -> None:
    figure.add_shape(type="line", x0=x0, y0=y0, x1=x1, y1=y1, line={"color": GREY, "width": 1.5})
