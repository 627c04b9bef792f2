"""Every transfer syntax on the phantom: lossless ones exactly, lossy ones within their loss, unknown ones by name."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from htcore.errors import ReadError
from tests.rearrange import enhanced
from tests.studies import HeadStudy, other
from tests.transcode import LOSSLESS, frames_of, transcode
from tests.uploads import SMALL, code_of, files_of, read, saved

imagecodecs = pytest.importorskip("imagecodecs", reason="the encoders of requirements-dev.txt are not installed")

SIGNED = other(SMALL, signed=True, intercept=0.0)
# 12 bits hold −1024 … 3071 HU.
TWELVE = HeadStudy(slabs=((3, 20.0),), shape=(64, 64), pixel_mm=(3.5, 3.0))


def _trimmed(study: HeadStudy) -> list[Dataset]:
    """The study in 12 of 16 bits, as CT scanners store it; the bits above are 0, also of negative values."""
    out = []
    for dataset in study.datasets():
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2") & 0x0FFF).astype("<u2").tobytes()
        out.append(dataset)
    return out


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("study", [SMALL, SIGNED], ids=["unsigned", "signed"])
def test_lossless_syntaxes_are_exact(name: str, study: HeadStudy) -> None:
    volume, _ = read([transcode(dataset, LOSSLESS[name]) for dataset in study.datasets()])
    np.testing.assert_array_equal(volume.hu, study.hu())


@pytest.mark.parametrize("name", LOSSLESS)
def test_twelve_unsigned_bits_compressed(name: str) -> None:
    volume, _ = read([transcode(dataset, LOSSLESS[name]) for dataset in _trimmed(SMALL)])
    np.testing.assert_array_equal(volume.hu, SMALL.hu())


@pytest.mark.parametrize("name", LOSSLESS)
def test_twelve_signed_bits_compressed(name: str) -> None:
    study = SIGNED
    volume, _ = read([transcode(dataset, LOSSLESS[name]) for dataset in _trimmed(study)])
    np.testing.assert_array_equal(volume.hu, study.hu())


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless])
def test_enhanced_compressed_frame_by_frame(syntax: UID) -> None:
    order = [int(k) for k in np.random.default_rng(2).permutation(10)]
    volume, _ = read([transcode(enhanced(SMALL.datasets(), order), syntax)])
    np.testing.assert_array_equal(volume.hu, SMALL.hu())


def _lossy(syntax: UID) -> Callable[[Dataset], bytes]:
    encoders = {
        JPEGExtended12Bit: lambda p: imagecodecs.jpeg8_encode(p, level=100, bitspersample=12),
        JPEGLSNearLossless: lambda p: imagecodecs.jpegls_encode(p, level=2),
        JPEG2000: lambda p: imagecodecs.jpeg2k_encode(p, codecformat="J2K", reversible=False, level=90),
        HTJ2K: lambda p: imagecodecs.htj2k_encode(p, reversible=False, level=1e-4),
    }

    def file(dataset: Dataset) -> bytes:
        out = dcmread(io.BytesIO(saved(dataset)))
        out.file_meta.TransferSyntaxUID = syntax
        out.PixelData = encapsulate([encoders[syntax](np.ascontiguousarray(frame)) for frame in frames_of(dataset)])
        out["PixelData"].VR = "OB"
        return saved(out)

    return file


@pytest.mark.parametrize(
    ("syntax", "loss_hu"), [(JPEGExtended12Bit, 12), (JPEGLSNearLossless, 2), (JPEG2000, 20), (HTJ2K, 20)]
)
def test_lossy_syntaxes_lose_no_more_than_they_say(syntax: UID, loss_hu: int) -> None:
    volume, _ = read([_lossy(syntax)(dataset) for dataset in _trimmed(TWELVE)])
    difference = np.abs(volume.hu.astype(int) - TWELVE.hu())
    assert difference.max() <= loss_hu
    assert np.median(difference) <= 1


def test_jpeg_baseline_of_eight_bits() -> None:
    """A window of 8 bits is not HU, but what is stored is read; the quality gate refuses it for its values."""
    files = []
    for dataset in SMALL.datasets():
        window = np.clip((frames_of(dataset)[0].astype(int) - 1024 + 60) * 255 // 200, 0, 255).astype(np.uint8)
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.RescaleIntercept = 7, 0
        dataset.PixelData = window.tobytes()
        files.append(transcode(dataset, JPEGBaseline8Bit))
    volume, _ = read(files)
    assert 0 <= volume.hu.min() and volume.hu.max() <= 255


@pytest.mark.parametrize("table", ["none", "basic", "extended"])
def test_offset_tables_and_split_fragments(table: str) -> None:
    dataset = enhanced(SMALL.datasets(), range(10))
    whole = dcmread(io.BytesIO(transcode(dataset, JPEG2000Lossless)))
    frames = list(generate_frames(whole.PixelData, number_of_frames=10))
    if table == "extended":
        pixels, whole.ExtendedOffsetTable, whole.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    else:
        pixels = encapsulate(frames, fragments_per_frame=1 if table == "none" else 3, has_bot=table == "basic")
    whole.PixelData = pixels
    whole["PixelData"].VR = "OB"
    np.testing.assert_array_equal(read([saved(whole)])[0].hu, SMALL.hu())


# What the readers of pixels must not do

UNKNOWN = {
    "private": "1.2.3.4.5",
    "ge_private_big_endian_pixels": "1.2.840.113619.5.2",
    "mpeg": "1.2.840.10008.1.2.4.100",
    "jpip": "1.2.840.10008.1.2.4.94",
    "jpeg_xl": "1.2.840.10008.1.2.4.110",
}


def _renamed(content: bytes, syntax: str) -> bytes:
    """The file with another transfer syntax of the same length in its meta header, padded as UIDs are."""
    old = dcmread(io.BytesIO(content), stop_before_pixels=True).file_meta.TransferSyntaxUID
    at = content.index(old.encode(), 128)
    length = int.from_bytes(content[at - 2 : at], "little")
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    header = content[: at - 2] + len(value).to_bytes(2, "little") + value + content[at + length :]
    group = int.from_bytes(header[140:144], "little") + len(value) - length
    return header[:140] + group.to_bytes(4, "little") + header[144:]


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("base", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, JPEG2000Lossless])
def test_an_unknown_transfer_syntax_is_named(name: str, base: UID) -> None:
    files = [_renamed(transcode(dataset, base), UNKNOWN[name]) for dataset in SMALL.datasets()]
    with pytest.raises(ReadError, match=r"(?i)transfer syntax"):
        read(files)


def test_rle_that_unpacks_to_more_than_its_frame() -> None:
    larger = other(SMALL, shape=(80, 72)).datasets()[4]
    content = dcmread(io.BytesIO(transcode(larger, RLELossless)))
    content.Rows, content.Columns = 40, 36
    assert code_of([saved(content)]) in {"undecodable", "truncated"}


_MEASURE = """
import re, sys, tests.uploads
from pathlib import Path
from htcore.dicom import read_study
from htcore.errors import HtcoreError
good, bomb = (Path(name) for name in sys.argv[1:])
status = lambda key: int(re.search(key + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024
read_study(good)
# Linux forgets the peak (proc(5), clear_refs).
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
try:
    read_study(bomb)
    print("volume")
except HtcoreError as error:
    print(error.code, status("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured by Linux's /proc")
@pytest.mark.parametrize("name", ["jpeg_lossless_sv1", "jpeg_ls", "jpeg_2000", "htj2k"])
def test_a_codestream_larger_than_the_header_says_takes_no_memory(name: str, tmp_path: Path) -> None:
    """8000 × 8000 in the codestream, 40 × 36 in the header: 128 MB and more where the decoder is let loose."""
    first = SMALL.datasets()[0]
    (tmp_path / "good").write_bytes(transcode(first, LOSSLESS[name]))
    first.Rows = first.Columns = 8000
    first.PixelData = np.full(8000 * 8000, 24, "<u2").tobytes()
    bomb = dcmread(io.BytesIO(transcode(first, LOSSLESS[name])))
    bomb.Rows, bomb.Columns = 40, 36
    (tmp_path / "bomb").write_bytes(saved(bomb))
    command = [sys.executable, "-c", _MEASURE, str(tmp_path / "good"), str(tmp_path / "bomb")]
    root = Path(__file__).resolve().parents[2]
    out = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True, timeout=60).stdout.split()
    assert out[0] == "undecodable"
    assert int(out[1]) < 40, "MiB"


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_header_larger_than_the_codestream_takes_no_memory(name: str, peak_mib: Callable[[], float]) -> None:
    content = dcmread(io.BytesIO(transcode(SMALL.datasets()[4], LOSSLESS[name])))
    content.Rows = content.Columns = 10_000
    file = saved(content)
    assert code_of([file]) in {"undecodable", "truncated"}
    assert peak_mib() < 8


def test_pixels_that_are_not_as_encapsulated_as_their_syntax_says() -> None:
    plain = [_renamed(content, JPEG2000Lossless) for content in files_of()]
    assert code_of(plain) == "undecodable"
    packed = [_renamed(transcode(d, JPEG2000Lossless), ExplicitVRLittleEndian) for d in SMALL.datasets()]
    assert code_of(packed) in {"undecodable", "truncated", "unsupported_syntax"}
