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

from htcore.report.page import printable

if TYPE_CHECKING:
    from fpdf import FPDF

_INK, _GREY, _GRID = (20, 26, 32), (85, 92, 100), (222, 226, 230)
_AXIS_LEFT, _AXIS_FOOT, _LEGEND_LINE = 12.0, 11.0, 3.4
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
    """The plot's inside on the page, in mm, and what its edges stand for."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def points(self, x: Any, y: Any) -> list[tuple[float, float]]:
        """Data to mm on the page; what is no number is left out."""
        across, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        right = self.left + (across - x0) / (x1 - x0) * self.width
        down = self.top + self.height - (up - y0) / (y1 - y0) * self.height
        return [(float(a), float(b)) for a, b in zip(right, down, strict=True) if np.isfinite(a + b)]


def draw_chart(pdf: FPDF, figure: go.Figure, left: float, top: float, width: float, height: float) -> None:
    """Draw ``figure`` into that box of the page, mm; its legend below it."""
    tiles = [trace for trace in figure.data if trace.type == "heatmap"]
    if tiles:
        _tiles(pdf, figure, tiles[0], left, top, width, height)
        return
    named = [trace for trace in figure.data if trace.name]
    inside = height - _AXIS_FOOT - _LEGEND_LINE * len(named) - 2
    frame = _Frame(left + _AXIS_LEFT, top, width - _AXIS_LEFT, inside, *_ranges(figure))
    _axes(pdf, figure, frame)
    with pdf.rect_clip(frame.left, frame.top, frame.width, frame.height):
        for trace in figure.data:
            _trace(pdf, trace, frame)
        for shape in figure.layout.shapes:
            _stroke(pdf, shape.line)
            (x0, _), (x1, _) = frame.points([shape.x0, shape.x1], [0, 0])
            pdf.line(x0, frame.top, x1, frame.top + frame.height)
    _legend(pdf, named, left + _AXIS_LEFT, top + inside + _AXIS_FOOT)


def _ranges(figure: go.Figure) -> tuple[tuple[float, float], tuple[float, float]]:
    found = []
    for axis, name in ((figure.layout.xaxis, "x"), (figure.layout.yaxis, "y")):
        if axis.range is not None:
            found.append((float(axis.range[0]), float(axis.range[1])))
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
    bottom = frame.top + frame.height
    pdf.set_draw_color(*_GRID)
    for value in ticks(*frame.x_range):
        ((x, _),) = frame.points([value], [frame.y_range[0]])
        pdf.line(x, frame.top, x, bottom)
        label = _label(value, x_axis.tickformat)
        pdf.text(x - pdf.get_string_width(label) / 2, bottom + 3.2, label)
    for value in ticks(*frame.y_range):
        ((_, y),) = frame.points([frame.x_range[0]], [value])
        pdf.line(frame.left, y, frame.left + frame.width, y)
        label = _label(value, y_axis.tickformat)
        pdf.text(frame.left - 1 - pdf.get_string_width(label), y + 0.9, label)
    pdf.text(frame.left, bottom + 7, printable(x_axis.title.text or ""))
    with pdf.rotation(90, frame.left - 9, bottom):
        pdf.text(frame.left - 9, bottom, printable(y_axis.title.text or ""))


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
    x, y = np.asarray(trace.x, dtype=np.float64), np.asarray(trace.y, dtype=np.float64)
    if trace.line.shape == "vh":
        return np.repeat(x, 2)[:-1], np.repeat(y, 2)[1:]
    return x, y


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
    pdf.set_dash_pattern()
    pdf.set_fill_color(*_colour(trace.marker.color or trace.line.color)[:3])
    half = _PX_MM * (trace.marker.size or 6) / 2
    for x, y in points:
        if trace.marker.symbol == "diamond":
            half_wide = 1.3 * half
            pdf.polygon([(x, y - half_wide), (x + half_wide, y), (x, y + half_wide), (x - half_wide, y)], style="F")
        else:
            pdf.circle(x, y, half, style="F")


def _errors(pdf: FPDF, trace: Any, frame: _Frame) -> None:
    """Vertical intervals."""
    if trace.error_y.array is None:
        return
    y = np.asarray(trace.y, dtype=np.float64)
    pdf.set_line_width(0.25)
    lows = frame.points(trace.x, y - np.asarray(trace.error_y.arrayminus, dtype=np.float64))
    highs = frame.points(trace.x, y + np.asarray(trace.error_y.array, dtype=np.float64))
    for (x, low), (_, high) in zip(lows, highs, strict=True):
        pdf.line(x, low, x, high)


def _bars(pdf: FPDF, trace: Any, frame: _Frame) -> None:
    """Filled; those with a pattern hollow with a stroke across, so that they can be told apart without colour."""
    red, green, blue, _ = _colour(trace.marker.color)
    pdf.set_fill_color(red, green, blue)
    pdf.set_draw_color(red, green, blue)
    pdf.set_line_width(0.4)
    pdf.set_dash_pattern()
    x, half = np.asarray(trace.x, dtype=np.float64), float(trace.width) / 2
    for at, count in zip(x, np.asarray(trace.y, dtype=np.float64), strict=True):
        if not count:
            continue
        (left, top), (right, bottom) = frame.points([at - half, at + half], [count, 0])
        if trace.marker.pattern.shape:
            pdf.rect(left, top, right - left, bottom - top, style="D")
            pdf.line(left, bottom, right, top)
        else:
            with pdf.local_context(fill_opacity=trace.opacity or 1.0):
                pdf.rect(left, top, right - left, bottom - top, style="F")


def _legend(pdf: FPDF, traces: Sequence[Any], left: float, top: float) -> None:
    for number, trace in enumerate(traces):
        y = top + number * _LEGEND_LINE
        sample = _Frame(left, y - 2, 9, 2, (0, 1), (0, 1))
        sample_of = _box_sample if trace.type == "bar" or trace.fill == "toself" else _line_sample
        sample_of(pdf, trace, sample)
        pdf.set_dash_pattern()
        pdf.set_font("Helvetica", "", 7)
        pdf.set_text_color(*_INK)
        pdf.text(left + 11, y, printable(_plain(trace.name)))


def _line_sample(pdf: FPDF, trace: Any, sample: _Frame) -> None:
    middle = sample.top + sample.height / 2
    if "lines" in trace.mode:
        _stroke(pdf, trace.line)
        pdf.line(sample.left, middle, sample.left + sample.width, middle)
    else:
        _markers(pdf, trace, [(sample.left + sample.width / 2, middle)])


def _box_sample(pdf: FPDF, trace: Any, sample: _Frame) -> None:
    red, green, blue, alpha = _colour(trace.fillcolor if trace.type == "scatter" else trace.marker.color)
    pdf.set_fill_color(red, green, blue)
    pdf.set_draw_color(red, green, blue)
    hollow = trace.type == "bar" and bool(trace.marker.pattern.shape)
    with pdf.local_context(fill_opacity=alpha):
        pdf.rect(sample.left, sample.top, sample.width, sample.height, style="D" if hollow else "F")


def _tiles(pdf: FPDF, figure: go.Figure, trace: Any, left: float, top: float, width: float, height: float) -> None:
    """A heatmap's cells with their words, the first row on top."""
    label, foot = 14.0, 14.0
    wide, high = (width - label) / len(trace.x), (height - foot) / len(trace.y)
    pdf.set_dash_pattern()
    pdf.set_text_color(*_INK)
    low, full = (
        np.array(_colour(stop)[:3], dtype=np.float64) for _, stop in (trace.colorscale[0], trace.colorscale[-1])
    )
    shares: NDArray[np.float64] = np.asarray(trace.z, dtype=np.float64)
    for i, row_name in enumerate(trace.y):
        pdf.set_font("Helvetica", "", 8)
        pdf.text(left, top + (i + 0.5) * high, printable(str(row_name)))
        for j in range(len(trace.x)):
            pdf.set_fill_color(*(int(v) for v in low + shares[i, j] * (full - low)))
            x, y = left + label + j * wide, top + i * high
            pdf.rect(x, y, wide - 0.6, high - 0.6, style="F")
            for k, words in enumerate(str(trace.text[i][j]).split("<br>")):
                pdf.set_font("Helvetica", "B" if k == 0 else "", 9)
                text = printable(_plain(words))
                pdf.text(x + (wide - pdf.get_string_width(text)) / 2, y + high / 2 + (k - 1) * 5 + 1, text)
    pdf.set_font("Helvetica", "", 8)
    for j, column in enumerate(trace.x):
        text = printable(str(column))
        pdf.text(left + label + (j + 0.5) * wide - pdf.get_string_width(text) / 2, top + height - foot + 4, text)
    pdf.text(left + label, top + height - foot + 9, printable(figure.layout.xaxis.title.text or ""))


def _plain(text: str) -> str:
    return re.sub(r"<[^<>]*>", "", text)


def _colour(text: str) -> Colour:
    """``#rrggbb`` or ``rgba(r,g,b,a)``: 0–255 each, and opacity 0–1."""
    if text.startswith("#"):
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16), 1.0
    red, green, blue, alpha = (float(part) for part in re.findall(r"[\d.]+", text))
    return int(red), int(green), int(blue), alpha
