"""The cohort page's plotly figures as lines on paper: lines, points, areas, bars and tables of tiles.

Only what these figures use is known; anything else is not drawn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from htcore.report.page import SPARE, printable

if TYPE_CHECKING:
    from fpdf import FPDF

_INK, _GRID = (20, 26, 32), (222, 226, 230)
# In mm: a plot, or a row of one that has rows; above it the names of its marks, below it axis and legend.
_PLOT, _ROW = 66.0, 4.4
_HEAD, _AXIS_LEFT, _AXIS_FOOT, _LEGEND_LINE = 3.5, 12.0, 11.0, 3.4
_MOST_BESIDE = 0.6
"""Share of the width that the names of rows take at most."""
_HATCH = 1.5
# Of a plotly dash: stroke and gap in mm. fpdf2 knows one stroke a pattern, so that lengths tell them apart.
_DASHES = {
    "dot": (0.4, 0.9),
    "2px,4px": (0.6, 1.6),
    "dash": (2.0, 1.0),
    "dashdot": (2.8, 0.6),
    "longdash": (4.0, 1.2),
    "longdashdot": (5.5, 0.6),
}
_PX_MM = 0.16
Colour = tuple[int, int, int, float]


@dataclass(frozen=True)
class _Frame:
    """The plot's inside on the page, in mm, and what its edges stand for; ``rows`` names its rows, if it has any."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    rows: tuple[str, ...] = ()

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def across(self, x: Any) -> NDArray[np.float64]:
        """Data to mm from the left."""
        low, high = self.x_range
        return self.left + (np.asarray(x, dtype=np.float64) - low) / (high - low) * self.width

    def down(self, y: Any) -> NDArray[np.float64]:
        """Data to mm from the top."""
        low, high = self.y_range
        values = [self.rows.index(name) for name in y] if self.rows else y
        return self.bottom - (np.asarray(values, dtype=np.float64) - low) / (high - low) * self.height

    def points(self, x: Any, y: Any) -> list[tuple[float, float]]:
        """Data to mm on the page; what is no number is left out."""
        pairs = zip(self.across(x), self.down(y), strict=True)
        return [(float(a), float(b)) for a, b in pairs if np.isfinite(a + b)]


def has_rows(figure: go.Figure) -> bool:
    """Whether the figure has a row a name, which wants the width of the page."""
    return bool(_rows(figure))


def chart_height(figure: go.Figure) -> float:
    """What `draw_chart` takes of the page, mm."""
    return _HEAD + _plot_height(figure) + _AXIS_FOOT + _LEGEND_LINE * len(_named(figure))


def draw_chart(pdf: FPDF, figure: go.Figure, left: float, top: float, width: float) -> None:
    """Draw ``figure`` from there on the page, mm, and its legend below it; traces that wait in a legend stay away."""
    top += _HEAD
    # What is set in here must not colour what is written after it.
    with pdf.local_context():
        tiles = [trace for trace in figure.data if trace.type == "heatmap"]
        if tiles:
            _tiles(pdf, figure, tiles[0], left, top, width)
            return
        frame = _frame(pdf, figure, left, top, width)
        _axes(pdf, figure, frame)
        # The clip alone would bring the colours back on paper, but not in fpdf2's mind.
        with pdf.rect_clip(frame.left, frame.top, frame.width, frame.height), pdf.local_context():
            for trace in figure.data:
                if _drawn(trace):
                    _trace(pdf, trace, frame)
            for shape in figure.layout.shapes:
                _stroke(pdf, shape.line)
                x0, x1 = frame.across([shape.x0, shape.x1])
                pdf.line(x0, frame.top, x1, frame.bottom)
        for note in figure.layout.annotations:
            _centred(pdf, note.text, float(frame.across(note.x)), frame.top - 1)
        _legend(pdf, _named(figure), frame)


def _drawn(trace: Any) -> bool:
    return bool(trace.visible != "legendonly")


def _named(figure: go.Figure) -> list[Any]:
    """The traces of the legend in its order."""
    named = [trace for trace in figure.data if trace.name and _drawn(trace)]
    return sorted(named, key=lambda trace: trace.legendrank or 1000)


