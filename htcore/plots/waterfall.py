"""What each region, or each kind of data, adds to the evidence, as steps that add up."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from htcore.plots.palette import GREY, HT, NO_HT, dress

MAX_STEPS = 8
"""Beyond these, regions are drawn as one step: the rest move little."""


def waterfall(steps: Sequence[tuple[str, float]], total: str | None = None) -> go.Figure:
    """Steps from the largest to the smallest, the rest as one, and their sum where it has a meaning.

    Parameters
    ----------
    steps
        Name and contribution in log-odds of each region.
    total
        What the sum is called; without it none is drawn.
    """
    ranked = sorted(steps, key=lambda step: -abs(step[1]))
    shown = list(ranked[:MAX_STEPS])
    rest = ranked[MAX_STEPS:]
    if rest:
        shown.append((f"{len(rest)} other regions", sum(value for _, value in rest)))
    names, values = [name for name, _ in shown], [value for _, value in shown]
    measures = ["relative"] * len(values)
    if total is not None:
        names, values, measures = [*names, total], [*values, sum(values)], [*measures, "total"]
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            y=names,
            x=values,
            measure=measures,
            text=[f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0" for value in values],
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
