"""A risk on a dial."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from htcore.plots.palette import BLUE, GREY, PURPLE, SKY, VERMILION, dress, translucent
from htcore.types import RiskEstimate, as_shown

_MARK_HALF_WIDTH = 0.5
_RISK_PX = 46


def gauge(risk: RiskEstimate, prevalence: float) -> go.Figure:
    """The probability as a bar, its interval as a band, and marks at the threshold and the prevalence.

    Parameters
    ----------
    risk
        The estimate; probabilities in [0, 1], drawn in percent and not beyond its limits.
    prevalence
        Share of scans with hemorrhagic transformation in the model's population, in [0, 1].
    """
    value, beyond = as_shown(risk.probability, risk.limits)
    low, high = (100 * bound for bound in risk.shown_interval)
    ends = [f"{sign}{bound:.0%}" for bound, sign in (as_shown(bound, risk.limits) for bound in risk.interval)]
    span = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
    share, threshold = 100 * prevalence, 100 * risk.threshold
    mark = [max(0.0, share - _MARK_HALF_WIDTH), min(100.0, share + _MARK_HALF_WIDTH)]
    figure = go.Figure(
        go.Indicator(
            mode="gauge",
            value=100 * value,
            gauge={
                "axis": {"range": [0, 100], "ticksuffix": "%", "tickcolor": GREY},
                "bar": {"color": BLUE, "thickness": 0.35},
                "bgcolor": translucent(GREY, 0.12),
                "borderwidth": 0,
                "steps": [
                    {"range": [low, high], "color": translucent(SKY, 0.55), "name": "interval"},
                    {"range": mark, "color": PURPLE, "name": "prevalence"},
                ],
                "threshold": {"line": {"color": VERMILION, "width": 4}, "thickness": 0.9, "value": threshold},
            },
        )
    )
    dress(figure, height=260)
    figure.update_layout(margin={"l": 45, "r": 45, "t": 30, "b": 45})
    # The indicator's own number stays where it was when the page changes its width.
    figure.add_annotation(
        text=f"{escape(beyond)}{100 * value:.0f}%",
        name="risk",
        font={"size": _RISK_PX},
        x=0.5,
        y=0.04,
        xref="paper",
        yref="paper",
        yanchor="bottom",
        showarrow=False,
    )
    figure.add_annotation(
        name="marks",
        text=(
            f"<span style='color:{SKY}'>■</span> interval {span}   "
            f"<span style='color:{VERMILION}'>■</span> threshold {threshold:.0f}%   "
            f"<span style='color:{PURPLE}'>■</span> prevalence {share:.0f}%"
        ),
        x=0.5,
        y=-0.14,
        xref="paper",
        yref="paper",
        showarrow=False,
    )
    return figure