def _rows(figure: go.Figure) -> tuple[str, ...]:
    return tuple(figure.layout.yaxis.categoryarray or ())


def _plot_height(figure: go.Figure) -> float:
    return _ROW * len(_rows(figure)) or _PLOT


def _frame(pdf: FPDF, figure: go.Figure, left: float, top: float, width: float) -> _Frame:
    rows, beside = _rows(figure), _AXIS_LEFT
    pdf.set_font("Helvetica", "", 7)
    if rows:
        longest = max(pdf.get_string_width(printable(name)) for name in rows)
        beside = min(SPARE * longest + 2, _MOST_BESIDE * width)
    return _Frame(left + beside, top, width - beside, _plot_height(figure), *_ranges(figure), rows)


def _ranges(figure: go.Figure) -> tuple[tuple[float, float], tuple[float, float]]:
    found = []
    for axis, name in ((figure.layout.xaxis, "x"), (figure.layout.yaxis, "y")):
        if axis.range is not None:
            found.append((float(axis.range[0]), float(axis.range[1])))
        elif axis.categoryarray:
            found.append((len(axis.categoryarray) - 0.5, -0.5))
        else:
            top = max(float(np.nanmax(np.asarray(trace[name], dtype=np.float64))) for trace in figure.data)
            found.append((0.0, 1.05 * top or 1.0))
    return found[0], found[1]


def ticks(low: float, high: float) -> list[float]:
    """Round values from ``low`` to ``high``, about five."""
    rough = (high - low) / 5
    size = 10.0 ** np.floor(np.log10(rough))
    step = float(min((1, 2, 5, 10), key=lambda k: abs(k * size - rough)) * size)
    return [k * step for k in range(int(np.ceil(low / step)), int(np.floor(high / step + 1e-9)) + 1)]


def _axes(pdf: FPDF, figure: go.Figure, frame: _Frame) -> None:
    x_axis, y_axis = figure.layout.xaxis, figure.layout.yaxis
    pdf.set_dash_pattern()
    pdf.set_line_width(0.15)
    pdf.set_font("Helvetica", "", 7)
    pdf.set_text_color(*_INK)
    pdf.set_draw_color(*_GRID)
    for value in ticks(*frame.x_range):
        x = float(frame.across(value))
        pdf.line(x, frame.top, x, frame.bottom)
        _centred(pdf, _label(value, x_axis.tickformat), x, frame.bottom + 3.2)
    values = [] if frame.rows else ticks(*frame.y_range)
    labels = frame.rows or [_label(value, y_axis.tickformat) for value in values]
    room = _MOST_BESIDE / (1 - _MOST_BESIDE) * frame.width
    for y, label in zip(frame.down(frame.rows or values), labels, strict=True):
        pdf.line(frame.left, y, frame.left + frame.width, y)
        words = _fitting(pdf, label, room)
        pdf.text(frame.left - 1 - pdf.get_string_width(words), y + 0.9, words)
    _centred(pdf, x_axis.title.text or "", frame.left + frame.width / 2, frame.bottom + 7)
    _upwards(pdf, y_axis.title.text or "", frame.left - 9, frame.top, frame.height)


def _centred(pdf: FPDF, text: str, x: float, y: float) -> None:
    words = printable(text)
    pdf.text(x - pdf.get_string_width(words) / 2, y, words)


def _fitting(pdf: FPDF, text: str, room: float) -> str:
    """``text`` cut where it takes more than ``room``, mm."""
    words = printable(text)
    while SPARE * pdf.get_string_width(words) > room and len(words) > 4:
        words = f"{words[:-4]}..."
    return words


def _upwards(pdf: FPDF, text: str, x: float, top: float, height: float) -> None:
    """Write from the bottom to the top in the middle of ``height``, smaller where that is too little."""
    words = printable(text)
    with pdf.local_context():
        pdf.set_font_size(pdf.font_size_pt * min(1.0, height / (SPARE * pdf.get_string_width(words) + 0.1)))
        start = top + (height + pdf.get_string_width(words)) / 2
        with pdf.rotation(90, x, start):
            pdf.text(x, start, words)


