"""Instances → series, and the one to score: by stated rules, each series with its reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from htcore.dicom.geometry import same_position, sort_planes
from htcore.dicom.instance import Instance
from htcore.dicom.planes import Plane, planes_of
from htcore.errors import ReadError, RefusedError
from htcore.types import SeriesRecord

# A head CT has 20 slices and more; fewer are a scout, a sample or a cut. The quality gate uses the same number.
ENOUGH_SLICES = 8
# Planes whose normals differ by less than 0.6 degrees belong together: rounding, not another reconstruction.
_SAME_DIRECTION = 0.01
_SAME_SPACING = 1e-3
# Axial within 45 degrees: gantries tilt up to 30.
_AXIAL_COSINE = 0.7
_PROJECTIONS = ("MIP", "MAXIP", "MINIP", "PROJECTION IMAGE", "AVERAGE", "VOLUME RENDERING", "VRT", "PERFUSION")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# Kernels that sharpen for bone and lung: GE names them, Siemens numbers (H60 and above, Br59 …), Philips letters.
_SHARP = re.compile(r"BONE|LUNG|EDGE|SHARP|DETAIL|^[HBUJ][A-Z]?(5[5-9]|[6-9]\d)|^(YD|YE|E|FC(3\d|5\d|8\d))$")
_CONTRAST = re.compile(r"CONTRAST|\bCTA\b|ANGIO|\+ ?C\b|\bC\+|PERFUSION|\bCTP\b|\bPOST\b")
_PLAIN = re.compile(r"WITHOUT|W/?O\b|NON[- ]?CON|NO CONTRAST|PLAIN|NATIVE|UNENHANCED")


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


def group(instances: list[Instance]) -> list[Series]:
    """Series by (0020,000E), split further by what cannot form one volume: orientation, size, spacing.

    Raises
    ------
    ReadError
        Code ``two_patients``.
    """
    _check_one_patient(instances)
    by_uid: dict[tuple[str, str | None], list[Instance]] = {}
    for instance in instances:
        by_uid.setdefault((instance.text("SeriesInstanceUID"), _excluded(instance)), []).append(instance)
    out: list[Series] = []
    for (_, excluded), members in by_uid.items():
        if excluded is not None:
            out.append(Series(members, excluded=excluded))
        else:
            out.extend(_split(members))
    return out


def _check_one_patient(instances: list[Instance]) -> None:
    ids = {instance.text("PatientID").strip() for instance in instances} - {""}
    births = {instance.text("PatientBirthDate").strip() for instance in instances} - {""}
    names = {" ".join(instance.text("PatientName").upper().replace("^", " ").split()) for instance in instances} - {""}
    if len(ids) > 1 or len(births) > 1 or (not ids and len(names) > 1):
        message = "The images belong to two patients or more: give the study of one patient."
        raise ReadError(message, code="two_patients")


def _excluded(instance: Instance) -> str | None:
    """Why an instance can be no slice of a CT volume, or ``None``."""
    kind = instance.image_type
    if instance.pixels_at is None and not instance.text("Rows"):
        return "no image"
    if instance.modality != "CT":
        return f"not CT but {instance.modality or 'of unknown modality'}"
    if instance.text("SOPClassUID").startswith(_SECONDARY_CAPTURE) or "SCREEN SAVE" in kind:
        return "secondary capture"
    if "LOCALIZER" in kind or "SCOUT" in kind:
        return "localizer"
    if any(word in part for part in kind for word in _PROJECTIONS if part == word or len(word) > 4):
        return "projection or map, not slices"
    if instance.number("SamplesPerPixel") not in (None, 1.0):
        return "colour image"
    return None


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
    return [part for series in out for part in _split_repeats(series)]


def _fits(first: Plane, plane: Plane) -> bool:
    return (
        first.instance.shape == plane.instance.shape
        and float(np.abs(first.column_axis - plane.column_axis).max()) < _SAME_DIRECTION
        and float(np.abs(first.row_axis - plane.row_axis).max()) < _SAME_DIRECTION
        and float(np.abs(np.subtract(first.spacing_mm, plane.spacing_mm)).max()) < _SAME_SPACING
    )


def _split_repeats(series: Series) -> list[Series]:
    """Part a series that scanned the same places more than once (two acquisitions, perfusion) by acquisition."""
    planes = sort_planes(series.planes)
    doubled = any(same_position(a, b) for a, b in pairwise(planes))
    by_acquisition: dict[str, Series] = {}
    for plane in series.planes:
        part = by_acquisition.setdefault(plane.instance.text("AcquisitionNumber"), Series())
        part.planes.append(plane)
        part.instances.append(plane.instance)
    if doubled and len(by_acquisition) > 1 and not _identical(planes):
        return list(by_acquisition.values())
    return [Series(series.instances, planes)]


def _identical(planes: list[Plane]) -> bool:
    """Whether all planes at one position carry the same stored bytes."""
    return all(_digest(a) == _digest(b) for a, b in pairwise(planes) if same_position(a, b))


def _digest(plane: Plane) -> bytes:
    instance = plane.instance
    start = instance.pixels_at or 0
    return hashlib.sha256(memoryview(instance.content)[start:]).digest() + bytes([plane.frame % 256])


def is_sharp(kernel: str) -> bool:
    """Whether a reconstruction kernel's name is known as one for bone or lung."""
    return _SHARP.search(kernel.strip().upper()) is not None


