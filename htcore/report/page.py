"""The one-page report as PDF: what was found, by which model, on which input, and what it must not be used for.

No identifier can be in it but what the user typed: an ``Assessment`` holds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, cast

from htcore.errors import RefusedError
from htcore.report.pictures import KeySlice, colour_bar, key_slices
from htcore.training.card import history
from htcore.types import EVIDENCE_TOP, Assessment, Evidence, Finding, ModelIdentity, RiskEstimate, as_shown
from htcore.ui.notice import notice_for
from htcore.ui.words import (
    LABEL_LETTERS,
    finding_sentence,
    interval_percent,
    is_familiar,
    joint_sentence,
    lesion_sentence,
    percent,
    region_name,
    risk_sentence,
    signed,
    simulated_warning,
)

if TYPE_CHECKING:
    from fpdf import FPDF

# A4 portrait, in mm: pictures on the left, words on the right.
_PAGE_WIDTH, _PAGE_HEIGHT, _MARGIN = 210.0, 297.0, 12.0
_TOP, _FOOT = 42.0, 266.0
_PICTURE, _GAP = 56.0, 1.5
_WORDS = _MARGIN + 2 * _PICTURE + _GAP + 6.0
_WORDS_WIDTH = _PAGE_WIDTH - _MARGIN - _WORDS
_LINE = 4.1
_WARNINGS = 60.0
_INK, _GREY, _RED = (20, 26, 32), (85, 92, 100), (160, 60, 0)
_MAX_DPI = 180
_REGIONS = 5
SPARE = 1.2
"""How much wider than Helvetica the letters are that a viewer takes where it lacks that."""
# What the standard fonts of PDF lack.
_SPELT = str.maketrans({"−": "\u2013", "≤": "<=", "≥": ">=", "→": "to", "≈": "about", "\u202f": " ", "▲": ""})


def write_report(assessment: Assessment, made_on: date, label: str = "") -> bytes:
    """One A4 page as PDF.

    Parameters
    ----------
    assessment
        A scored study; its risk is printed as it stands, at its own prevalence.
    made_on
        The date to print.
    label
        Whose report it is, as the user wrote it; in the letters that `printable` leaves of it.

    Raises
    ------
    RefusedError
        If the study has no risk: there is nothing to report.
    """
    risk, model, evidence = assessment.risk, assessment.model, assessment.evidence
    if risk is None or model is None or evidence is None:
        raise RefusedError("This scan was not scored, so that there is nothing to report: see its quality findings.")
    pdf = _blank(made_on)
    _head(pdf, assessment, model, made_on, label)
    _pictures(pdf, assessment)
    _words(pdf, assessment, risk, evidence)
    _foot(pdf, assessment, model, label)
    return bytes(pdf.output())


def _blank(made_on: date) -> FPDF:
    from fpdf import FPDF

    pdf = FPDF(format="A4")
    pdf.core_fonts_encoding = "cp1252"
    pdf.set_creation_date(datetime(made_on.year, made_on.month, made_on.day))
    pdf.set_title("Risk of hemorrhagic transformation")
    pdf.set_auto_page_break(False)
    pdf.set_margin(_MARGIN)
    pdf.c_margin = 0.0
    pdf.add_page()
    return pdf


def _say(pdf: FPDF, text: str, *, size: float = 9, bold: bool = False, colour: tuple[int, int, int] = _INK) -> None:
    """Write a paragraph below the last one in the column that the left margin begins."""
    pdf.set_font("Helvetica", "B" if bold else "", size)
    pdf.set_text_color(*colour)
    pdf.multi_cell(pdf.epw, size * 0.46, printable(text), align="L", new_x="LMARGIN", new_y="NEXT")


def printable(text: str) -> str:
    """``text`` in the characters that PDF's standard fonts have, "?" for a letter that they lack."""
    return text.translate(_SPELT).encode("cp1252", errors="replace").decode("cp1252")


