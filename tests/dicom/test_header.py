from __future__ import annotations

import io
import struct

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import UID

from htcore.dicom import instance as instance_module
from htcore.dicom.header import KEYWORDS, NotUnderstoodError, header_of, walk
from htcore.dicom.instance import parse
from tests.studies import REAL_STUDY, HeadStudy, other
from tests.transcode import NATIVE, transcode

SMALL = HeadStudy(slabs=((1, 20.0),), shape=(40, 36), pixel_mm=(5.5, 6.0), thickness_mm=5.0)


def _bytes(dataset: FileDataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _with_sequences(undefined: bool) -> bytes:
    dataset = SMALL.datasets()[0]
    inner = Dataset()
    inner.SliceThickness = 99.0
    outer = Dataset()
    outer.ReferencedImageSequence = Sequence([inner, Dataset()])
    dataset.ReferencedStudySequence = Sequence([outer])
    for element in (dataset["ReferencedStudySequence"], outer["ReferencedImageSequence"]):
        element.is_undefined_length = undefined
    inner.is_undefined_length_sequence_item = outer.is_undefined_length_sequence_item = undefined
    return _bytes(dataset)


@pytest.mark.parametrize("undefined", [False, True])
def test_values_equal_pydicoms_past_nested_sequences(undefined: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    content = _with_sequences(undefined)
    expected = header_of(dcmread(io.BytesIO(content)), True)
    monkeypatch.setattr(instance_module, "_read_by_pydicom", lambda _: pytest.fail("left to pydicom"))
    found = parse(content)
    for keyword in KEYWORDS:
        assert found.header.text(keyword) == expected.text(keyword), keyword
    assert found.number("SliceThickness") == 5.0
    assert found.pixels_at is not None
    assert content[found.pixels_at :][: found.pixels_length] == SMALL.datasets()[0].PixelData


def test_real_headers_equal_pydicoms(monkeypatch: pytest.MonkeyPatch) -> None:
    if not REAL_STUDY.is_dir():
        pytest.skip("the real study is absent")
    monkeypatch.setattr(instance_module, "_read_by_pydicom", lambda _: pytest.fail("left to pydicom"))
    for path in sorted(REAL_STUDY.glob("*.dcm")):
        found, expected = parse(path.read_bytes()), dcmread(path)
        for keyword in KEYWORDS:
            value = expected.get(keyword)
            if isinstance(value, (int, float)):
                assert found.number(keyword) == float(value), keyword
        assert found.header.numbers("ImagePositionPatient") == tuple(expected.ImagePositionPatient)
        assert found.header.numbers("ImageOrientationPatient") == tuple(expected.ImageOrientationPatient)
        assert found.text("SeriesInstanceUID") == expected.SeriesInstanceUID
        assert found.image_type == tuple(expected.ImageType)


def test_numbers_of_binary_and_text_elements() -> None:
    study = other(SMALL, signed=True, intercept=0.0)
    dataset = study.datasets()[0]
    dataset.PixelPaddingValue = -2000
    header = parse(_bytes(dataset)).header
    assert header.numbers("Rows") == (40.0,)
    assert header.numbers("PixelPaddingValue") == (-2000.0,)
    assert header.numbers("PixelSpacing") == (5.5, 6.0)
    assert header.numbers("RescaleSlope") == (1.0,)
    assert header.numbers("ContrastBolusAgent") == ()


def _with_agent(items: int, undefined: bool, syntax: UID) -> bytes:
    dataset = SMALL.datasets()[0]
    dataset.ContrastBolusAgentSequence = Sequence([Dataset() for _ in range(items)])
    for item in dataset.ContrastBolusAgentSequence:
        item.CodeMeaning = "Iohexol"
        item.is_undefined_length_sequence_item = undefined
    dataset["ContrastBolusAgentSequence"].is_undefined_length = undefined
    return transcode(dataset, syntax)


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big_endian"])
@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("items", [0, 1, 2])
def test_of_a_sequence_is_known_whether_it_has_an_item(
    items: int, undefined: bool, syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _with_agent(items, undefined, NATIVE[syntax])
    expected = "item" if items else ""
    dataset = dcmread(io.BytesIO(content))
    assert header_of(dataset, syntax != "big_endian").text("ContrastBolusAgentSequence") == expected
    monkeypatch.setattr(instance_module, "_read_by_pydicom", lambda _: pytest.fail("left to pydicom"))
    found = parse(content)
    assert found.text("ContrastBolusAgentSequence") == expected
    assert found.number("KVP") == 120.0


def _element(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


@pytest.mark.parametrize(
    "content",
    [
        _element(0x0008, 0x0060, b"CS", b"CT")[:-1],
        _element(0x0008, 0x0060, b"??", b"CT"),
        b"\x08\0\x60\0C",
        struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + b"\0" * 20,
        struct.pack("<HH2sHI", 0x5200, 0x9230, b"SQ", 0, 0),
        # A sequence within a sequence within a sequence … without end.
        struct.pack("<HH2sHIHHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) * 40,
    ],
    ids=["cut value", "unknown VR", "cut head", "no items", "functional groups", "endless nesting"],
)
def test_what_is_not_understood_is_left_to_pydicom(content: bytes) -> None:
    with pytest.raises(NotUnderstoodError):
        walk(content, 0, implicit=False, little_endian=True)
