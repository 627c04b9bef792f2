"""How well the ranking does in each part of the scans, one line a part."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from htcore.evaluation import MIN_EVENTS, Interval, Subgroup
from htcore.plots.palette import BLUE, GREY, VERMILION, dress, legend_below

_ROW_PX, _FRAME_PX = 26, 110


def forest(parts: Sequence[Subgroup], overall: Interval) -> go.Figure:
    """AUC and 95% interval of each part, in order from the top; ``overall`` as a line through all.

    Parts with fewer than ``MIN_EVENTS`` events, or as few without, are hollow and grey: their intervals are unsteady.
    Parts of one outcome alone have no AUC and show no point.
    """
    figure = go.Figure()
    labels = [f"{part.name} · {part.n_scans} scan{'s' * (part.n_scans != 1)}, {part.n_events} HT" for part in parts]
    for name, colour, symbol, steady in (
        (f"at least {MIN_EVENTS} with and without HT", BLUE, "square", True),
        (f"fewer than {MIN_EVENTS} with or without HT", GREY, "square-open", False),
    ):
        rows = [
            (label, part.auc)
            for label, part in zip(labels, parts, strict=True)
            if _steady(part) is steady and math.isfinite(part.auc.value)
        ]
        if not rows:
            continue
        figure.add_scatter(
            x=[auc.value for _, auc in rows],
            y=[label for label, _ in rows],
            mode="markers",
            marker={"color": colour, "size": 9, "symbol": symbol},
            error_x={
                "array": [auc.high - auc.value for _, auc in rows],
                "arrayminus": [auc.value - auc.low for _, auc in rows],
                "color": colour,
                "thickness": 1.5,
            },
            customdata=[[auc.low, auc.high] for _, auc in rows],
            hovertemplate="%{y}<br>AUC %{x:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
            name=name,
        )
    _mark(figure, 0.5, "chance", {"color": GREY, "dash": "dot"})
    if math.isfinite(overall.value):
        _mark(figure, overall.value, "all scans", {"color": VERMILION, "width": 1.5, "dash": "dash"})
    dress(figure, height=_FRAME_PX + _ROW_PX * len(parts), x_title="AUC (95% interval)")
    legend_below(figure)
    lows = [found.low for found in (overall, *(part.auc for part in parts)) if math.isfinite(found.low)]
    figure.update_xaxes(range=[min([0.5, *lows]) - 0.03, 1.01])
    figure.update_yaxes(categoryorder="array", categoryarray=labels, autorange="reversed", automargin=True)
    return figure


def _mark(figure: go.Figure, at: float, text: str, line: dict[str, object]) -> None:
    figure.add_vline(x=at, line=line, annotation_text=text, annotation_position="top")


def _steady(part: Subgroup) -> bool:
    return min(part.n_events, part.n_scans - part.n_events) >= MIN_EVENTS