def _head(pdf: FPDF, assessment: Assessment, model: ModelIdentity, made_on: date, label: str) -> None:
    _say(pdf, "Risk of hemorrhagic transformation", size=17, bold=True)
    whose = f" For: {label[:LABEL_LETTERS]}" if label else ""
    _say(pdf, f"From a plain head CT. Report made on {made_on:%d %B %Y}.{whose}", colour=_GREY)
    pdf.ln(1)
    notice = notice_for(simulated=model.simulated, training_data=model.training_data)
    _say(pdf, f"{notice}. Not a medical device.", size=11, bold=True, colour=_RED)
    if assessment.receipt.simulated:
        _say(pdf, "Simulated study: no real patient.", bold=True, colour=_RED)
    elif (warning := simulated_warning(model)) is not None:
        _say(pdf, warning, bold=True, colour=_RED)


def _pictures(pdf: FPDF, assessment: Assessment) -> None:
    found = key_slices(assessment)
    slices = assessment.volume.shape[0]
    top = _TOP
    for entry in found:
        _pair(pdf, entry, top)
        pdf.set_font("Helvetica", "", 7.5)
        pdf.set_text_color(*_INK)
        text = f"Slice {entry.index + 1} of {slices}, z {entry.z_mm:.1f} mm: evidence {signed(entry.contribution, 2)}"
        pdf.text(_MARGIN, top + _PICTURE + 3.4, printable(text.replace("-", "−")))
        top += _PICTURE + 6.5
    if not found:
        return
    _scale(pdf, top)


def _pair(pdf: FPDF, entry: KeySlice, top: float) -> None:
    from PIL import Image

    width_mm, height_mm = entry.size_mm
    scale = _PICTURE / max(width_mm, height_mm)
    width, height = width_mm * scale, height_mm * scale
    pixels = (round(width / 25.4 * _MAX_DPI), round(height / 25.4 * _MAX_DPI))
    for k, picture in enumerate((entry.plain, entry.mapped)):
        left = _MARGIN + k * (_PICTURE + _GAP)
        pdf.set_fill_color(0, 0, 0)
        pdf.rect(left, top, _PICTURE, _PICTURE, style="F")
        image = Image.fromarray(picture).resize(pixels, Image.Resampling.LANCZOS)
        pdf.image(image, left + (_PICTURE - width) / 2, top + (_PICTURE - height) / 2, width, height)
        pdf.set_font("Helvetica", "B", 10)
        pdf.set_text_color(255, 216, 102)
        pdf.text(left + 1.2, top + _PICTURE / 2 + 1.5, entry.marks.left)
        pdf.text(left + _PICTURE - 3.4, top + _PICTURE / 2 + 1.5, entry.marks.right)


def _scale(pdf: FPDF, top: float) -> None:
    """The colour bar of all scans, and what the two pictures beside each other are."""
    from PIL import Image

    left, width = _MARGIN + _PICTURE + _GAP, _PICTURE
    pdf.image(Image.fromarray(colour_bar()), left, top, width, 3)
    pdf.set_font("Helvetica", "", 7)
    pdf.set_text_color(*_INK)
    pdf.text(left, top + 6, printable(f"≤ {signed(-EVIDENCE_TOP, 3)}"))
    pdf.text(left + width / 2 - 0.5, top + 6, "0")
    label = printable(f"≥ {signed(EVIDENCE_TOP, 3)}")
    pdf.text(left + width - pdf.get_string_width(label), top + 6, label)
    pdf.set_xy(_MARGIN, top - 0.5)
    pdf.set_text_color(*_GREY)
    text = (
        "Left: CT, width 40, level 40 HU. Right: evidence map: what moved the model, not where it will bleed. "
        "Log-odds per mL, on one scale for all scans; orange for bleeding, blue against."
    )
    pdf.multi_cell(_PICTURE - 2, 2.9, text, align="L")


