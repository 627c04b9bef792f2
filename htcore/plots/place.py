"""Where one scan's risk lies among the validation set's."""

from __future__ import annotations

import plotly.graph_objects as go

from htcore.evaluation import ValidationSet
from htcore.plots.palette import HT, NO_HT, VERMILION, dress
from htcore.types import SURE, Limits, as_shown

_STEP = 5


def place_among(
    validation: ValidationSet,
    probability: float,
    threshold: float,
    *,
    simulated: bool,
    limits: Limits = (1 - SURE, SURE),
) -> go.Figure:
    """Scans with HT upwards, without downwards, in steps of 5% of risk; a mark at the scan and at the threshold.

    ``probability``, ``threshold`` and the validation set's risks are all at the model's own prevalence, in [0, 1]. The
    scan is drawn no further out than ``limits``.
    """
    figure = go.Figure()
    tallest = 1
    for name, chosen, colour, sign in (
        ("bled", validation.labels, HT, 1),
        ("did not bleed", ~validation.labels, NO_HT, -1),
    ):
        counts = [0] * (100 // _STEP)
        for risk in validation.probability[chosen]:
            counts[min(len(counts) - 1, int(100 * risk // _STEP))] += 1
        tallest = max(tallest, *counts)
        figure.add_bar(
            x=[_STEP * (k + 0.5) for k in range(len(counts))],
            y=[sign * count for count in counts],
            customdata=[f"{count} scans, risk {_STEP * k} to {_STEP * (k + 1)}%" for k, count in enumerate(counts)],
            hovertemplate="%{customdata}<extra></extra>",
            width=_STEP * 0.92,
            name=f"{name} ({int(chosen.sum())})",
            marker={"color": colour},
        )
    for at, colour, dash, text in (
        (threshold, VERMILION, "dot", "threshold"),
        (as_shown(probability, limits)[0], "#8a5fbf", "solid", "this scan"),
    ):
        figure.add_vline(x=100 * at, line={"color": colour, "width": 3, "dash": dash})
        figure.add_scatter(
            x=[None], y=[None], mode="lines", line={"color": colour, "width": 3, "dash": dash}, name=text
        )
    kind = "Simulated validation scans" if simulated else "Validation scans"
    dress(figure, height=210, x_title="Risk, %", y_title=kind.replace(" validation", "<br>validation"))
    figure.update_layout(barmode="relative", margin={"l": 60, "r": 10, "t": 10, "b": 45})
    figure.update_xaxes(range=[0, 100])
    reach = 1.1 * tallest
    figure.update_yaxes(range=[-reach, reach], tickvals=[-tallest, 0, tallest], ticktext=[tallest, 0, tallest])
    return figure
