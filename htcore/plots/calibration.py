"""Observed against predicted risk."""

from __future__ import annotations

import plotly.graph_objects as go

from htcore.evaluation import Reliability
from htcore.plots.palette import BLUE, GREY, dress, legend_below


def calibration_curve(groups: Reliability) -> go.Figure:
    """Each group of like prediction with its 95% interval, and the diagonal on which a calibrated model lies."""
    predicted, observed = 100 * groups.predicted, 100 * groups.observed
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": GREY, "dash": "dot"},
        hoverinfo="skip",
        name="predicted = observed",
    )
    figure.add_scatter(
        x=predicted,
        y=observed,
        mode="lines+markers",
        line={"color": BLUE},
        marker={"size": 9},
        error_y={
            "array": 100 * groups.high - observed,
            "arrayminus": observed - 100 * groups.low,
            "color": BLUE,
            "thickness": 1.5,
        },
        customdata=groups.n_scans,
        hovertemplate="predicted %{x:.0f}%, observed %{y:.0f}%, %{customdata} scans<extra></extra>",
        name="model, 95% interval",
    )
    dress(figure, height=380, x_title="Predicted risk, %", y_title="Observed HT, % of scans")
    legend_below(figure)
    figure.update_xaxes(range=[0, 100])
    figure.update_yaxes(range=[0, 100])
    return figure
