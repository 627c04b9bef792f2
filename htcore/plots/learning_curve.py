"""AUC by how many patients a network learnt from, and the loss as it learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from htcore.evaluation import Interval
from htcore.plots.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, dress

_LOOKS = ((BLUE, "circle"), (ORANGE, "square"), (GREEN, "diamond"), (PURPLE, "triangle-up"))


@dataclass(frozen=True)
class LearningPoint:
    """One network.

    Attributes
    ----------
    patients : learnt from, above 0.
    auc : bounds NaN where there is no interval.
    kind : what networks of one look have in common; empty where all are alike.
    """

    patients: int
    auc: Interval
    kind: str = ""


def learning_curve(points: Sequence[LearningPoint], best: float | None) -> go.Figure:
    """A point with its 95% interval for each network, none joined; ``best``, the best possible AUC, as a line."""
    figure = go.Figure()
    for number, kind in enumerate(dict.fromkeys(point.kind for point in points)):
        colour, symbol = _LOOKS[number % len(_LOOKS)]
        own = [point for point in points if point.kind == kind]
        figure.add_scatter(
            x=[point.patients for point in own],
            y=[point.auc.value for point in own],
            mode="markers",
            marker={"color": colour, "size": 10, "symbol": symbol},
            error_y={
                "array": [point.auc.high - point.auc.value for point in own],
                "arrayminus": [point.auc.value - point.auc.low for point in own],
                "color": colour,
                "thickness": 2,
            },
            customdata=[[point.auc.low, point.auc.high] for point in own],
            hovertemplate="%{x} patients<br>AUC %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
            name=kind or "AUC with its 95% interval",
        )
    sizes = sorted({point.patients for point in points})
    # A line from edge to edge that the legend names: the axis ends a little beyond the points.
    ends = [sizes[0] / 1.4, sizes[-1] * 1.4]
    levels = [(0.5, "no better than chance", "dot", GREY)]
    if best is not None:
        levels.append((best, f"best possible from the image, {best:.3f}", "dash", VERMILION))
    for level, name, dash, colour in levels:
        figure.add_scatter(
            x=ends,
            y=[level, level],
            mode="lines",
            line={"color": colour, "dash": dash, "width": 1.5},
            hoverinfo="skip",
            name=name,
        )
    dress(figure, height=320, x_title="Patients learnt from (logarithmic)", y_title="AUC (95% interval)")
    figure.update_layout(showlegend=True)
    figure.update_xaxes(
        type="log", tickvals=sizes, ticktext=[str(size) for size in sizes], fixedrange=True, autorange=True
    )
    figure.update_yaxes(fixedrange=True)
    return figure


def loss_curve(losses: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> go.Figure:
    """One line for each entry of ``losses``: its name, epochs and values; the axis does not start at 0."""
    figure = go.Figure()
    for number, (name, (epochs, values)) in enumerate(losses.items()):
        colour, symbol = _LOOKS[number % len(_LOOKS)]
        figure.add_scatter(
            x=list(epochs),
            y=list(values),
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"color": colour, "symbol": symbol, "size": 6},
            hovertemplate="epoch %{x}: %{y:.3f}<extra></extra>",
            name=name,
        )
    dress(figure, height=240, x_title="Epoch", y_title="Loss")
    figure.update_layout(showlegend=True)
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return figure
