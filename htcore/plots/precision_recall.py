"""Of those called, how many bleed, against how many of the bleeds are called."""

from __future__ import annotations

import plotly.graph_objects as go

from htcore.evaluation import Interval, OperatingPoint, PrecisionRecallCurve
from htcore.plots.palette import BLUE, GREY, VERMILION, dress, legend_below
from htcore.plots.thin import thinned

_HOVER = "sensitivity %{x:.1%}<br>positive predictive value %{y:.1%}"


def precision_recall(curve: PrecisionRecallCurve, average: Interval, point: OperatingPoint) -> go.Figure:
    """The curve, the share of events as its floor, and the chosen threshold's point; of the scans as they are."""
    shown = thinned(curve.sensitivity, curve.precision)
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[curve.base_rate, curve.base_rate],
        mode="lines",
        line={"color": GREY, "dash": "dot"},
        hoverinfo="skip",
        name=f"call every scan, {curve.base_rate:.0%}",
    )
    figure.add_scatter(
        x=curve.sensitivity[shown],
        y=curve.precision[shown],
        mode="lines",
        line={"color": BLUE, "width": 2.5, "shape": "vh"},
        hovertemplate=_HOVER,
        name=f"model, average precision {average.value:.3f} ({average.low:.3f} to {average.high:.3f})",
    )
    cells = point.confusion
    if cells.true_positive + cells.false_positive:
        figure.add_scatter(
            x=[cells.true_positive / (cells.true_positive + cells.false_negative)],
            y=[cells.true_positive / (cells.true_positive + cells.false_positive)],
            mode="markers",
            marker={"color": VERMILION, "size": 13, "symbol": "diamond"},
            hovertemplate=_HOVER,
            name="chosen threshold",
        )
    dress(figure, height=380, x_title="Sensitivity (recall), %", y_title="Positive predictive value (precision), %")
    legend_below(figure)
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%")
    figure.update_yaxes(range=[-0.01, 1.01], tickformat=".0%")
    return figure
