"""Is calling by the model worth more than calling everybody, or nobody?"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from htcore.evaluation import DecisionCurve
from htcore.plots.palette import BLUE, GREY, ORANGE, SKY, VERMILION, dress, legend_below, translucent

_HOVER = "threshold %{x:.0f}%<br>net benefit %{y:.1f} per 100 scans"


def decision(curve: DecisionCurve, threshold: float) -> go.Figure:
    """Net benefit per 100 scans: by the model with its 95% band, all called, none called; ``threshold`` is marked."""
    cuts = 100 * curve.thresholds
    figure = go.Figure()
    figure.add_scatter(
        x=np.concatenate((cuts, cuts[::-1])),
        y=100 * np.concatenate((curve.low, curve.high[::-1])),
        fill="toself",
        fillcolor=translucent(SKY, 0.3),
        line={"width": 0},
        hoverinfo="skip",
        name="95% band",
    )
    figure.add_scatter(
        x=cuts,
        y=100 * curve.treat_all,
        mode="lines",
        line={"color": ORANGE, "dash": "dash"},
        hovertemplate=_HOVER,
        name="call every scan",
    )
    figure.add_scatter(
        x=[cuts[0], cuts[-1]],
        y=[0, 0],
        mode="lines",
        line={"color": GREY, "dash": "dot"},
        hovertemplate=_HOVER,
        name="call none",
    )
    figure.add_scatter(
        x=cuts,
        y=100 * curve.model,
        mode="lines",
        line={"color": BLUE, "width": 2.5},
        hovertemplate=_HOVER,
        name="call by the model",
    )
    figure.add_vline(
        x=100 * threshold, line={"color": VERMILION, "width": 2}, annotation_text="threshold", annotation_position="top"
    )
    dress(figure, height=380, x_title="Threshold, %", y_title="Net benefit, true positives per 100 scans")
    legend_below(figure)
    figure.update_xaxes(range=[0, 100])
    top = 100 * float(max(np.nanmax(curve.high), np.nanmax(curve.treat_all)))
    figure.update_yaxes(range=[-0.25 * top, 1.1 * top])
    return figure
