"""May this scan be scored? Every threshold stands here, with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.dicom.series import is_sharp
from htcore.types import Finding, QualityReport, StudyReceipt, Volume

# A head needs about 20 slices of 7 mm; under 8 there is a sample of a scan.
MIN_SLICES = 8
# Skull bone is 300 HU and more; brain, fresh blood and calcified plexus with partial volume stay below.
BONE_HU = 300.0
# Air is -1000; -500 lies halfway to soft tissue, so partial volume falls evenly on both sides.
BODY_HU = -500.0
# A slice through the skull vault is ringed by 3 to 15% bone of the head's area; brain alone shows 0.
MIN_BONE_FRACTION = 0.02
# More bone than this is no head: bone windows taken for HU, a phantom, a spine in metal.
MAX_BONE_FRACTION = 0.5
# Adult heads are 13 to 17 cm wide and 17 to 21 cm long; tilt, ears and a cut field of view widen the limits.
MIN_EXTENT_MM, MAX_EXTENT_MM = 100.0, 260.0
# The skull's ring closes around the brain in at least this share of the slices between base and vertex.
MIN_RINGED_SLICES = 0.25
# The cerebrum is 10 to 12 cm high: under 60 mm half of it is missing, under 90 mm a part.
MIN_COVERAGE_MM, GOOD_COVERAGE_MM = 60.0, 90.0
# Brain is 25 to 41 HU, old infarct and atrophy pull the median down, dense blood up.
MIN_BRAIN_HU, MAX_BRAIN_HU = 10.0, 60.0
# Air reads -1000; older scanners clip at -1024 and noise adds some.
AIR_HU = -800.0
# Brain tissue, without fat, air and bone: used for the median and the noise.
TISSUE_HU = (-20.0, 100.0)
# Early ischemic change is 2 to 6 HU: under thicker slices than 7.5 mm it drowns in partial volume.
MAX_THICKNESS_MM = 7.5
# A gap counts where a step is more than 1.5 times the slab's usual step and more than the slice is thick.
GAP_FACTOR = 1.5
# Steps that differ by more than this are different spacings, less is rounding of positions.
SPACING_TOLERANCE_MM = 0.1
# Less than 1 degree is how a head is laid, not a gantry that was tilted.
MIN_TILT_DEG = 1.0
# Planes steeper than this are coronal or sagittal; gantries tilt up to 30 degrees.
MAX_TILT_DEG = 45.0
# The model has been made for adults; skulls and strokes of children differ.
ADULT_YEARS = 18.0
# Pixel noise of a soft kernel is 3 to 5 HU at 5 mm and 8 to 12 at 1 mm; bone kernels exceed 20.
MAX_NOISE_HU = 18.0
# Pixels are sampled at about this distance: the questions here are about centimetres.
_SAMPLE_MM = 2.0
# Thin slices are sampled at this distance or wider.
_SAMPLE_SLICES_MM = 3.0


@dataclass(frozen=True, eq=False)
class _Head:
    """Measures of the sampled scan: ``slices`` are the sampled indices, arrays have shape (slices, rows, columns)."""

    slices: NDArray[np.intp]
    hu: NDArray[np.int16]
    body: NDArray[np.bool_]
    bone: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    spacing_mm: tuple[float, float]


def check(volume: Volume, receipt: StudyReceipt) -> QualityReport:
    """Findings on whether ``volume`` may be scored; the verdict is that of the severest.

    Parameters
    ----------
    volume
        As read; nothing is changed or resampled.
    receipt
        What the file says of kernel, contrast agent and age.
    """
    head = _measure(volume)
    findings = [*_geometry(volume), *_content(volume, head), *_declared(receipt)]
    if not is_sharp(receipt.kernel or ""):
        findings.extend(_noise(volume, head))
    return QualityReport(tuple(findings))


def _measure(volume: Volume) -> _Head:
    rows_mm, columns_mm = volume.pixel_spacing_mm
    step = max(1, round(_SAMPLE_MM / rows_mm)), max(1, round(_SAMPLE_MM / columns_mm))
    slices = _sampled_slices(volume.positions_mm)
    hu = np.ascontiguousarray(volume.hu[slices, :: step[0], :: step[1]])
    bone = hu > BONE_HU
    body = np.zeros_like(bone)
    brain = np.zeros_like(bone)
    for k in range(hu.shape[0]):
        body[k] = _largest(hu[k] > BODY_HU)
        # Inside the ring: what a fill of the bone adds. Closing bridges sutures and thin temporal bone.
        ring = ndimage.binary_closing(np.pad(bone[k] & body[k], 2), iterations=1)[2:-2, 2:-2]
        brain[k] = _largest(ndimage.binary_erosion(ndimage.binary_fill_holes(ring) & ~ring))
    return _Head(slices, hu, body, bone & body, brain, (rows_mm * step[0], columns_mm * step[1]))


def _sampled_slices(positions: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices at least ``_SAMPLE_SLICES_MM`` apart, the first and the last included."""
    out = [0]
    for k in range(1, len(positions)):
        if positions[k] - positions[out[-1]] >= _SAMPLE_SLICES_MM or k == len(positions) - 1:
            out.append(k)
    return np.array(out)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))


