"""Slices: how many, how thick, how they lie."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from htcore.quality import thresholds as at
from htcore.types import Finding, Volume


def span_mm(volume: Volume) -> float:
    """From the first to the last slice."""
    positions = volume.positions_mm
    return float(positions[-1] - positions[0])


def geometry(volume: Volume) -> Iterator[Finding]:
    """Slices, tilt, thickness and spacing."""
    slices = volume.shape[0]
    if slices < at.MIN_SLICES:
        found = "1 slice is" if slices == 1 else f"{slices} slices are"
        message = f"{found} too few, at least {at.MIN_SLICES} are needed: give the whole series."
        yield Finding("too_few_slices", "refuse", message)
    tilt = float(np.degrees(np.arccos(np.clip(volume.normal[2], -1.0, 1.0))))
    if tilt > at.MAX_TILT_DEG:
        yield Finding("not_axial", "refuse", f"The slices stand {tilt:.0f}° from axial: give the axial series.")
    elif tilt > at.MIN_TILT_DEG:
        yield Finding("tilt", "info", f"The slices are tilted by {tilt:.1f}°; the geometry accounts for it.")
    thickest = float(volume.thickness_mm.max())
    if thickest > at.MAX_THICKNESS_MM:
        message = (
            f"Slices are up to {round(thickest, 2):g} mm thick, more than {at.MAX_THICKNESS_MM:g} mm: early signs may "
            "be lost."
        )
        yield Finding("thick_slices", "warn", message)
    yield from _spacing(volume)


def _spacing(volume: Volume) -> Iterator[Finding]:
    steps = np.diff(volume.positions_mm)
    if steps.size == 0:
        return
    doubled = int((steps < at.DOUBLED_MM).sum())
    if doubled:
        slices = "1 slice lies" if doubled == 1 else f"{doubled} slices lie"
        message = f"{slices} where another one lies already: give one series without repeated slices."
        yield Finding("doubled_slices", "warn", message)
    slabs = _slabs(steps)
    if len(slabs) > 1:
        listed = ", ".join(
            f"{f'after a step of {between:.2f} mm ' if between is not None else ''}{size} slices {step:.1f} mm apart"
            for size, step, between in slabs
        )
        yield Finding("uneven_spacing", "info", f"The spacing is uneven ({listed}); the geometry accounts for it.")
    covered = np.maximum(volume.thickness_mm[:-1], volume.thickness_mm[1:])
    usual = np.array([_usual_step(steps, k) for k in range(steps.size)])
    gaps = (steps > at.GAP_FACTOR * usual) & (steps > covered + at.SPACING_TOLERANCE_MM)
    if gaps.any():
        count, widest = int(gaps.sum()), float(steps[gaps].max())
        where = "1 place, the step there" if count == 1 else f"{count} places, the widest step"
        message = f"Slices are missing in {where} is {widest:.1f} mm: send them all."
        yield Finding("missing_slices", "warn", message)
    sparse = (steps > at.SPARSE_FACTOR * covered) & ~gaps
    if sparse.sum() > steps.size / 2:  # as of a study that every second slice is missing from
        thick, apart = float(covered[sparse].max()), float(steps[sparse].max())
        message = (
            f"The slices are up to {thick:.1f} mm thick but lie up to {apart:.1f} mm apart: send those between, "
            "or know that nobody has looked there."
        )
        yield Finding("missing_slices", "warn", message)


def _usual_step(steps: NDArray[np.float64], k: int) -> float:
    """Median of up to three steps on each side of step ``k``, without it."""
    around = np.concatenate((steps[max(0, k - 3) : k], steps[k + 1 : k + 4]))
    return float(np.median(around)) if around.size else float(steps[k])


def _slabs(steps: NDArray[np.float64]) -> list[tuple[int, float, float | None]]:
    """Runs of equal steps as (slices, step in mm, mm from the run before); other slices between runs are left out."""
    runs: list[tuple[int, float, float | None]] = []
    start, ended = 0, None
    for k in range(1, steps.size + 1):
        if k == steps.size or abs(steps[k] - steps[start]) > at.SPACING_TOLERANCE_MM:
            if k - start > 1:
                between = None if ended is None or ended == start else float(steps[ended:start].sum())
                runs.append((k - start + 1, float(steps[start:k].mean()), between))
                ended = k
            start = k
    return runs
