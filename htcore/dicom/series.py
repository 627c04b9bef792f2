"""Instances → series, and the one to score: by stated rules, each series with its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from htcore.dicom.geometry import same_position, sort_planes
from htcore.dicom.instance import Instance
from htcore.dicom.labels import contrast_of, exclusion, is_derived, is_elsewhere, is_sharp, modality_of
from htcore.dicom.planes import Plane, planes_of
from htcore.errors import ReadError, RefusedError
from htcore.types import SeriesRecord

__all__ = ["ENOUGH_SLICES", "Series", "choose", "contrast_of", "group", "is_sharp", "reason", "records"]

# A head CT has 20 slices and more; fewer are a scout, a sample or a cut. The quality gate uses the same number.
ENOUGH_SLICES = 8
# An adult head from chin to vertex is about 22 cm high: what covers more is head with neck, spine or trunk.
HEAD_HEIGHT_MM = 220.0
# Planes whose normals differ by less than 0.6 degrees belong together: rounding, not another reconstruction.
_SAME_DIRECTION = 0.01
_SAME_SPACING = 1e-3
# Axial within 45 degrees: gantries tilt up to 30.
_AXIAL_COSINE = 0.7
# What may tell apart two scans of one place that share a series, in the order in which it is tried.
_PARTING = (
    "AcquisitionNumber",
    "ConvolutionKernel",
    "SliceThickness",
    "ContrastBolusAgent",
    "ContrastBolusAgentSequence",
    "ImageType",
    "AcquisitionTime",
)


@dataclass(eq=False)
class Series:
    """Images of one series with one orientation and pixel grid. ``excluded`` says why it cannot be scored."""

    instances: list[Instance] = field(default_factory=list)
    planes: list[Plane] = field(default_factory=list)
    excluded: str | None = None
    error: ReadError | None = None

    @property
    def head(self) -> Instance:
        """The first instance, which speaks for the series."""
        return self.instances[0]

    @cached_property
    def ordered(self) -> list[Plane]:
        """The planes from the feet to the head."""
        return sort_planes(self.planes)

    @cached_property
    def repeats(self) -> bool:
        """Whether one place was scanned more than once with different results: perfusion, or scans that got mixed."""
        return any(same_position(a, b) and _digest(a) != _digest(b) for a, b in pairwise(self.ordered))

    @cached_property
    def coverage_mm(self) -> float:
        """Extent along the normal up to a head's height; beyond it, less by what is more."""
        first, last = self.ordered[0], self.ordered[-1]
        extent = float((last.position - first.position) @ first.normal)
        return min(extent, 2 * HEAD_HEIGHT_MM - extent)


def group(instances: list[Instance]) -> list[Series]:
    """Series by (0020,000D) and (0020,000E), split further by what cannot form one volume: orientation, size, spacing.

    Raises
    ------
    ReadError
        Code ``two_patients``.
    """
    _check_one_patient(instances)
    by_uid: dict[tuple[str, str, str | None], list[Instance]] = {}
    for instance in instances:
        key = instance.text("StudyInstanceUID"), instance.text("SeriesInstanceUID"), exclusion(instance)
        by_uid.setdefault(key, []).append(instance)
    out: list[Series] = []
    for (_, _, excluded), members in by_uid.items():
        if excluded is not None:
            out.append(Series(members, excluded=excluded))
        else:
            out.extend(_split(members))
    return out


def _check_one_patient(instances: list[Instance]) -> None:
    """One ID and one date of birth; names count where the ID is silent, since spellings of one person's name differ."""
    ids: set[str] = set()
    births: set[str] = set()
    names: dict[bool, set[str]] = {True: set(), False: set()}
    for instance in instances:
        patient = instance.text("PatientID").strip()
        ids.add(patient)
        births.add(instance.text("PatientBirthDate").strip())
        names[patient != ""].add(" ".join(instance.text("PatientName").upper().replace("^", " ").split()))
    with_id, without = names[True] - {""}, names[False] - {""}
    strangers = without - with_id if with_id else len(without) > 1
    if len(ids - {""}) > 1 or len(births - {""}) > 1 or strangers:
        message = "The images belong to two patients or more: give the study of one patient."
        raise ReadError(message, code="two_patients")


def _split(members: list[Instance]) -> list[Series]:
    out: list[Series] = []
    for instance in members:
        try:
            planes = planes_of(instance)
        except ReadError as error:
            # A slice of unknown place would leave a silent gap: the series as a whole is unreadable.
            return [Series(members, excluded=str(error), error=error)]
        for plane in planes:
            home = next((series for series in out if _fits(series.planes[0], plane)), None)
            if home is None:
                home = Series()
                out.append(home)
            home.planes.append(plane)
            if not home.instances or home.instances[-1] is not instance:
                home.instances.append(instance)
    return [part for series in out for part in _part(series)]


def _fits(first: Plane, plane: Plane) -> bool:
    if first.instance.shape != plane.instance.shape:
        return False
    if max(abs(a - b) for a, b in zip(first.spacing_mm, plane.spacing_mm, strict=True)) >= _SAME_SPACING:
        return False
    # Slices of one series share the arrays: nothing is to be compared.
    return first.normal is plane.normal or (
        float(np.abs(first.column_axis - plane.column_axis).max()) < _SAME_DIRECTION
        and float(np.abs(first.row_axis - plane.row_axis).max()) < _SAME_DIRECTION
    )