def _geometry(volume: Volume) -> Iterator[Finding]:
    slices = volume.shape[0]
    if slices < MIN_SLICES:
        message = f"{slices} slices are too few, at least {MIN_SLICES} are needed: give the whole series."
        yield Finding("too_few_slices", "refuse", message)
    tilt = float(np.degrees(np.arccos(np.clip(volume.normal[2], -1.0, 1.0))))
    if tilt > MAX_TILT_DEG:
        yield Finding("not_axial", "refuse", f"The slices stand {tilt:.0f}° from axial: give the axial series.")
    elif tilt > MIN_TILT_DEG:
        yield Finding("tilt", "info", f"The slices are tilted by {tilt:.1f}°; the geometry accounts for it.")
    thickest = float(volume.thickness_mm.max())
    if thickest > MAX_THICKNESS_MM:
        message = f"Slices are up to {thickest:.1f} mm thick, more than {MAX_THICKNESS_MM} mm: early signs may be lost."
        yield Finding("thick_slices", "warn", message)
    yield from _spacing(volume)


def _spacing(volume: Volume) -> Iterator[Finding]:
    steps = np.diff(volume.positions_mm)
    if steps.size == 0:
        return
    slabs = _slabs(steps)
    if len(slabs) > 1:
        listed = ", ".join(f"{size} slices {step:.1f} mm apart" for size, step in slabs)
        yield Finding("uneven_spacing", "info", f"The spacing is uneven ({listed}); the geometry accounts for it.")
    covered = np.maximum(volume.thickness_mm[:-1], volume.thickness_mm[1:])
    usual = np.array([_usual_step(steps, k) for k in range(steps.size)])
    gaps = (steps > GAP_FACTOR * usual) & (steps > covered + SPACING_TOLERANCE_MM)
    if gaps.any():
        widest = float(steps[gaps].max())
        message = f"Slices are missing in {int(gaps.sum())} places, the widest step is {widest:.1f} mm: send them all."
        yield Finding("missing_slices", "warn", message)


def _usual_step(steps: NDArray[np.float64], k: int) -> float:
    """Median of up to three steps on each side of step ``k``, without it."""
    around = np.concatenate((steps[max(0, k - 3) : k], steps[k + 1 : k + 4]))
    return float(np.median(around)) if around.size else float(steps[k])


