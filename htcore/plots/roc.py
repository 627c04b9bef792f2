"""ROC curve with its band and the operating point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import cycle

import numpy as np
import plotly.graph_objects as go

from htcore.evaluation import Confusion, Interval, RocCurve
from htcore.plots.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, dress, legend_below, translucent
from htcore.plots.thin import thinned

_HOVER = "false-positive rate %{x:.1%}<br>sensitivity %{y:.1%}"
# Of other models: no two of twelve share colour and dashes, and neighbours share neither.
_COLOURS, _DASHES = (ORANGE, GREEN, VERMILION), ("dashdot", "longdash", "longdashdot", "2px,4px")
_DRAWN_OTHERS = 3
"""As many of the other models can be told apart beside the model; the rest wait in the legend for a click."""
_FIRST, _LAST = 1, 2000
"""Ranks in the legend: the model with what belongs to it, all else in the order of drawing, the other models."""


def roc(
    curve: RocCurve,
    auc: Interval,
    operating_point: Confusion,
    oracle: RocCurve | None = None,
    others: Mapping[str, RocCurve] | None = None,
) -> go.Figure:
    """The model's curve, its 95% band, the point of the chosen threshold, and the simulator's ceiling where known.

    The points of the model's curve carry their thresholds as ``customdata``.

    Parameters
    ----------
    curve
        The model's, with or without band.
    auc
        Of the same scans, for the legend.
    operating_point
        Counts at the chosen threshold.
    oracle
        Curve of the true probability given the image.
    others
        Other models' curves by their names, those to be drawn from the start first.
    """
    figure = go.Figure()
    if curve.band is not None:
        grid, low, high = curve.band
        outline = {"x": np.concatenate((grid, grid[::-1])), "y": np.concatenate((low, high[::-1]))}
        fill = translucent(SKY, 0.3)
        figure.add_scatter(
            **outline,
            fill="toself",
            fillcolor=fill,
            line={"width": 0},
            hoverinfo="skip",
            name="95% band",
            legendrank=_FIRST + 1,
        )
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": GREY, "dash": "dot"}, hoverinfo="skip", name="chance"
    )
    if oracle is not None:
        _add_steps(figure, oracle, PURPLE, "dash", f"best possible (simulator truth), AUC {oracle.auc:.3f}")
    _add_others(figure, others or {})
    _add_steps(figure, curve, BLUE, "solid", f"model, AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})", pick=True)
    figure.data[-1].legendrank = _FIRST
    cells = operating_point
    figure.add_scatter(
        x=[cells.false_positive / (cells.false_positive + cells.true_negative)],
        y=[cells.true_positive / (cells.true_positive + cells.false_negative)],
        mode="markers",
        marker={"color": VERMILION, "size": 13, "symbol": "diamond"},
        hovertemplate=_HOVER,
        name="chosen threshold",
        legendrank=_FIRST + 2,
    )
    dress(figure, height=480, x_title="False-positive rate (1 − specificity), %", y_title="Sensitivity, %")
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%")
    figure.update_yaxes(range=[-0.01, 1.01], tickformat=".0%")
    legend_below(figure)
    return figure


def _add_others(figure: go.Figure, others: Mapping[str, RocCurve]) -> None:
    styles = zip(short_names(others), others.values(), cycle(_COLOURS), cycle(_DASHES), strict=False)
    for number, (name, curve, colour, dash) in enumerate(styles):
        _add_steps(figure, curve, colour, dash, name, width=1.5)
        figure.data[-1].update(legendrank=_LAST, visible=True if number < _DRAWN_OTHERS else "legendonly")


def short_names(names: Iterable[str]) -> list[str]:
    """Of each name the shortest beginning, up to a comma, that is no other's."""
    parts = [name.split(", ") for name in names]

    def alone(mine: list[str], length: int) -> bool:
        return sum(other[:length] == mine[:length] for other in parts) == 1

    lengths = [next((n for n in range(1, len(mine)) if alone(mine, n)), len(mine)) for mine in parts]
    return [", ".join(mine[:length]) for mine, length in zip(parts, lengths, strict=True)]


def _add_steps(
    figure: go.Figure, curve: RocCurve, colour: str, dash: str, name: str, *, pick: bool = False, width: float = 2.5
) -> None:
    shown = thinned(curve.false_positive_rate, curve.sensitivity)
    picked = {}
    if pick:
        # A click picks a point, and points are what a browser can find under the pointer; hidden under the line. The
        # first threshold is infinite, which JSON has not: calling none is a threshold of 1 too.
        steady = {"marker": {"opacity": 1}}
        picked = {
            "customdata": np.minimum(curve.thresholds[shown], 1.0),
            "marker": {"color": colour, "size": 3},
            "selected": steady,
            "unselected": steady,
        }
    figure.add_scatter(
        x=curve.false_positive_rate[shown],
        y=curve.sensitivity[shown],
        mode="lines+markers" if pick else "lines",
        line={"color": colour, "dash": dash, "width": width},
        hovertemplate=_HOVER + ("<br>threshold %{customdata:.1%}" if pick else ""),
        name=name,
        **picked,
    )
