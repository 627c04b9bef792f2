"""Charts as they are taken from the page: what they say, on which ground, and that they can be read there."""

from __future__ import annotations

import re
from typing import Any

import plotly.graph_objects as go
import pytest

from htcore.evaluation import Confusion, Interval, operating_point
from htcore.plots import confusion_matrix, roc
from htcore.ui import charts
from htcore.ui.charts import Theme, draw_saved_chart, take_away
from htcore.ui.cohort.data import Cohort, measure
from htcore.ui.cohort.report import report_html
from htcore.ui.cohort.whole import whole_page
from tests.evaluation.cohort import frame

NOTICES = {True: "simulated scans · research use only", False: "research use only", None: "research use only"}


def rgb(colour: str, over: str = "#ffffff") -> list[float]:
    """Of ``#rrggbb`` or ``rgba(r,g,b,a)`` laid over another."""
    if colour.startswith("#"):
        return [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    *channels, alpha = (float(found) for found in re.findall(r"[\d.]+", colour))
    return [alpha * c / 255 + (1 - alpha) * below for c, below in zip(channels, rgb(over), strict=True)]


def contrast(one: list[float], other: list[float]) -> float:
    """Ratio of luminances as WCAG 2 defines it, 1 to 21."""

    def luminance(channels: list[float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def roc_with_band() -> go.Figure:
    curve = measure(frame()).curve
    return roc(curve, Interval(0.8, 0.7, 0.9), Confusion(3, 1, 1, 4))


@pytest.mark.parametrize("simulated", [True, False, None])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chart_taken_away_has_its_notice_and_can_be_read(simulated: bool | None, theme: Theme) -> None:
    figure = take_away(roc_with_band(), simulated, theme)
    assert [note.text for note in figure.layout.annotations] == [NOTICES[simulated]]
    layout = figure.layout
    assert contrast(rgb(layout.font.color), rgb(layout.paper_bgcolor)) > 7
    # Only letters that any machine has: a saved picture lacks the page's.
    assert layout.font.family == "Arial, Helvetica, sans-serif"
    # The notice lies between the legend and the foot.
    note = layout.annotations[0]
    assert -note.yshift >= 50 + 19 * 4 and -note.yshift + 15 <= layout.margin.b


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_models_curve_stands_out_from_its_band(theme: Theme) -> None:
    figure = take_away(roc_with_band(), True, theme)
    band = next(trace for trace in figure.data if trace.name == "95% band")
    model = next(trace for trace in figure.data if trace.name.startswith("model"))
    assert contrast(rgb(model.line.color), rgb(band.fillcolor, figure.layout.paper_bgcolor)) > 4
    assert model.marker.color == model.line.color


def test_the_chart_that_is_drawn_is_the_one_to_take_away(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(charts.st, "plotly_chart", lambda figure, **options: drawn.update(options, figure=figure))
    draw_saved_chart(confusion_matrix(Confusion(3, 1, 1, 4)), "cohort-confusion", True)
    assert drawn["figure"].layout.annotations[0].text == NOTICES[True] and drawn["theme"] is None
    assert drawn["config"]["toImageButtonOptions"]["filename"] == "cohort-confusion"


def test_every_chart_of_the_report_carries_the_notice() -> None:
    measured = measure(frame())
    cohort = Cohort(measured.table, "k" * 64, None, None, 0.4, stored=False, simulated=True)
    page = whole_page(cohort, measured, operating_point(measured.bootstrap, 0.4), (), None)
    written = report_html(page)
    assert written.count(NOTICES[True].replace("·", "\\u00b7")) == len(page.charts) == 7
