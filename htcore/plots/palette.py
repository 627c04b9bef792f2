"""Colours that stay apart for colour-blind readers (Okabe and Ito), on light and dark ground alike."""

from __future__ import annotations

import plotly.graph_objects as go

BLUE, SKY, ORANGE, VERMILION = "#0072B2", "#56B4E9", "#E69F00", "#D55E00"
PURPLE, GREEN, GREY = "#CC79A7", "#009E73", "#8A8F98"
INK, PALE_BLUE, PALE_ORANGE = "#1B2733", "#DFEDF7", "#FBEFD6"
"""Writing, and grounds it stands out from, for boxes that look the same on a light and on a dark page."""
HT, NO_HT, REFERENCE = ORANGE, BLUE, GREY
_GRID = "rgba(138,143,152,0.25)"
_CLEAR = "rgba(0,0,0,0)"
# Heights: of the axis below a plot with its title, of a line of the legend, and of what stays free below it.
_AXIS_PX, _LEGEND_LINE_PX, _LEGEND_GAP_PX = 50, 19, 8


def translucent(colour: str, alpha: float) -> str:
    """The colour ``#rrggbb`` as ``rgba(...)`` with opacity ``alpha`` in [0, 1]."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def dress(figure: go.Figure, *, height: int, x_title: str = "", y_title: str = "") -> go.Figure:
    """Give ``figure`` the common look (ground left clear, so that the page's theme shows through) and return it."""
    figure.update_layout(
        height=height,
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        margin={"l": 60, "r": 20, "t": 30, "b": _AXIS_PX},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0.0},
    )
    figure.update_xaxes(title_text=x_title, title_standoff=8, gridcolor=_GRID, zeroline=False)
    figure.update_yaxes(title_text=y_title, gridcolor=_GRID, zeroline=False)
    return figure


def legend_below(figure: go.Figure) -> None:
    """Put the legend of a dressed ``figure`` below its plot, one name a line.

    The figure grows by it: the plot keeps its height however many names there are and however long they are, and the
    toolbar at the top covers none.
    """
    layout = figure.layout
    lines = _LEGEND_LINE_PX * sum(bool(trace.name) for trace in figure.data) + _LEGEND_GAP_PX
    plot_px = layout.height - layout.margin.t - layout.margin.b
    figure.update_layout(
        height=layout.height + lines,
        margin={"b": layout.margin.b + lines},
        showlegend=True,
        legend={"orientation": "v", "yanchor": "top", "y": -_AXIS_PX / plot_px, "itemwidth": 40},
    )
