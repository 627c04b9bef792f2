"""The elements of a data set that reading a CT needs, as raw bytes, and their conversion to text and numbers.

``walk`` exists for speed: of the time that pydicom takes for a slice, most goes into elements that nobody asks for.
It reads only what it fully understands; everything else is left to pydicom.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pydicom import Dataset
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import Tag

from htcore.errors import ReadError

KEYWORDS = (
    "SOPClassUID", "ImageType", "Modality", "Manufacturer", "ManufacturerModelName", "SeriesDescription", "PatientID",
    "PatientName", "PatientBirthDate", "PatientAge", "PatientSex", "StudyDate", "StudyInstanceUID",
    "SeriesInstanceUID", "AcquisitionNumber", "AcquisitionTime", "BodyPartExamined", "ContrastBolusAgent", "KVP",
    "ConvolutionKernel", "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows",
    "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleIntercept",
    "RescaleSlope", "RescaleType", "ContrastBolusAgentSequence",
)  # fmt: skip
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
TAGS = {keyword: tag_for_keyword(keyword) or 0 for keyword in KEYWORDS}
_VR = {tag: dictionary_VR(tag)[:2] for tag in TAGS.values()}
_PER_FRAME = tag_for_keyword(GROUPS[1])
_PIXEL_DATA = 0x7FE00010
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
     b"ST", b"TM", b"UI", b"UL", b"US"}
)  # fmt: skip
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ITEM_BYTES = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_UNDEFINED = 0xFFFFFFFF
_MAX_NESTING = 32
# Larger numbers (and those that are none) would overflow on the way to millimetres and HU.
_MAX_NUMBER = 1e12


class NotUnderstoodError(Exception):
    """The data set is not of the plain kind that ``walk`` reads."""


@dataclass(frozen=True, eq=False)
class Header:
    """Elements by tag as (VR, bytes); what is not in it is absent from the file.

    Text is taken as Latin-1: it is compared and searched for plain words, never shown to a person as a name.
    """

    elements: Mapping[int, tuple[str, bytes]]
    little_endian: bool = True
    _texts: dict[str, str] = field(default_factory=dict, repr=False)

    def text(self, keyword: str) -> str:
        """The value as one string (several joined by a backslash, as in the file); empty where absent.

        Of a sequence only whether it holds an item: ``"item"``, or empty.

        Raises
        ------
        ReadError
            Code ``bad_tag``, if the bytes cannot be a value of the element's VR.
        """
        if keyword not in self._texts:
            self._texts[keyword] = self._convert(keyword)
        return self._texts[keyword]

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """All values as finite numbers; empty where absent.

        Raises
        ------
        ReadError
            Code ``bad_tag``.
        """
        text = self.text(keyword)
        if not text:
            return ()
        values = _floats(text)
        if values is None:
            raise ReadError(f"{name_of(keyword)} is not a number: export the original series again.", code="bad_tag")
        return values

    def _convert(self, keyword: str) -> str:
        vr, value = self.elements.get(TAGS[keyword], ("", b""))
        if vr == "SQ":
            return "item" if value.startswith(_ITEM_BYTES) else ""
        binary = _BINARY.get(vr)
        if binary is None:
            return value.decode("latin-1").strip(" \0\t\r\n")
        size = struct.calcsize(binary)
        if len(value) % size:
            raise ReadError(f"{name_of(keyword)} cannot be read: export the series again.", code="bad_tag")
        order = "<" if self.little_endian else ">"
        return "\\".join(str(part) for part in struct.unpack(f"{order}{len(value) // size}{binary}", value))


@lru_cache(maxsize=1024)
def _floats(text: str) -> tuple[float, ...] | None:
    try:
        values = tuple(float(part) for part in text.split("\\"))
    except ValueError:
        return None
    return values if all(abs(value) < _MAX_NUMBER for value in values) else None


def name_of(keyword: str) -> str:
    """An element as a person finds it in the standard: ``(0028,0030) Pixel Spacing``."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"({tag.group:04X},{tag.element:04X}) {dictionary_description(tag)}"


