"""Confusion matrix: counts, and what share of each outcome they are."""

from __future__ import annotations

import plotly.graph_objects as go

from htcore.evaluation import Confusion
from htcore.plots.palette import INK, PALE_BLUE, SKY, dress


def confusion_matrix(cells: Confusion) -> go.Figure:
    """Outcome in rows, call in columns; each cell tells its shares of row and column, and is shaded by the row's."""
    counts = [[cells.true_negative, cells.false_positive], [cells.false_negative, cells.true_positive]]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    columns = [counts[0][k] + counts[1][k] for k in range(2)]
    text = [[_cell(counts[i][k], sum(counts[i]), columns[k]) for k in range(2)] for i in range(2)]
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


def _cell(count: int, in_row: int, in_column: int) -> str:
    scans = "scan" if count == 1 else "scans"
    return f"<b>{count} {scans}</b><br>{_share(count, in_row)} of row<br>{_share(count, in_column)} of column"


def _share(count: int, total: int) -> str:
    """In percent; what is not none or all is not rounded to it."""
    if total == 0:
        return "none"
    share = count / total
    if 0 < share < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= share < 1 else f"{share:.0%}"
