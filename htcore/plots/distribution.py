"""Where the predicted risks of scans with and without hemorrhagic transformation lie."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from htcore.evaluation import ValidationSet
from htcore.plots.palette import HT, NO_HT, VERMILION, dress, legend_below

_BINS = 20


def score_distribution(validation: ValidationSet, threshold: float) -> go.Figure:
    """Counts of the predicted risk by outcome, in steps of 5%, and the ``threshold`` in [0, 1]."""
    figure = go.Figure()
    for name, chosen, colour, pattern in (
        ("no HT", ~validation.labels, NO_HT, ""),
        ("HT", validation.labels, HT, "/"),
    ):
        # Counted here: a browser needs twenty numbers, not every scan's.
        counts, edges = np.histogram(validation.probability[chosen], bins=_BINS, range=(0, 1))
        figure.add_bar(
            x=100 * (edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=100 / _BINS,
            name=f"{name} ({int(chosen.sum())} scans)",
            marker={"color": colour, "pattern": {"shape": pattern}},
            opacity=0.65,
            hovertemplate="risk about %{x:.0f}%: %{y} scans",
        )
    figure.add_vline(
        x=100 * threshold, line={"color": VERMILION, "width": 2}, annotation_text="threshold", annotation_position="top"
    )
    dress(figure, height=380, x_title="Predicted risk, %", y_title="Scans")
    legend_below(figure)
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(range=[0, 100])
    return figure
