"""A risk on a dial."""

from __future__ import annotations

import plotly.graph_objects as go

from htcore.plots.palette import BLUE, GREY, PURPLE, SKY, VERMILION, dress, translucent
from htcore.types import RiskEstimate, as_shown

_BASE_RATE_HALF_WIDTH = 0.5


def gauge(risk: RiskEstimate, base_rate: float) -> go.Figure:
    """The probability as a bar, its interval as a band, and marks at the threshold and the base rate.

    Parameters
    ----------
    risk
        The estimate; probabilities in [0, 1], drawn in percent and not beyond its limits.
    base_rate
        Share of scans with hemorrhagic transformation in the model's population, in [0, 1].
    """
    value, beyond = as_shown(risk.probability, risk.limits)
    low, high = (100 * bound for bound in risk.shown_interval)
    ends = [f"{sign}{bound:.0%}" for bound, sign in (as_shown(bound, risk.limits) for bound in risk.interval)]
    span = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
    base, threshold = 100 * base_rate, 100 * risk.threshold
    base_mark = [max(0.0, base - _BASE_RATE_HALF_WIDTH), min(100.0, base + _BASE_RATE_HALF_WIDTH)]
    figure = go.Figure(
        go.Indicator(
            mode="gauge+number",
            value=100 * value,
            number={"prefix": beyond, "suffix": "%", "valueformat": ".0f"},
            gauge={
                "axis": {"range": [0, 100], "ticksuffix": "%", "tickcolor": GREY},
                "bar": {"color": BLUE, "thickness": 0.35},
                "bgcolor": translucent(GREY, 0.12),
                "borderwidth": 0,
                "steps": [
                    {"range": [low, high], "color": translucent(SKY, 0.55), "name": "interval"},
                    {"range": base_mark, "color": PURPLE, "name": "base rate"},
                ],
                "threshold": {"line": {"color": VERMILION, "width": 4}, "thickness": 0.9, "value": threshold},
            },
        )
    )
    dress(figure, height=260)
    figure.update_layout(margin={"l": 45, "r": 45, "t": 30, "b": 45})
    figure.add_annotation(
        text=(
            f"<span style='color:{SKY}'>■</span> interval {span}   "
            f"<span style='color:{VERMILION}'>■</span> threshold {threshold:.0f}%   "
            f"<span style='color:{PURPLE}'>■</span> base rate {base:.0f}%"
        ),
        x=0.5,
        y=-0.14,
        xref="paper",
        yref="paper",
        showarrow=False,
    )
    return figure