def header_of(dataset: Dataset, little_endian: bool) -> Header:
    """The elements of a data set that pydicom has read."""
    elements: dict[int, tuple[str, bytes]] = {}
    for tag in TAGS.values():
        raw = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.value is not None:
            # Without an explicit VR, or as UN, the dictionary tells what the bytes are.
            known = raw.VR if raw.VR not in (None, "UN") else _VR[tag]
            elements[tag] = (str(known), bytes(raw.value))
        elif isinstance(raw, DataElement) and raw.VR == "SQ":
            elements[tag] = ("SQ", _ITEM_BYTES[0] if raw.value else b"")
        elif isinstance(raw, DataElement) and raw.value is not None:
            # pydicom converts some elements on the way, to know the kind of others.
            parts = raw.value if raw.VM > 1 else [raw.value]
            elements[tag] = ("LO", "\\".join(str(part) for part in parts).encode("latin-1", "replace"))
    return Header(elements, little_endian)


def walk(content: bytes, at: int, implicit: bool, little_endian: bool) -> tuple[Header, int | None, int]:
    """Elements of the data set from ``at`` up to the pixels: (header, where the pixels' value lies, its length).

    The place is ``None`` and the length 0 without pixels; the length is -1 where they are encapsulated.

    Raises
    ------
    NotUnderstoodError
        The bytes are damaged, cut short, or of a kind that is left to pydicom (functional groups).
    """
    order = "<" if little_endian else ">"
    heads = struct.Struct(f"{order}HH2sH"), struct.Struct(f"{order}HHI"), struct.Struct(f"{order}I")
    elements: dict[int, tuple[str, bytes]] = {}
    end = len(content)
    while at < end:
        tag, vr, length, start = _element(content, at, implicit, heads)
        if tag == _PIXEL_DATA:
            return Header(elements, little_endian), start, -1 if length == _UNDEFINED else length
        if tag == _PER_FRAME or tag > _PIXEL_DATA or tag >> 16 == 0xFFFE:
            raise NotUnderstoodError
        if length == _UNDEFINED:
            at = _after_sequence(content, start, implicit or vr == b"UN", heads, 0)
            if _VR.get(tag) == "SQ":
                elements[tag] = ("SQ", content[start:at])
            continue
        at = start + length
        if at > end:
            raise NotUnderstoodError
        if tag in _VR:
            known = _VR[tag] if implicit or vr == b"UN" else vr.decode("latin-1")
            elements[tag] = (known, content[start:at])
    return Header(elements, little_endian), None, 0


_Heads = tuple[struct.Struct, struct.Struct, struct.Struct]


def _element(content: bytes, at: int, implicit: bool, heads: _Heads) -> tuple[int, bytes, int, int]:
    """(tag, VR, length, where the value starts) of the element at ``at`` (PS3.5, 7.1.2 and 7.1.3)."""
    explicit_head, implicit_head, long_length = heads
    try:
        if implicit:
            group, element, length = implicit_head.unpack_from(content, at)
            return group << 16 | element, b"", length, at + 8
        group, element, vr, length = explicit_head.unpack_from(content, at)
        if vr in _SHORT:
            return group << 16 | element, vr, length, at + 8
        if vr in _LONG:
            return group << 16 | element, vr, long_length.unpack_from(content, at + 8)[0], at + 12
    except struct.error as error:
        raise NotUnderstoodError from error
    raise NotUnderstoodError


def _after_sequence(content: bytes, at: int, implicit: bool, heads: _Heads, nesting: int) -> int:
    """Where a sequence of undefined length that starts at ``at`` ends (PS3.5, 7.5)."""
    if nesting > _MAX_NESTING:
        raise NotUnderstoodError
    while True:
        tag, _, length, at = _element(content, at, True, heads)
        if tag == _SEQUENCE_END:
            return at
        if tag != _ITEM:
            raise NotUnderstoodError
        at = _after_item(content, at, implicit, heads, nesting) if length == _UNDEFINED else at + length


def _after_item(content: bytes, at: int, implicit: bool, heads: _Heads, nesting: int) -> int:
    while True:
        tag, _, length, start = _element(content, at, True, heads)
        if tag == _ITEM_END:
            return start
        _, vr, length, start = _element(content, at, implicit, heads)
        if length == _UNDEFINED:
            at = _after_sequence(content, start, implicit or vr == b"UN", heads, nesting + 1)
        else:
            at = start + length
