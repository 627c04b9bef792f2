"""Where the predicted risks of scans with and without hemorrhagic transformation lie."""

from __future__ import annotations

import plotly.graph_objects as go

from htcore.evaluation import ValidationSet
from htcore.plots.palette import HT, NO_HT, VERMILION, dress


def score_distribution(validation: ValidationSet, threshold: float) -> go.Figure:
    """Histograms of the predicted risk by outcome, in steps of 5%, and the ``threshold`` in [0, 1]."""
    figure = go.Figure()
    for name, chosen, colour, pattern in (
        ("no HT", ~validation.labels, NO_HT, ""),
        ("HT", validation.labels, HT, "/"),
    ):
        figure.add_histogram(
            x=100 * validation.probability[chosen],
            name=f"{name} ({int(chosen.sum())} scans)",
            xbins={"start": 0, "end": 100.001, "size": 5},
            marker={"color": colour, "pattern": {"shape": pattern}},
            opacity=0.65,
        )
    figure.add_vline(x=100 * threshold, line={"color": VERMILION, "width": 2}, annotation_text="threshold")
    dress(figure, height=320, x_title="Predicted risk, %", y_title="Scans")
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(range=[0, 100])
    return figure