def _words(pdf: FPDF, assessment: Assessment, risk: RiskEstimate, evidence: Evidence) -> None:
    simulated = assessment.model is not None and assessment.model.score_simulated
    pdf.set_left_margin(_WORDS)
    pdf.set_xy(_WORDS, _TOP)
    _say(pdf, percent(risk.probability, risk.limits), size=34, bold=True)
    _say(pdf, f"Interval {interval_percent(risk)}", size=11, bold=True)
    _say(pdf, f"Threshold {percent(risk.threshold)}: {risk.category}", size=11, bold=True)
    pdf.ln(1)
    _bar(pdf, risk)
    pdf.ln(2)
    _say(pdf, risk_sentence(risk, simulated=simulated, familiar=is_familiar(assessment.quality)))
    _say(pdf, f"Interval: {risk.interval_method}.", size=7, colour=_GREY)
    findings = assessment.quality.findings
    warnings = [one for one in findings if one.severity != "info"]
    if warnings:
        pdf.ln(1)
        _say(pdf, "Warnings about this scan", size=11, bold=True, colour=_RED)
        _findings(pdf, assessment, warnings, pdf.get_y() + _WARNINGS)
    if assessment.clinical is not None:
        pdf.ln(2)
        _say(pdf, "With clinical data", size=11, bold=True)
        _say(pdf, joint_sentence(assessment.clinical, risk, simulated=simulated))
    pdf.ln(2)
    _say(pdf, "Lesion", size=11, bold=True)
    _say(pdf, lesion_sentence(evidence.lesion))
    _regions(pdf, evidence)
    pdf.ln(2)
    _say(pdf, "Quality of the scan", size=11, bold=True)
    _findings(pdf, assessment, [one for one in findings if one.severity == "info"], _FOOT)
    pdf.set_left_margin(_MARGIN)


def _regions(pdf: FPDF, evidence: Evidence) -> None:
    ranked = sorted(evidence.regions, key=lambda region: -abs(region.contribution))[:_REGIONS]
    if not ranked:
        return
    pdf.ln(2)
    _say(pdf, "Regions that say most, evidence in log-odds", size=11, bold=True)
    for region in ranked:
        _say(pdf, f"{region_name(region)}: {signed(region.contribution, 2)}")


def _bar(pdf: FPDF, risk: RiskEstimate) -> None:
    """The risk on a line from 0 to 100%: interval as a band, threshold and risk as marks."""
    left, top, width = _WORDS, pdf.get_y(), _WORDS_WIDTH
    low, high = risk.shown_interval
    value, _ = as_shown(risk.probability, risk.limits)
    pdf.set_fill_color(228, 232, 236)
    pdf.rect(left, top, width, 4, style="F")
    pdf.set_fill_color(86, 180, 233)
    pdf.rect(left + width * low, top, max(0.4, width * (high - low)), 4, style="F")
    for at, colour, thick in ((risk.threshold, (213, 94, 0), 0.5), (value, (0, 60, 110), 1.0)):
        pdf.set_fill_color(*colour)
        pdf.rect(left + width * at - thick / 2, top - 1, thick, 6, style="F")
    pdf.set_y(top + 6)
    _say(pdf, "0% to 100%. Dark: this scan; light blue: its interval; orange: the threshold.", size=7, colour=_GREY)


def _findings(pdf: FPDF, assessment: Assessment, findings: Sequence[Finding], bottom: float) -> None:
    """The findings that fit above ``bottom`` mm, and how many do not."""
    if not findings:
        _say(pdf, "Nothing to remark." if not assessment.quality.findings else "Nothing more to remark.")
    for shown, finding in enumerate(findings):
        text = finding_sentence(finding, assessment.volume)
        pdf.set_font("Helvetica", "", 8)
        height = pdf.multi_cell(pdf.epw, 8 * 0.46, printable(text), align="L", dry_run=True, output="HEIGHT")
        if pdf.get_y() + cast(float, height) > bottom - 2 * _LINE:
            _say(pdf, f"and {len(findings) - shown} more: see the dashboard.", size=8)
            return
        _say(pdf, text, size=8)
        pdf.ln(0.8)


def _foot(pdf: FPDF, assessment: Assessment, model: ModelIdentity, label: str) -> None:
    told = history(model.training_data)
    pdf.set_xy(_MARGIN, _FOOT)
    pdf.set_draw_color(*_GREY)
    pdf.line(_MARGIN, _FOOT - 1, _PAGE_WIDTH - _MARGIN, _FOOT - 1)
    for text in (
        f"Model {model.id}, weights SHA-256 {model.weights_sha256}",
        f"{told[0].upper()}{told[1:200]}",
        f"Input SHA-256 {assessment.receipt.content_sha256}",
        f"Computed on {assessment.device}. "
        + (
            "Whose it is was typed in, not read from the scan."
            if label
            else "No name, number or date of the patient is on this page: note whose it is yourself."
        ),
    ):
        _say(pdf, text, size=7, colour=_GREY)
    notice = notice_for(simulated=model.simulated, training_data=model.training_data)
    _say(pdf, f"{notice[:140]}. Not for diagnosis or treatment.", size=8, bold=True, colour=_RED)
