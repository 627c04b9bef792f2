"""One DICOM file: its header as plain values, and where its pixels lie."""

from __future__ import annotations

import io
import re
import struct
import zlib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

from pydicom import Dataset, config, dcmread
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from htcore.errors import ReadError

_TAGS: list[str] = [
    "SpecificCharacterSet", "SOPClassUID", "ImageType", "Modality", "Manufacturer", "ManufacturerModelName",
    "SeriesDescription", "PatientID", "PatientName", "PatientBirthDate", "PatientAge", "PatientSex", "StudyDate",
    "StudyInstanceUID", "SeriesInstanceUID", "AcquisitionNumber", "AcquisitionTime", "BodyPartExamined",
    "ContrastBolusAgent", "KVP", "ConvolutionKernel", "SliceThickness", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleIntercept", "RescaleSlope", "RescaleType",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
_CUT_SHORT = "A CT image is cut short or damaged: copy or export the study again."
# (0002,0002) or (0008,0016), four bytes of VR and length, then CT Image Storage or one of its Enhanced kin.
_CT_CLASS = re.compile(rb"(?:\x02\0\x02|\x08\0\x16)\0.{4}1\.2\.840\.10008\.5\.1\.4\.1\.1\.2(?:[\0.]|$)", re.DOTALL)
_DEFLATED = DeflatedExplicitVRLittleEndian.encode()
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_PIXEL_DATA_BIG = b"\x7f\xe0\x00\x10"
_ASCII = frozenset({"AS", "CS", "DA", "DS", "IS", "TM", "UI"})
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}


# pydicom's warnings quote the values that it dislikes, and those can be a patient's name.
config.settings.reading_validation_mode = config.IGNORE


class NotDicom(Exception):
    """The content cannot be parsed as DICOM; the file is left out."""


@dataclass(frozen=True, eq=False)
class Instance:
    """One DICOM object.

    Attributes
    ----------
    content : the file's bytes.
    header : the elements that reading needs; values are taken through ``text``, ``number`` and ``numbers``.
    syntax : transfer syntax, ``None`` where the file has no meta header.
    pixels_at, pixels_length : where the value of (7FE0,0010) lies in ``content``; ``None`` without pixels,
        length -1 where they are encapsulated.
    big_endian : byte order of the pixels.
    """

    content: bytes
    header: Dataset
    syntax: UID | None
    pixels_at: int | None
    pixels_length: int
    big_endian: bool
    _texts: dict[str, str] = field(default_factory=dict, repr=False)

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
        if keyword not in self._texts:
            self._texts[keyword] = _text(self.header, keyword)
        return self._texts[keyword]

    def number(self, keyword: str) -> float | None:
        """The first value as a number, or ``None`` where absent or empty.

        Raises
        ------
        ReadError
            Code ``bad_tag``, if the value is not a finite number.
        """
        values = _numbers(self.text(keyword), keyword)
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
        """(0010,1010) Patient's Age in years: "034Y", "006M", "003W", "012D"; ``None`` where absent or unreadable."""
        match = re.fullmatch(r"(\d{1,3})([DWMY])", self.text("PatientAge").strip().upper())
        return int(match[1]) / _PER_YEAR[match[2]] if match else None


def missing(keyword: str) -> ReadError:
    """The error for an element that is needed and absent."""
    return ReadError(f"{name_of(keyword)} is missing: export the original CT series again.", code="missing_tag")


def name_of(keyword: str) -> str:
    """An element as a person finds it in the standard: ``(0028,0030) Pixel Spacing``."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"({tag.group:04X},{tag.element:04X}) {dictionary_description(tag)}"


def numbers_of(header: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of an element as finite numbers; empty where absent.

    Raises
    ------
    ReadError
        Code ``bad_tag``.
    """
    return _numbers(_text(header, keyword), keyword)


def _numbers(text: str, keyword: str) -> tuple[float, ...]:
    if not text.strip():
        return ()
    try:
        values = tuple(float(part) for part in text.split("\\"))
    except ValueError:
        values = (float("nan"),)
    if not all(abs(value) < 1e12 for value in values):
        raise ReadError(f"{name_of(keyword)} is not a number: export the original series again.", code="bad_tag")
    return values


@lru_cache(maxsize=256)
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _text(header: Dataset, keyword: str) -> str:
    try:
        raw = header.get_item(_tag(keyword))
        if isinstance(raw, RawDataElement) and raw.value:
            # pydicom's conversion takes most of the time of reading a header; plain ASCII and US need none.
            if raw.VR in _ASCII:
                return raw.value.decode("latin-1").strip(" \0")
            if raw.VR in ("US", "SS") and len(raw.value) == 2:
                order: Literal["little", "big"] = "little" if raw.is_little_endian else "big"
                return str(int.from_bytes(raw.value, order, signed=raw.VR == "SS"))
        value: Any = header.get(keyword)
    except (ValueError, TypeError, LookupError, AttributeError, NotImplementedError, struct.error) as error:
        raise ReadError(f"{name_of(keyword)} cannot be read: export the series again.", code="bad_tag") from error
    if isinstance(value, DataElement):
        value = value.value
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(str(part) for part in value)
    return str(value)


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
    stream = io.BytesIO(content)
    try:
        header = dcmread(stream, stop_before_pixels=True, specific_tags=_TAGS, force=True)
    except Exception as error:  # pydicom lets many kinds through on damaged files
        if _claims_ct(content):
            raise ReadError(_CUT_SHORT, code="truncated") from error
        raise NotDicom from error
    if not len(header):
        raise NotDicom
    syntax = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    implicit, little = header.original_encoding
    at, length = _pixels(content, stream.tell(), bool(implicit), bool(little))
    if at is None and _claims_ct(content):
        raise ReadError(_CUT_SHORT, code="truncated")
    return Instance(content, header, syntax, at, length, not little)


def _inflated(content: bytes, max_bytes: int) -> bytes:
    """The same file uncompressed (PS3.5, A.5); pydicom would inflate without a limit."""
    if len(content) < 144:
        raise NotDicom
    start = 144 + int(struct.unpack_from("<I", content, 140)[0])
    try:
        body = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:], max_bytes + 1)
    except zlib.error as error:
        raise ReadError(_CUT_SHORT, code="truncated") from error
    if len(body) > max_bytes:
        raise ReadError("A deflated image unpacks to more than the limit: export it uncompressed.", code="too_large")
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
