"""The cohort page as PDF: notice, source, charts, tables, and what bounds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from htcore.report.charts import draw_chart
from htcore.report.page import printable
from htcore.ui.cohort_whole import WholePage

if TYPE_CHECKING:
    from fpdf import FPDF

# A4 portrait, in mm: two charts beside each other.
_MARGIN, _FOOT, _GAP = 14.0, 18.0, 6.0
_CHART_HEIGHT = 71.0
_INK, _RED, _GREY = (20, 26, 32), (160, 60, 0), (85, 92, 100)


def write_cohort_report(page: WholePage) -> bytes:
    """A few A4 pages as PDF; the notice stands on each of them."""
    from fpdf import FPDF

    pdf = FPDF(format="A4")
    pdf.core_fonts_encoding = "cp1252"
    pdf.set_title("Cohort report")
    pdf.set_margin(_MARGIN)
    pdf.c_margin = 0.0
    pdf.set_auto_page_break(True, _FOOT)
    pdf.add_page()
    _say(pdf, "Cohort report", size=17, bold=True)
    _say(pdf, page.notice, size=10, bold=True, colour=_RED)
    pdf.ln(2)
    for name, value in page.facts.items():
        _say(pdf, f"{name}: {value}", size=8)
    # The parts of the scans stand below as a table, whose rows paper can hold.
    _charts(pdf, {name: figure for name, figure in page.charts.items() if name != "Parts of the scans"})
    for name, rows in page.tables.items():
        _table(pdf, name, rows)
    pdf.ln(3)
    for text in page.words:
        _say(pdf, text, size=8)
        pdf.ln(1)
    _number(pdf, page.notice)
    return bytes(pdf.output())


def _say(pdf: FPDF, text: str, *, size: float, bold: bool = False, colour: tuple[int, int, int] = _INK) -> None:
    pdf.set_font("Helvetica", "B" if bold else "", size)
    pdf.set_text_color(*colour)
    pdf.multi_cell(pdf.epw, size * 0.46, printable(text), align="L", new_x="LMARGIN", new_y="NEXT")


def _charts(pdf: FPDF, charts: dict[str, go.Figure]) -> None:
    width, top = (pdf.epw - _GAP) / 2, pdf.get_y() + 3
    for number, (name, figure) in enumerate(charts.items()):
        left = _MARGIN + (number % 2) * (width + _GAP)
        if number % 2 == 0 and top + _CHART_HEIGHT > pdf.h - _FOOT:
            pdf.add_page()
            top = pdf.get_y()
        pdf.set_font("Helvetica", "B", 11)
        pdf.set_text_color(*_INK)
        pdf.text(left, top + 4, printable(name))
        draw_chart(pdf, figure, left, top + 6, width, _CHART_HEIGHT - 9)
        if number % 2:
            top += _CHART_HEIGHT
    pdf.set_xy(_MARGIN, top + (_CHART_HEIGHT if len(charts) % 2 else 0))


def _table(pdf: FPDF, name: str, rows: pd.DataFrame) -> None:
    if pdf.get_y() > pdf.h - _FOOT - 30:
        pdf.add_page()
    pdf.ln(4)
    _say(pdf, name, size=11, bold=True)
    pdf.ln(1)
    pdf.set_font("Helvetica", "", 8)
    cells = rows.astype(str)
    longest = [max(12, len(str(column)), *cells[column].str.len()) for column in cells.columns]
    with pdf.table(
        col_widths=tuple(longest), text_align="LEFT", line_height=4.2, borders_layout="HORIZONTAL_LINES"
    ) as table:
        for record in (list(cells.columns), *cells.itertuples(index=False)):
            row = table.row()
            for cell in record:
                row.cell(printable(str(cell)))


def _number(pdf: FPDF, notice: str) -> None:
    """Notice and page number at the foot of every page."""
    pages = pdf.pages_count
    pdf.set_auto_page_break(False)
    for number in range(1, pages + 1):
        pdf.page = number
        pdf.set_font("Helvetica", "", 7)
        pdf.set_text_color(*_GREY)
        pdf.set_xy(_MARGIN, pdf.h - _FOOT + 4)
        pdf.multi_cell(pdf.epw, 3.2, printable(f"{notice} Page {number} of {pages}."), align="L")