def _label(value: float, tickformat: str | None) -> str:
    return f"{value:.0%}" if tickformat == ".0%" else f"{value:g}"


def _trace(pdf: FPDF, trace: Any, frame: _Frame) -> None:
    if trace.type == "bar":
        _bars(pdf, trace, frame)
    elif trace.fill == "toself":
        points = frame.points(trace.x, trace.y)
        *colour, alpha = _colour(trace.fillcolor)
        pdf.set_fill_color(*colour)
        with pdf.local_context(fill_opacity=alpha):
            pdf.polygon(points, style="F")
    elif trace.type == "scatter":
        points = frame.points(*_steps(trace))
        if "lines" in trace.mode:
            _stroke(pdf, trace.line)
            pdf.polyline(points)
        if trace.mode == "markers" or (trace.marker.size or 0) > 5:
            _errors(pdf, trace, frame)
            _markers(pdf, trace, points)


def _steps(trace: Any) -> tuple[Any, Any]:
    """A trace's line; ``vh`` goes up or down first and then across."""
    if trace.line.shape == "vh":
        return np.repeat(trace.x, 2)[:-1], np.repeat(trace.y, 2)[1:]
    return trace.x, trace.y


def _stroke(pdf: FPDF, line: Any) -> None:
    red, green, blue, _ = _colour(line.color)
    pdf.set_draw_color(red, green, blue)
    pdf.set_line_width(_PX_MM * (2 if line.width is None else line.width))
    if line.dash in _DASHES:
        stroke, gap = _DASHES[line.dash]
        pdf.set_dash_pattern(stroke, gap)
    else:
        pdf.set_dash_pattern()


def _markers(pdf: FPDF, trace: Any, points: Sequence[tuple[float, float]]) -> None:
    colour = _colour(trace.marker.color or trace.line.color)[:3]
    pdf.set_dash_pattern()
    pdf.set_line_width(0.25)
    pdf.set_draw_color(*colour)
    hollow = trace.marker.symbol == "square-open"
    pdf.set_fill_color(*((255, 255, 255) if hollow else colour))
    half = _PX_MM * (trace.marker.size or 6) / 2
    for x, y in points:
        if trace.marker.symbol == "diamond":
            half_wide = 1.3 * half
            pdf.polygon([(x, y - half_wide), (x + half_wide, y), (x, y + half_wide), (x - half_wide, y)], style="F")
        elif trace.marker.symbol in ("square", "square-open"):
            pdf.rect(x - half, y - half, 2 * half, 2 * half, style="DF")
        else:
            pdf.circle(x, y, half, style="F")


def _errors(pdf: FPDF, trace: Any, frame: _Frame) -> None:
    """Intervals up and down, or to both sides."""
    pdf.set_dash_pattern()
    pdf.set_line_width(0.25)
    for bars, name in ((trace.error_x, "x"), (trace.error_y, "y")):
        if bars.array is None:
            continue
        pdf.set_draw_color(*_colour(bars.color)[:3])
        values = np.asarray(trace[name], dtype=np.float64)
        ends = (values - np.asarray(bars.arrayminus), values + np.asarray(bars.array))
        lows, highs = (frame.points(*((end, trace.y) if name == "x" else (trace.x, end))) for end in ends)
        for low, high in zip(lows, highs, strict=True):
            pdf.line(*low, *high)


def _bars(pdf: FPDF, trace: Any, frame: _Frame) -> None:
    """Filled, or hatched where the trace has a pattern, so that they can be told apart without colour."""
    x, half = np.asarray(trace.x, dtype=np.float64), float(trace.width) / 2
    for at, count in zip(x, np.asarray(trace.y, dtype=np.float64), strict=True):
        if count:
            (left, top), (right, bottom) = frame.points([at - half, at + half], [count, 0])
            _block(pdf, trace, left, top, right - left, bottom - top)


