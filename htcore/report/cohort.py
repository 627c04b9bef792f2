"""The cohort page as PDF: notice, source, charts, tables, and what bounds them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from htcore.report.charts import chart_height, draw_chart, has_rows
from htcore.report.page import SPARE, printable
from htcore.ui.cohort.whole import WholePage

if TYPE_CHECKING:
    from fpdf import FPDF

# A4 portrait, in mm: two charts beside each other.
_MARGIN, _FOOT, _GAP = 14.0, 18.0, 6.0
_TITLE, _LINE = 6.0, 4.2
_INK, _RED, _GREY = (20, 26, 32), (160, 60, 0), (85, 92, 100)


def write_cohort_report(page: WholePage) -> bytes:
    """A few A4 pages as PDF; the notice stands on each of them."""
    pdf = _blank(page.notice)
    _say(pdf, "Cohort report", size=17, bold=True)
    _say(pdf, page.notice, size=10, bold=True, colour=_RED)
    pdf.ln(2)
    for name, value in page.facts.items():
        _say(pdf, f"{name}: {value}", size=8)
    _charts(pdf, page.charts)
    for name, rows in page.tables.items():
        _table(pdf, name, rows)
    pdf.ln(3)
    for text in page.words:
        _say(pdf, text, size=8)
        pdf.ln(1)
    return bytes(pdf.output())


def _blank(notice: str) -> FPDF:
    from fpdf import FPDF

    class Report(FPDF):
        """Notice and page number stand at the foot of every page."""

        def footer(self) -> None:
            self.set_y(_MARGIN - _FOOT - 10)
            _say(self, f"{notice} Page {self.page_no()} of {{nb}}.", size=7, colour=_GREY)

    pdf = Report(format="A4")
    pdf.core_fonts_encoding = "cp1252"
    pdf.set_title("Cohort report")
    pdf.set_margin(_MARGIN)
    pdf.c_margin = 0.0
    pdf.set_auto_page_break(True, _FOOT)
    pdf.add_page()
    return pdf


def _say(pdf: FPDF, text: str, *, size: float, bold: bool = False, colour: tuple[int, int, int] = _INK) -> None:
    pdf.set_font("Helvetica", "B" if bold else "", size)
    pdf.set_text_color(*colour)
    pdf.multi_cell(pdf.epw / SPARE, size * 0.46, printable(text), align="L", new_x="LMARGIN", new_y="NEXT")


def _keep_together(pdf: FPDF, height: float) -> None:
    """Begin a new page where what is ``height`` mm high would else be torn."""
    if pdf.get_y() > pdf.t_margin and pdf.get_y() + height > pdf.page_break_trigger:
        pdf.add_page()


def _charts(pdf: FPDF, charts: Mapping[str, go.Figure]) -> None:
    """Two beside each other, those with rows alone."""
    lines: list[list[str]] = []
    for name, figure in charts.items():
        if has_rows(figure) or not lines or len(lines[-1]) == 2 or has_rows(charts[lines[-1][0]]):
            lines.append([])
        lines[-1].append(name)
    for names in lines:
        pdf.ln(4)
        height = _TITLE + max(chart_height(charts[name]) for name in names)
        _keep_together(pdf, height)
        top = pdf.get_y()
        wide = has_rows(charts[names[0]])
        width = pdf.epw if wide else (pdf.epw - _GAP) / 2
        for number, name in enumerate(names):
            left = _MARGIN + number * (width + _GAP)
            pdf.set_font("Helvetica", "B", 11)
            pdf.set_text_color(*_INK)
            pdf.text(left, top + 4, printable(name))
            draw_chart(pdf, charts[name], left, top + _TITLE, width)
        pdf.set_y(top + height)


def _table(pdf: FPDF, name: str, rows: pd.DataFrame) -> None:
    """Columns as wide as their longest cell; the first one gives way where that is too wide for the page."""
    lines = [
        [printable(str(cell)) for cell in record]
        for record in [list(rows.columns), *rows.astype(str).to_numpy().tolist()]
    ]
    pdf.set_font("Helvetica", "B", 8)
    widths = [SPARE * max(pdf.get_string_width(cell) for cell in column) + 3 for column in zip(*lines, strict=True)]
    first = min(widths[0], pdf.epw - sum(widths[1:]))
    folded = sum(math.ceil(SPARE * pdf.get_string_width(line[0]) / first) for line in lines)
    _keep_together(pdf, 4 + _TITLE + _LINE * folded)
    pdf.ln(4)
    _say(pdf, name, size=11, bold=True)
    pdf.ln(1)
    pdf.set_font("Helvetica", "", 8)
    pdf.set_draw_color(*_GREY)
    pdf.set_line_width(0.15)
    widths[0] = first
    with pdf.table(
        width=min(pdf.epw, sum(widths)),
        col_widths=tuple(widths),
        align="LEFT",
        text_align="LEFT",
        line_height=_LINE,
        borders_layout="HORIZONTAL_LINES",
    ) as table:
        for line in lines:
            row = table.row()
            for cell, width in zip(line, widths, strict=True):
                row.cell(cell, padding=(0, width - width / SPARE, 0, 0))