def _slabs(steps: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Runs of equal steps as (slices, step in mm); single steps between runs are left out."""
    runs: list[tuple[int, float]] = []
    start = 0
    for k in range(1, steps.size + 1):
        if k == steps.size or abs(steps[k] - steps[start]) > SPACING_TOLERANCE_MM:
            if k - start > 1:
                runs.append((k - start + 1, float(steps[start:k].mean())))
            start = k
    return runs


def _content(volume: Volume, head: _Head) -> Iterator[Finding]:
    body = float(head.body.sum())
    bone_fraction = float(head.bone.sum()) / max(body, 1.0)
    extents = _extents(head)
    if extents[0] < MIN_EXTENT_MM or extents[1] > MAX_EXTENT_MM:
        message = (
            f"The body measures {extents[0]:.0f} × {extents[1]:.0f} mm, a head has {MIN_EXTENT_MM:.0f} to "
            f"{MAX_EXTENT_MM:.0f} mm: give a head CT."
        )
        yield Finding("not_a_head", "refuse", message)
    elif bone_fraction > MAX_BONE_FRACTION:
        yield Finding("not_a_head", "refuse", f"{bone_fraction:.0%} of the body is bone: give a head CT in HU.")
    ringed = head.brain.sum(axis=(1, 2)) * np.prod(head.spacing_mm) > 2000.0
    if bone_fraction < MIN_BONE_FRACTION or ringed.mean() < MIN_RINGED_SLICES:
        message = "No closed skull surrounds the brain: give the CT as acquired, with skull, in Hounsfield units."
        yield Finding("skull_missing", "refuse", message)
    else:
        yield from _coverage(volume, head.slices[ringed])
    yield from _values(head)


def _extents(head: _Head) -> tuple[float, float]:
    """Shorter and longer side in mm of the largest slice of the body."""
    k = int(head.body.sum(axis=(1, 2)).argmax())
    sides = [float(np.count_nonzero(head.body[k].any(axis=1 - axis))) * head.spacing_mm[axis] for axis in (0, 1)]
    return min(sides), max(sides)


def _coverage(volume: Volume, inside: NDArray[np.intp]) -> Iterator[Finding]:
    positions = volume.positions_mm
    extent = float(positions[inside[-1]] - positions[inside[0]] + volume.thickness_mm[inside[[0, -1]]].mean())
    if extent < MIN_COVERAGE_MM:
        message = f"Only {extent:.0f} mm of brain are covered, at least {MIN_COVERAGE_MM:.0f} mm are needed."
        yield Finding("brain_not_covered", "refuse", f"{message} Give the whole head.")
    elif extent < GOOD_COVERAGE_MM:
        message = f"{extent:.0f} mm of brain are covered; a whole brain takes {GOOD_COVERAGE_MM:.0f} mm and more."
        yield Finding("brain_not_covered", "warn", message)


def _values(head: _Head) -> Iterator[Finding]:
    darkest = float(np.percentile(head.hu, 1))
    if darkest > AIR_HU:
        message = (
            f"The darkest pixels read {darkest:.0f} HU, air is −1000: the values are not HU. Give the original CT."
        )
        yield Finding("hu_implausible", "refuse", message)
    tissue = head.hu[head.brain & (head.hu > TISSUE_HU[0]) & (head.hu < TISSUE_HU[1])]
    if tissue.size == 0:
        return
    median = float(np.median(tissue))
    if not MIN_BRAIN_HU <= median <= MAX_BRAIN_HU:
        message = (
            f"Brain tissue reads {median:.0f} HU, expected {MIN_BRAIN_HU:.0f} to {MAX_BRAIN_HU:.0f}: not plain CT."
        )
        yield Finding("hu_implausible", "refuse", message)


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
    if receipt.simulated:
        yield Finding("simulated", "info", "This is a simulated scan, not a patient.")


def _noise(volume: Volume, head: _Head) -> Iterator[Finding]:
    """Noise from neighbouring full-resolution pixels within the brain: differences cancel anatomy."""
    if not head.brain.any():
        return
    k = int(head.brain.sum(axis=(1, 2)).argmax())
    step = [max(1, round(a / b)) for a, b in zip(head.spacing_mm, volume.pixel_spacing_mm, strict=True)]
    rows, columns = np.nonzero(head.brain[k])
    rows, columns = rows * step[0], np.minimum(columns * step[1], volume.shape[2] - 3)
    full = volume.hu[head.slices[k]]
    differences = full[rows, columns + 2].astype(np.int32) - full[rows, columns]
    # The median absolute deviation ignores edges; 1.4826 makes it a standard deviation, √2 for the difference.
    noise = 1.4826 * float(np.median(np.abs(differences - np.median(differences)))) / np.sqrt(2.0)
    if noise > MAX_NOISE_HU:
        message = f"Noise is {noise:.0f} HU, a sharp kernel or a low dose: give the soft-tissue series if there is one."
        yield Finding("sharp_kernel", "warn", message)
