"""Confusion matrix: counts, and what share of each outcome they are."""

from __future__ import annotations

import plotly.graph_objects as go

from htcore.evaluation import Confusion
from htcore.plots.palette import BLUE, dress, translucent


def confusion_matrix(cells: Confusion) -> go.Figure:
    """Outcome in rows, call in columns; each cell is shaded by its share of the row."""
    counts = [[cells.true_negative, cells.false_positive], [cells.false_negative, cells.true_positive]]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    text = [
        [f"{count} scans<br>{share:.0%} of row" for count, share in zip(*pair, strict=True)]
        for pair in zip(counts, shares, strict=True)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=["below threshold", "above threshold"],
            y=["no HT", "HT"],
            text=text,
            texttemplate="%{text}",
            textfont={"size": 15},
            colorscale=[[0, translucent(BLUE, 0.04)], [1, translucent(BLUE, 0.5)]],
            zmin=0,
            zmax=1,
            showscale=False,
            hovertemplate="outcome %{y}, model %{x}: %{text}<extra></extra>",
        )
    )
    dress(figure, height=320, x_title="Model (calls of scans)", y_title="Outcome (scans)")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False)
    return figure