def _block(pdf: FPDF, trace: Any, left: float, top: float, width: float, height: float) -> None:
    """A bar or a sample of it."""
    red, green, blue, _ = _colour(trace.marker.color)
    pdf.set_fill_color(red, green, blue)
    pdf.set_draw_color(red, green, blue)
    pdf.set_line_width(0.3)
    pdf.set_dash_pattern()
    if not trace.marker.pattern.shape:
        with pdf.local_context(fill_opacity=trace.opacity or 1.0):
            pdf.rect(left, top, width, height, style="F")
        return
    pdf.rect(left, top, width, height, style="D")
    with pdf.rect_clip(left, top, width, height):
        for start in np.arange(top, top + height + width, _HATCH):
            pdf.line(left, start, left + width, start - width)


def _legend(pdf: FPDF, traces: Sequence[Any], frame: _Frame) -> None:
    left, top = frame.left, frame.bottom + _AXIS_FOOT
    for number, trace in enumerate(traces):
        y = top + number * _LEGEND_LINE
        sample = _Frame(left, y - 2, 9, 2, (0, 1), (0, 1))
        sample_of = _box_sample if trace.type == "bar" or trace.fill == "toself" else _line_sample
        sample_of(pdf, trace, sample)
        pdf.set_dash_pattern()
        pdf.set_font("Helvetica", "", 7)
        pdf.set_text_color(*_INK)
        pdf.text(left + 11, y, _fitting(pdf, _plain(trace.name), frame.width - 11))


def _line_sample(pdf: FPDF, trace: Any, sample: _Frame) -> None:
    middle = sample.top + sample.height / 2
    if "lines" in trace.mode:
        _stroke(pdf, trace.line)
        pdf.line(sample.left, middle, sample.left + sample.width, middle)
    else:
        _markers(pdf, trace, [(sample.left + sample.width / 2, middle)])


def _box_sample(pdf: FPDF, trace: Any, sample: _Frame) -> None:
    if trace.type == "bar":
        _block(pdf, trace, sample.left, sample.top, sample.width, sample.height)
        return
    *colour, alpha = _colour(trace.fillcolor)
    pdf.set_fill_color(*colour)
    with pdf.local_context(fill_opacity=alpha):
        pdf.rect(sample.left, sample.top, sample.width, sample.height, style="F")


def _tiles(pdf: FPDF, figure: go.Figure, trace: Any, left: float, top: float, width: float) -> None:
    """A heatmap's cells with their words, the first row on top."""
    label, height = 17.0, _plot_height(figure)
    wide, high = (width - label) / len(trace.x), height / len(trace.y)
    pdf.set_dash_pattern()
    pdf.set_text_color(*_INK)
    low, full = (
        np.array(_colour(stop)[:3], dtype=np.float64) for _, stop in (trace.colorscale[0], trace.colorscale[-1])
    )
    shares: NDArray[np.float64] = np.asarray(trace.z, dtype=np.float64)
    for i, row_name in enumerate(trace.y):
        pdf.set_font("Helvetica", "", 8)
        pdf.text(left + 5, top + (i + 0.5) * high, printable(str(row_name)))
        for j in range(len(trace.x)):
            pdf.set_fill_color(*(int(v) for v in low + shares[i, j] * (full - low)))
            x, y = left + label + j * wide, top + i * high
            pdf.rect(x, y, wide - 0.6, high - 0.6, style="F")
            for k, words in enumerate(str(trace.text[i][j]).split("<br>")):
                pdf.set_font("Helvetica", "B" if k == 0 else "", 9)
                _centred(pdf, _plain(words), x + wide / 2, y + high / 2 + (k - 1) * 5 + 1)
    pdf.set_font("Helvetica", "", 8)
    for j, column in enumerate(trace.x):
        _centred(pdf, str(column), left + label + (j + 0.5) * wide, top + height + 4)
    _centred(pdf, figure.layout.xaxis.title.text or "", left + (label + width) / 2, top + height + 9)
    _upwards(pdf, figure.layout.yaxis.title.text or "", left + 2.5, top, height)


def _plain(text: str) -> str:
    return re.sub(r"<[^<>]*>", "", text)


def _colour(text: str) -> Colour:
    """``#rrggbb`` or ``rgba(r,g,b,a)``: 0–255 each, and opacity 0–1."""
    if text.startswith("#"):
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16), 1.0
    red, green, blue, alpha = (float(part) for part in re.findall(r"[\d.]+", text))
    return int(red), int(green), int(blue), alpha
