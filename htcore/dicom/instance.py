"""One DICOM file: its header as plain values, and where its pixels lie."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from pydicom import Dataset, config, dcmread
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from htcore.dicom.header import GROUPS, KEYWORDS, Header, NotUnderstoodError, header_of, name_of, walk
from htcore.errors import ReadError

_CUT_SHORT = "A CT image is cut short or damaged: copy or export the study again."
# (0002,0002) or (0008,0016), four bytes of VR and length, then CT Image Storage or one of its Enhanced kin.
_CT_CLASS = re.compile(rb"(?:\x02\0\x02|\x08\0\x16)\0.{4}1\.2\.840\.10008\.5\.1\.4\.1\.1\.2(?:[\0.]|$)", re.DOTALL)
_DEFLATED = DeflatedExplicitVRLittleEndian.encode()
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_PIXEL_DATA_BIG = b"\x7f\xe0\x00\x10"
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
# Year, month, day; with points before the present standard (PS3.5, 6.2).
_DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")
# Beyond this a date of birth is a stand-in of a de-identifier.
_OLDEST_YEARS = 120


class NotDicom(Exception):
    """The content cannot be parsed as DICOM; the file is left out."""


@dataclass(frozen=True, eq=False)
class Instance:
    """One DICOM object.

    Attributes
    ----------
    content : the file's bytes.
    header : the elements that reading needs; values are taken through ``text``, ``number`` and ``whole``.
    groups : (shared, per frame) functional groups of an Enhanced object (PS3.3 C.7.6.16), else ``None``.
    syntax : transfer syntax, ``None`` where the file has no meta header.
    pixels_at, pixels_length : where the value of (7FE0,0010) lies in ``content``; ``None`` without pixels,
        length -1 where they are encapsulated.
    """

    content: bytes
    header: Header
    groups: tuple[list[Dataset], list[Dataset]] | None
    syntax: UID | None
    pixels_at: int | None
    pixels_length: int

    @property
    def big_endian(self) -> bool:
        """Byte order of the pixels."""
        return not self.header.little_endian

    @property
    def modality(self) -> str:
        """(0008,0060), upper case; empty where absent."""
        return self.text("Modality").upper()

    @cached_property
    def image_type(self) -> tuple[str, ...]:
        """(0008,0008) Image Type, upper case."""
        return tuple(part.strip().upper() for part in self.text("ImageType").split("\\") if part.strip())

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.whole("Rows"), self.whole("Columns")

    @property
    def n_frames(self) -> int:
        """(0028,0008), 1 where absent."""
        return int(self.number("NumberOfFrames") or 1)

    def text(self, keyword: str) -> str:
        """The value as one string (several joined by a backslash, as in the file); empty where absent."""
        return self.header.text(keyword)

    def number(self, keyword: str) -> float | None:
        """The first value as a number, or ``None`` where absent or empty.

        Raises
        ------
        ReadError
            Code ``bad_tag``, if the value is not a finite number.
        """
        values = self.header.numbers(keyword)
        return values[0] if values else None

    def whole(self, keyword: str) -> int:
        """The value as a whole number.

        Raises
        ------
        ReadError
            Code ``missing_tag`` or ``bad_tag``.
        """
        value = self.number(keyword)
        if value is None:
            raise missing(keyword)
        return int(value)

    @property
    def age_years(self) -> float | None:
        """(0010,1010) Patient's Age in years: "034Y", "006M", "003W", "012D".

        Where it is absent or unreadable, the whole years from birth to study; ``None`` where these are not known
        either, or are one and the same day, as de-identifiers write.
        """
        match = re.fullmatch(r"(\d{1,3})([DWMY])", self.text("PatientAge").strip().upper())
        if match:
            return int(match[1]) / _PER_YEAR[match[2]]
        birth, study = (_DATE.fullmatch(self.text(keyword)) for keyword in ("PatientBirthDate", "StudyDate"))
        if birth is None or study is None or birth.groups() == study.groups():
            return None
        years = int(study[1]) - int(birth[1]) - (study.groups()[1:] < birth.groups()[1:])
        return float(years) if 0 <= years <= _OLDEST_YEARS else None


def missing(keyword: str) -> ReadError:
    """The error for an element that is needed and absent."""
    return ReadError(f"{name_of(keyword)} is missing: export the original CT series again.", code="missing_tag")


def parse(content: bytes, max_bytes: int = 2 << 30) -> Instance:
    """The header of a DICOM file, with or without the 128-byte preamble (PS3.10, section 7.1).

    A deflated file is inflated to at most ``max_bytes``.

    Raises
    ------
    NotDicom
        If the content is not DICOM.
    ReadError
        Code ``truncated``, if it is a CT image that ends before its pixels: to leave it out would leave a gap.
    """
    if _DEFLATED in content[:1024]:
        content = _inflated(content, max_bytes)
    try:
        return _walked(content)
    except NotUnderstoodError:
        return _read_by_pydicom(content)


def _walked(content: bytes) -> Instance:
    at, syntax = _meta(content)
    if syntax is None:
        # A data set on its own: explicit where the first element is followed by a VR (PS3.5, annex A).
        implicit, little = not content[at + 4 : at + 6].isalpha(), content[at : at + 1] != b"\0"
    else:
        implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    header, pixels_at, length = walk(content, at, implicit, little)
    if pixels_at is None:
        raise NotUnderstoodError
    return Instance(content, header, None, syntax, pixels_at, length)


def _meta(content: bytes) -> tuple[int, UID | None]:
    """(where the data set starts, its transfer syntax) from the file meta information (PS3.10, 7.1)."""
    at = 132 if content[128:132] == b"DICM" else 0
    syntax: UID | None = None
    while content[at : at + 2] == b"\x02\0":
        vr, short = content[at + 4 : at + 6], int.from_bytes(content[at + 6 : at + 8], "little")
        start, length = at + 8, short
        if vr == b"OB":
            start, length = at + 12, int.from_bytes(content[at + 8 : at + 12], "little")
        elif vr not in (b"UL", b"UI", b"SH", b"AE", b"LO"):
            raise NotUnderstoodError
        if content[at + 2 : at + 4] == b"\x10\0":
            # Without a check, whose warning would quote the value.
            syntax = UID(content[start : start + length].decode("latin-1").rstrip("\0 "), config.IGNORE)
        at = start + length
    if syntax is None and at:
        raise NotUnderstoodError
    return at, syntax


def _read_by_pydicom(content: bytes) -> Instance:
    stream = io.BytesIO(content)
    try:
        # pydicom's warnings quote the values that it dislikes, and those can be a patient's name.
        with config.disable_value_validation():
            dataset = dcmread(stream, stop_before_pixels=True, specific_tags=[*KEYWORDS, *GROUPS], force=True)
            groups = _groups(dataset)
    except Exception as error:  # pydicom lets many kinds through on damaged files
        if _claims_ct(content):
            raise ReadError(_CUT_SHORT, code="truncated") from error
        raise NotDicom from error
    if not len(dataset):
        raise NotDicom
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    implicit, little = dataset.original_encoding
    at, length = _pixels(content, stream.tell(), bool(implicit), bool(little))
    if at is None and _claims_ct(content):
        raise ReadError(_CUT_SHORT, code="truncated")
    return Instance(content, _with_shared(header_of(dataset, bool(little)), groups), groups, syntax, at, length)


def _with_shared(header: Header, groups: tuple[list[Dataset], list[Dataset]] | None) -> Header:
    """The header with what an Enhanced object says once for all frames, such as the kernel (C.8.15.3.3)."""
    if groups is None:
        return header
    shared = first_items(groups[0], header.little_endian)
    elements = {tag: value for part in shared for tag, value in part.elements.items()}
    return Header({**elements, **header.elements}, header.little_endian)


def first_items(groups: Iterable[Dataset], little_endian: bool) -> list[Header]:
    """The first item of every functional group macro.

    Raises
    ------
    ReadError
        Code ``bad_tag``, if a macro cannot be parsed.
    """
    try:
        return [header_of(e.value[0], little_endian) for group in groups for e in group if e.VR == "SQ" and e.value]
    except ReadError:
        raise
    except Exception as error:  # pydicom parses a group when it is asked for, and lets many kinds through
        raise ReadError("The frames' descriptions are damaged: export the series again.", code="bad_tag") from error


def _groups(dataset: Dataset) -> tuple[list[Dataset], list[Dataset]] | None:
    shared, per_frame = (list(dataset.get(keyword) or []) for keyword in GROUPS)
    return (shared, per_frame) if per_frame else None


def _inflated(content: bytes, max_bytes: int) -> bytes:
    """The same file uncompressed (PS3.5, A.5); pydicom would inflate without a limit."""
    if len(content) < 144:
        raise NotDicom
    start = 144 + int(struct.unpack_from("<I", content, 140)[0])
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(content[start:], max_bytes + 1)
    except zlib.error as error:
        raise ReadError(_CUT_SHORT, code="truncated") from error
    if len(body) > max_bytes:
        raise ReadError("A deflated image unpacks to more than the limit: export it uncompressed.", code="too_large")
    if not unpacker.eof:
        raise ReadError(_CUT_SHORT, code="truncated")
    syntax = ExplicitVRLittleEndian.encode() + b"\0"
    return bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax)) + syntax + body


def _claims_ct(content: bytes) -> bool:
    """By the SOP class of the file meta or, without one, of the data set; a DICOMDIR only refers to CT classes."""
    return _CT_CLASS.search(content, 0, 1024) is not None


def _pixels(content: bytes, at: int, implicit: bool, little: bool) -> tuple[int | None, int]:
    if content[at : at + 4] != (_PIXEL_DATA if little else _PIXEL_DATA_BIG) or len(content) < at + 12:
        return None, 0
    order = "<" if little else ">"
    start = at + 8 if implicit else at + 12
    (length,) = struct.unpack_from(f"{order}I", content, start - 4)
    return start, -1 if length == 0xFFFFFFFF else length
