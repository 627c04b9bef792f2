"""All questions in their order, and the report."""

from __future__ import annotations

from collections.abc import Iterator

from htcore.dicom.series import is_sharp
from htcore.limits import checkpoint
from htcore.quality.blood import acute_blood
from htcore.quality.content import content
from htcore.quality.contrast import contrast_suspected
from htcore.quality.frame import locate
from htcore.quality.geometry import geometry, span_mm
from htcore.quality.head import around_brain, measure
from htcore.quality.metal import metal, streaked_slices
from htcore.quality.thresholds import ADULT_YEARS, MAX_SPAN_MM
from htcore.quality.values import noise, values
from htcore.types import Finding, QualityReport, StudyReceipt, Volume


def check(volume: Volume, receipt: StudyReceipt) -> QualityReport:
    """Findings on whether ``volume`` may be scored; the verdict is that of the severest.

    Parameters
    ----------
    volume
        As read; nothing is changed or resampled.
    receipt
        What the file says of kernel, contrast agent and age.
    """
    shape = tuple(geometry(volume))
    # A few slices show no whole skull, whatever is on them: no second reason that is not one.
    seen = () if any(finding.code == "too_few_slices" for finding in shape) else _seen(volume, receipt)
    return QualityReport((*shape, *seen, *_declared(receipt)))


def _seen(volume: Volume, receipt: StudyReceipt) -> Iterator[Finding]:
    """What the pixels tell."""
    if span_mm(volume) > MAX_SPAN_MM:
        message = f"The slices span {span_mm(volume):.0f} mm, more than {MAX_SPAN_MM:.0f}: give a head CT."
        yield Finding("not_a_head", "refuse", message)
        return
    head = measure(volume)
    wrong = (*content(volume, head), *values(volume, head))
    yield from wrong
    if any(finding.severity == "refuse" for finding in wrong) or not head.brain.any():
        # Values that are no HU, or a body that is no head, cannot be asked about blood.
        return
    inner = around_brain(head)
    checkpoint()
    # A sharp kernel that the file declares explains its noise.
    yield from noise(volume, inner, told=is_sharp(receipt.kernel or ""))
    yield from metal(volume, inner)
    frame = locate(inner, leave_out=streaked_slices(volume, inner))
    checkpoint()
    yield from contrast_suspected(inner, frame)
    checkpoint()
    yield from acute_blood(inner, frame)


def _declared(receipt: StudyReceipt) -> Iterator[Finding]:
    if receipt.contrast_agent is not None:
        message = "The series was taken with contrast agent: give the plain scan."
        yield Finding("contrast_tag", "refuse", message)
    if receipt.age_years is not None and receipt.age_years < ADULT_YEARS:
        yield Finding("child", "refuse", f"The model is for adults of {ADULT_YEARS:.0f} years and older.")
    if receipt.kernel is not None and is_sharp(receipt.kernel):
        yield Finding(
            "sharp_kernel", "warn", "The kernel is one for bone: give the soft-tissue series if there is one."
        )
    if receipt.inferred_intercept is not None:
        message = (
            f"The files do not say how stored values become HU; air, brain and bone confirm an intercept of "
            f"{receipt.inferred_intercept:.0f}. Send the original series if you can."
        )
        yield Finding("rescale_inferred", "warn", message)
    if receipt.simulated:
        yield Finding("simulated", "info", "This is a simulated scan, not a patient.")
