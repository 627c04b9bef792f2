"""What each region adds to the evidence, as steps that add up."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from htcore.plots.palette import GREY, HT, NO_HT, dress

MAX_STEPS = 8
"""Beyond these, regions are drawn as one step: the rest move little."""


def waterfall(steps: Sequence[tuple[str, float]]) -> go.Figure:
    """Steps from the largest to the smallest, the rest as one, and their sum.

    Parameters
    ----------
    steps
        Name and contribution in log-odds of each region.
    """
    ranked = sorted(steps, key=lambda step: -abs(step[1]))
    shown = list(ranked[:MAX_STEPS])
    rest = ranked[MAX_STEPS:]
    if rest:
        shown.append((f"{len(rest)} other regions", sum(value for _, value in rest)))
    names = [*(name for name, _ in shown), "all together"]
    values = [value for _, value in shown]
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            y=names,
            x=[*values, sum(values)],
            measure=["relative"] * len(values) + ["total"],
            text=[f"{value:+.2f}".replace("-", "−") for value in [*values, sum(values)]],
            textposition="outside",
            cliponaxis=False,
            increasing={"marker": {"color": HT}},
            decreasing={"marker": {"color": NO_HT}},
            totals={"marker": {"color": GREY}},
            connector={"line": {"color": GREY, "width": 1}},
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    dress(figure, height=90 + 26 * len(names), x_title="Evidence for bleeding (log-odds)")
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    figure.update_layout(margin={"l": 10, "r": 50, "t": 10, "b": 45}, showlegend=False)
    return figure