def contrast_of(instance: Instance) -> str | None:
    """The contrast agent by (0018,0010), or a series description that says so; ``None`` for a plain scan."""
    agent = instance.text("ContrastBolusAgent").strip()
    if agent and not re.fullmatch(r"(?i)no(ne)?|n|without.*|0", agent):
        return agent
    description = instance.text("SeriesDescription").upper()
    if _CONTRAST.search(description) and not _PLAIN.search(description):
        return "by the series description"
    return None


# In order of weight; each with the words for a series that fails where the chosen one passes.
_RULES: tuple[tuple[Callable[[Series], bool], str], ...] = (
    (lambda s: abs(float(s.planes[0].normal[2])) > _AXIAL_COSINE, "not axial"),
    (lambda s: len(s.planes) >= ENOUGH_SLICES, f"fewer than {ENOUGH_SLICES} slices"),
    (lambda s: contrast_of(s.head) is None, "with contrast agent"),
    (lambda s: s.head.image_type[:1] != ("DERIVED",), "derived, not original"),
    (lambda s: not is_sharp(s.head.text("ConvolutionKernel")), "sharp kernel"),
)


def choose(series: list[Series]) -> Series:
    """The series to score: axial, enough slices, plain, original, soft kernel, widest coverage, most slices.

    Raises
    ------
    RefusedError
        Code ``not_ct`` where there are images but none of CT, ``no_slices`` where CT is there without a series of
        slices.
    ReadError
        Where the only CT series lack an element that is needed; code ``no_dicom`` where there is no image at all.
    """
    usable = [entry for entry in series if entry.excluded is None]
    if usable:
        return max(usable, key=_rank)
    broken = [entry for entry in series if entry.error is not None]
    if broken:
        error = broken[0].error
        if error is not None:
            raise error
    if any(entry.head.modality == "CT" and entry.excluded != "no image" for entry in series):
        message = "There is no series of axial slices, only localizers, captures or projections: export the original."
        raise RefusedError(message, code="no_slices")
    if all(entry.excluded == "no image" for entry in series):
        message = "The DICOM files hold no images: choose the folder of the CT series."
        raise ReadError(message, code="no_dicom")
    raise RefusedError("The study is not CT: a plain head CT is needed.", code="not_ct")


def _rank(series: Series) -> tuple[tuple[bool, ...], int, int]:
    planes = sort_planes(series.planes)
    extent = float((planes[-1].position - planes[0].position) @ planes[0].normal)
    return tuple(rule(series) for rule, _ in _RULES), round(extent / 10), len(planes)


def records(series: list[Series], chosen: Series) -> tuple[SeriesRecord, ...]:
    """One record a series, numbered in the order in which they were met."""
    return tuple(
        SeriesRecord(
            number=number,
            modality=entry.head.modality,
            n_images=len(entry.planes) or len(entry.instances),
            chosen=entry is chosen,
            reason=reason(entry, chosen),
        )
        for number, entry in enumerate(series, start=1)
    )


def reason(entry: Series, chosen: Series) -> str:
    """Why ``entry`` was chosen or not, in words."""
    if entry.excluded is not None:
        return entry.excluded
    if entry is chosen:
        return "scored: axial, plain, original and widest coverage come first"
    for rule, words in _RULES:
        if rule(chosen) != rule(entry):
            return words
    return "less coverage or fewer slices than the chosen series"
