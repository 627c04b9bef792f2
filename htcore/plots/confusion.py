"""Confusion matrix: counts, and what share of each outcome they are."""

from __future__ import annotations

import plotly.graph_objects as go

from htcore.evaluation import Confusion
from htcore.plots.palette import INK, PALE_BLUE, SKY, dress


def confusion_matrix(cells: Confusion) -> go.Figure:
    """Outcome in rows, call in columns; each cell tells its shares of row and column, and is shaded by the row's."""
    counts = [[cells.true_negative, cells.false_positive], [cells.false_negative, cells.true_positive]]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    columns = [max(1, counts[0][k] + counts[1][k]) for k in range(2)]
    text = [
        [
            f"<b>{counts[i][k]} scans</b><br>{shares[i][k]:.0%} of row<br>{counts[i][k] / columns[k]:.0%} of column"
            for k in range(2)
        ]
        for i in range(2)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=["below threshold", "above threshold"],
            y=["no HT", "HT"],
            text=text,
            texttemplate="%{text}",
            textfont={"size": 15, "color": INK},
            colorscale=[[0, PALE_BLUE], [1, SKY]],
            zmin=0,
            zmax=1,
            showscale=False,
            hovertemplate="outcome %{y}, model %{x}: %{text}<extra></extra>",
        )
    )
    dress(figure, height=360, x_title="Model (calls of scans)", y_title="Outcome (scans)")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False)
    return figure