def _part(series: Series) -> list[Series]:
    """Part a series that scanned the same places more than once by the first tag that leaves no place twice."""
    if not series.repeats:
        return [series]
    for keyword in _PARTING:
        parts: dict[str, Series] = {}
        for plane in series.planes:
            part = parts.setdefault(plane.instance.text(keyword), Series())
            part.planes.append(plane)
            if not part.instances or part.instances[-1] is not plane.instance:
                part.instances.append(plane.instance)
        if len(parts) > 1 and not any(part.repeats for part in parts.values()):
            return list(parts.values())
    return [series]


def _digest(plane: Plane) -> bytes:
    instance = plane.instance
    start = instance.pixels_at or 0
    return hashlib.sha256(memoryview(instance.content)[start:]).digest() + plane.frame.to_bytes(4, "big")


# In order of weight; each with the words for a series that fails where the chosen one passes.
_RULES: tuple[tuple[Callable[[Series], bool], str], ...] = (
    (lambda s: abs(float(s.planes[0].normal[2])) > _AXIAL_COSINE, "not axial"),
    (lambda s: len(s.planes) >= ENOUGH_SLICES, f"fewer than {ENOUGH_SLICES} slices"),
    (lambda s: contrast_of(s.head) is None, "with contrast agent"),
    (lambda s: not s.repeats, "the same places scanned again and again"),
    (lambda s: not is_elsewhere(s.head), "another part of the body"),
    (lambda s: not is_derived(s.head), "derived, not original"),
    (lambda s: not is_sharp(s.head.text("ConvolutionKernel")), "sharp kernel"),
)
# What the receipt says of the chosen series where it passes.
_PRAISE = {"not axial": "axial", "with contrast agent": "plain", "derived, not original": "original"}


def _passed(series: Series) -> tuple[bool, ...]:
    """Which of ``_RULES`` the series passes; the kernel comes last."""
    return tuple(rule(series) for rule, _ in _RULES)


def choose(series: list[Series]) -> Series:
    """The series to score: axial, enough slices, plain, head, original, soft kernel, widest coverage, most slices.

    Where two are equal in all of this the earlier acquisition wins; the order of files never decides.

    Raises
    ------
    RefusedError
        Code ``not_ct`` where there are images but none of CT, ``no_slices`` where CT is there without a series of
        slices.
    ReadError
        Code ``several_studies`` where another examination holds a series that passes the same rules as the best one,
        but for the kernel, a matter of taste: which of them is meant nobody but the sender knows. Where the only CT
        series lack an element that is needed, its error; code ``no_dicom`` where there is no image at all.
    """
    usable = [entry for entry in series if entry.excluded is None]
    if usable:
        best = min(usable, key=_rank)
        equals = [entry for entry in usable if _passed(entry)[:-1] == _passed(best)[:-1]]
        if len({entry.head.text("StudyInstanceUID") for entry in equals}) > 1:
            message = "Two examinations or more hold a CT series that fits: give the one that is to be scored."
            raise ReadError(message, code="several_studies")
        return best
    broken = [entry.error for entry in series if entry.error is not None]
    if broken:
        raise broken[0]
    if any(entry.head.modality == "CT" and entry.excluded != "no image" for entry in series):
        message = "There is no series of axial slices, only localizers, captures or projections: export the original."
        raise RefusedError(message, code="no_slices")
    if all(entry.excluded == "no image" for entry in series):
        message = "The DICOM files hold no images: choose the folder of the CT series."
        raise ReadError(message, code="no_dicom")
    raise RefusedError("The study is not CT: a plain head CT is needed.", code="not_ct")


def _rank(series: Series) -> tuple[tuple[bool, ...], int, int, tuple[str, str], str, str, bytes]:
    """Smaller is better. Coverage counts in whole centimetres, so that half a slice does not outweigh the spacing."""
    return (
        tuple(not passed for passed in _passed(series)),
        -round(series.coverage_mm / 10),
        -len(series.planes),
        min((instance.text("StudyDate"), instance.text("AcquisitionTime")) for instance in series.instances),
        min(instance.text("AcquisitionNumber").rjust(12) for instance in series.instances),
        series.head.text("SeriesInstanceUID"),
        _digest(series.ordered[0]),
    )


def records(series: list[Series], chosen: Series) -> tuple[SeriesRecord, ...]:
    """One record a series, numbered in the order in which they were met."""
    return tuple(
        SeriesRecord(
            number=number,
            modality=modality_of(entry.head),
            n_images=len(entry.planes) or len(entry.instances),
            chosen=entry is chosen,
            reason=reason(entry, chosen) if len(series) > 1 else entry.excluded or "the only series",
        )
        for number, entry in enumerate(series, start=1)
    )


def reason(entry: Series, chosen: Series) -> str:
    """Why ``entry`` was chosen or not, in words."""
    if entry.excluded is not None:
        return entry.excluded
    if entry is chosen:
        praise = [_PRAISE[words] for rule, words in _RULES if words in _PRAISE and rule(entry)]
        return " and ".join(filter(None, (", ".join(praise), "of the widest coverage: those come first")))
    for rule, words in _RULES:
        if rule(chosen) != rule(entry):
            return words
    if _rank(entry)[:3] == _rank(chosen)[:3]:
        return "equal to the chosen series and later"
    return "less coverage or fewer slices than the chosen series"
