"""Bad input, row by row: an error with a code and a sentence, nothing written, no memory taken, no name told."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import ExplicitVRLittleEndian

from htcore import services
from htcore.dicom import read_study
from htcore.errors import HtcoreError, ReadError, RefusedError
from htcore.settings import Settings
from htcore.types import StudyReceipt, Volume
from tests.rearrange import enhanced
from tests.studies import HeadStudy, other
from tests.transcode import NATIVE, transcode

SMALL = HeadStudy(slabs=((10, 16.0),), shape=(40, 36), pixel_mm=(5.5, 6.0))
MIB = 1 << 20
Change = Callable[[Dataset], object]


def _files(study: HeadStudy = SMALL, change: Change | None = None) -> list[bytes]:
    out = []
    for dataset in study.datasets():
        if change is not None:
            change(dataset)
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        out.append(stream.getvalue())
    return out


def _read(contents: list[bytes], settings: Settings | None = None) -> tuple[Volume, StudyReceipt]:
    return read_study([(f"f{n}", io.BytesIO(content)) for n, content in enumerate(contents)], settings)


def _code(source: Any, settings: Settings | None = None) -> str:
    """The code of the error that ``source`` (contents, or whatever ``read_study`` takes) ends in."""
    if isinstance(source, list) and all(isinstance(part, bytes) for part in source):
        source = [(f"f{n}", io.BytesIO(content)) for n, content in enumerate(source)]
    with pytest.raises(HtcoreError) as caught:
        read_study(source, settings)
    return caught.value.code


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _set(**values: object) -> Change:
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def _left_out(receipt: StudyReceipt) -> dict[str, int]:
    return {entry.reason: entry.count for entry in receipt.left_out}


@pytest.fixture
def peak_mib() -> Iterator[Callable[[], float]]:
    """Peak of the memory that Python and numpy asked for since the test began, in MiB."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


# Files that are no images


def test_empty_file_and_empty_folder_have_their_own_words(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no files here") as caught:
        read_study(tmp_path)
    assert caught.value.code == "empty"
    (tmp_path / "a.dcm").touch()
    with pytest.raises(ReadError, match="file is empty") as caught:
        read_study(tmp_path / "a.dcm")
    assert caught.value.code == "empty"
    (tmp_path / "b.dcm").touch()
    with pytest.raises(ReadError, match="All 2 files are empty"):
        read_study(tmp_path)
    assert _left_out(_read([*_files(), b""])[1]) == {"empty file": 1}


def test_text_named_dcm(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("This is a text of more than sixty-four characters that calls itself DICOM.\n" * 9)
    assert _code(tmp_path / "a.dcm") == "no_dicom"


@pytest.mark.parametrize("content", [b"II*\0" + bytes(500), b"\x89PNG\r\n\x1a\n" + bytes(500), b"%PDF-1.7" * 90])
def test_other_images_are_counted_and_left_out(content: bytes) -> None:
    assert _code([content]) == "no_dicom"
    assert _left_out(_read([*_files(), content])[1]) == {"neither DICOM nor NIfTI": 1}


@pytest.mark.parametrize(
    "content",
    [b"Rar!\x1a\x07\x01\x00" + bytes(400), b"7z\xbc\xaf\x27\x1c" + bytes(400), bytes(257) + b"ustar" + bytes(300)],
)
def test_other_archives_are_told_by_name(content: bytes) -> None:
    with pytest.raises(ReadError, match="archive other than ZIP: unpack it") as caught:
        _read([content])
    assert caught.value.code == "no_dicom"


def test_a_dicomdir_that_points_elsewhere_is_followed_nowhere(tmp_path: Path) -> None:
    SMALL.write(tmp_path / "elsewhere")
    directory = Dataset()
    directory.file_meta = SMALL.datasets()[0].file_meta
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    record = Dataset()
    record.DirectoryRecordType = "IMAGE"
    record.ReferencedFileID = ["..", "elsewhere", "000"]
    record.ReferencedSOPClassUIDInFile = "1.2.840.10008.5.1.4.1.1.2"
    directory.FileSetID = "DISC"
    directory.DirectoryRecordSequence = [record]
    (tmp_path / "disc").mkdir()
    directory.save_as(tmp_path / "disc" / "DICOMDIR", enforce_file_format=True)
    assert _code(tmp_path / "disc") == "no_dicom"
    SMALL.write(tmp_path / "disc" / "images")
    volume, receipt = read_study(tmp_path / "disc")
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert sum(_left_out(receipt).values()) == 1


# Damage


@pytest.mark.parametrize("kept", [-1, -1441, -2880, 1100, 700, 400, 140])
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside_the_rest"])
def test_truncated_pixel_data(kept: int, beside: bool) -> None:
    files = _files()
    cut = files[3][:kept]
    codes = {"truncated", "missing_tag"} if beside and kept != 140 else {"truncated", "missing_tag", "no_dicom"}
    if beside and kept == 140:
        assert _left_out(_read([*files[:3], cut, *files[4:]])[1]) == {"damaged DICOM": 1}
        return
    assert _code([*files[:3], cut, *files[4:]] if beside else [cut]) in codes


@pytest.mark.parametrize("syntax", ["rle", "jpeg_ls", "jpeg_2000", "jpeg_lossless_sv1", "htj2k"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_truncated_compressed_pixels(syntax: str, share: float) -> None:
    pytest.importorskip("imagecodecs", reason="the encoders of requirements-dev.txt are not installed")
    from tests.transcode import LOSSLESS

    content = transcode(SMALL.datasets()[4], LOSSLESS[syntax])
    start = content.rindex(b"\xe0\x7f\x10\x00")
    cut = content[: start + int((len(content) - start) * share)]
    with pytest.raises(ReadError):
        _read([cut])


CLASSIC_TAGS = {
    "RescaleSlope": "missing_rescale",
    "RescaleIntercept": "missing_rescale",
    "ImagePositionPatient": "missing_tag",
    "ImageOrientationPatient": "missing_tag",
    "PixelSpacing": "missing_tag",
    "Rows": "missing_tag",
    "Columns": "missing_tag",
    "BitsAllocated": "missing_tag",
    "PixelRepresentation": "missing_tag",
    "SamplesPerPixel": "missing_tag",
    "PixelData": "truncated",
    "Modality": "not_ct",
}
HARMLESS_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "ImageType", "PatientID", "PatientName", "PatientAge", "PatientSex", "Manufacturer",
    "ConvolutionKernel", "KVP", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber", "PhotometricInterpretation",
    "BitsStored", "HighBit",
]  # fmt: skip


@pytest.mark.parametrize("tag", CLASSIC_TAGS)
@pytest.mark.parametrize("one", [False, True], ids=["all_slices", "one_slice"])
def test_a_missing_tag_that_matters(tag: str, one: bool) -> None:
    """Also where one slice alone lacks it: to go on without it would leave a silent gap."""
    files, spoiled = _files(), _files(change=lambda dataset: delattr(dataset, tag))
    contents = [*files[:4], spoiled[4], *files[5:]] if one else spoiled
    if one and tag == "Modality":
        _, receipt = _read(contents)
        assert _left_out(receipt) == {"not CT but of unknown modality": 1}
        return
    assert _code(contents) == CLASSIC_TAGS[tag]


@pytest.mark.parametrize("tag", HARMLESS_TAGS)
def test_a_missing_tag_that_does_not_matter(tag: str) -> None:
    volume, _ = _read(_files(change=lambda dataset: delattr(dataset, tag)))
    np.testing.assert_array_equal(volume.hu, SMALL.hu())


ENHANCED_MACROS = {
    "PlanePositionSequence": "missing_tag",
    "PlaneOrientationSequence": "missing_tag",
    "PixelValueTransformationSequence": "missing_rescale",
}


@pytest.mark.parametrize("macro", ENHANCED_MACROS)
@pytest.mark.parametrize("emptied", [False, True], ids=["missing", "empty"])
def test_a_missing_functional_group_of_one_frame(macro: str, emptied: bool) -> None:
    dataset = enhanced(SMALL.datasets(), range(10))
    frame = dataset.PerFrameFunctionalGroupsSequence[4]
    if emptied:
        setattr(frame, macro, [])
    else:
        delattr(frame, macro)
    assert _code([transcode(dataset, ExplicitVRLittleEndian)]) == ENHANCED_MACROS[macro]


ENHANCED_TAGS = {
    "SharedFunctionalGroupsSequence": "missing_tag",
    "PerFrameFunctionalGroupsSequence": "missing_tag",
    "Rows": "missing_tag",
    "Columns": "missing_tag",
    "BitsAllocated": "missing_tag",
    "PixelRepresentation": "missing_tag",
    "SamplesPerPixel": "missing_tag",
    "NumberOfFrames": "bad_tag",
    "PixelData": "truncated",
}


@pytest.mark.parametrize("tag", ENHANCED_TAGS)
def test_a_missing_tag_of_an_enhanced_object(tag: str) -> None:
    dataset = enhanced(SMALL.datasets(), range(10))
    delattr(dataset, tag)
    assert (
        _code([transcode(dataset, ExplicitVRLittleEndian)] if tag != "PixelData" else [_saved(dataset)])
        == (ENHANCED_TAGS[tag])
    )


def _saved(dataset: FileDataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


# Sizes that are lies


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (_set(Rows=65535, Columns=65535), {"too_large"}),
        (_set(NumberOfFrames=1_000_000), {"missing_tag"}),
        (_set(NumberOfFrames=10**11), {"missing_tag"}),
        (_set(Rows=0), {"too_large"}),
        (_set(BitsAllocated=64), {"unsupported_pixels"}),
        (_set(BitsAllocated=1), {"unsupported_pixels"}),
    ],
    ids=["65535_squared", "million_frames", "billions_of_frames", "no_rows", "64_bits", "1_bit"],
)
def test_absurd_sizes_are_refused_before_memory_is_taken(
    change: Change, codes: set[str], peak_mib: Callable[[], float]
) -> None:
    files = _files(change=change)
    assert _code(files) in codes
    assert peak_mib() < 8


@pytest.mark.parametrize("frames", [1_000_000, 11, 9])
def test_an_enhanced_object_that_declares_other_frames(frames: int, peak_mib: Callable[[], float]) -> None:
    dataset = enhanced(SMALL.datasets(), range(10))
    dataset.NumberOfFrames = frames
    assert _code([transcode(dataset, ExplicitVRLittleEndian)]) == "bad_tag"
    assert peak_mib() < 8


def test_more_rows_than_bytes_is_refused_before_memory_is_taken(peak_mib: Callable[[], float]) -> None:
    files = _files(change=_set(Rows=10_000, Columns=10_000))
    assert _code(files) == "truncated"
    assert peak_mib() < 8


def test_a_deflated_bomb(peak_mib: Callable[[], float]) -> None:
    dataset = SMALL.datasets()[0]
    dataset.PixelData = bytes(64 * MIB)
    content = transcode(dataset, NATIVE["deflated"])
    del dataset
    tracemalloc.reset_peak()
    assert _code([content]) in {"zip_ratio", "too_large"}
    assert peak_mib() < 32


def test_volume_limit(peak_mib: Callable[[], float]) -> None:
    assert _code(_files(), Settings(max_volume_bytes=10_000)) == "too_large"
    assert _code([_nifti_bytes()], Settings(max_volume_bytes=10_000)) == "too_large"


def test_more_files_or_bytes_than_the_limit(tmp_path: Path) -> None:
    files = _files()
    assert _code(files, Settings(max_files=9)) == "too_many_files"
    assert _code([b"text"] * 10, Settings(max_files=9)) == "too_many_files"
    assert _code(files, Settings(max_upload_bytes=10_000)) == "too_large"
    members = {f"{n}": content for n, content in enumerate(files)}
    assert _code([_zip(members)], Settings(max_files=9)) == "too_many_files"
    assert _code([_zip(members)], Settings(max_upload_bytes=20_000)) == "too_large"
    halves = [_zip(dict(list(members.items())[:5])), _zip(dict(list(members.items())[5:]))]
    assert _code(halves, Settings(max_files=9)) == "too_many_files"
    assert read_study([("z", io.BytesIO(_zip(members)))], Settings(max_files=10))[0].shape == (10, 40, 36)


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path, peak_mib: Callable[[], float]) -> None:
    path = tmp_path / "sparse"
    path.write_bytes(_files()[0])
    os.truncate(path, 1 << 40)
    assert _code(path) == "too_large"
    assert peak_mib() < 1


class _Growing(io.BytesIO):
    """A file that somebody still writes to: it has more bytes each time it is asked."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = super().seek(offset, whence)
        if whence == io.SEEK_END:
            self.write(bytes(1_000_000))
        return size


class _Shrinking(io.BytesIO):
    """A file that is cut after its size was asked."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = super().seek(offset, whence)
        if whence == io.SEEK_END:
            self.truncate(size // 2)
        return size


class _Broken(io.BytesIO):
    """A disk that fails in the middle of a file."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 100 or (size or 0) > 10_000 or size == -1:
            raise OSError(5, "Input/output error", "SECRET")
        return super().read(size)


@pytest.mark.parametrize("kind", [_Growing, _Shrinking])
def test_a_file_that_changes_length_while_it_is_read(kind: type[io.BytesIO]) -> None:
    files = _files()
    sources = [("f", kind(content)) for content in files]
    if kind is _Shrinking:
        assert _code(sources) == "truncated"
        return
    np.testing.assert_array_equal(read_study(sources)[0].hu, SMALL.hu())
    assert _code([("f", kind(content)) for content in files], Settings(max_upload_bytes=30_000)) == "too_large"


def test_a_disk_that_fails_and_a_file_that_is_closed() -> None:
    files = [content + bytes(20_000) for content in _files()]
    with pytest.raises(ReadError, match="cannot be read") as caught:
        read_study([("f", _Broken(files[0]))])
    assert "SECRET" not in str(caught.value)
    closed = io.BytesIO(files[0])
    closed.close()
    assert _code([("f", closed)]) == "unreadable"


# Archives


@pytest.mark.parametrize("depth", [1, 2])
def test_a_zip_bomb(depth: int, peak_mib: Callable[[], float]) -> None:
    bomb = _zip({f"{n}": b"\0" * 128 + b"DICM" + bytes(16 * MIB) for n in range(3)})
    if depth == 2:
        bomb = _zip({"inner.zip": bomb})
    tracemalloc.reset_peak()
    assert _code([bomb]) == "zip_ratio"
    assert peak_mib() < 4


def test_a_zip_bomb_of_two_storeys_does_not_multiply_the_allowance(peak_mib: Callable[[], float]) -> None:
    """Each storey stays under the ratio of 200, both together reach 150 × 150."""
    inner = _zip({"x": b"\0" * 128 + b"DICM" + os.urandom(400_000) + bytes(60_000_000)}, zipfile.ZIP_DEFLATED)
    padded = _zip({f"{n}.zip": inner for n in range(2)}, zipfile.ZIP_DEFLATED)
    same = _zip({"a": b"PK\x03\x04" + bytes(10)})
    assert _code([same]) == "no_dicom"
    repeated = _zip({f"{n}": padded[:1] + bytes(1000) for n in range(3)})
    assert _code([repeated]) == "no_dicom"
    # A stored ZIP whose deflated copy is small: many equal inner archives.
    tower = _zip({"all.zip": _zip({f"{n}.zip": _zip({"x": _dicm(300_000)}) for n in range(60)}, zipfile.ZIP_STORED)})
    tracemalloc.reset_peak()
    assert _code([tower], Settings(max_zip_depth=3)) == "zip_ratio"
    assert peak_mib() < 16


def _dicm(zeros: int) -> bytes:
    return b"\0" * 128 + b"DICM" + bytes(zeros)


def test_a_zip_whose_entries_overlap(peak_mib: Callable[[], float]) -> None:
    """Many directory entries that share one compressed kernel (Fifield 2019): small packed, vast unpacked."""
    kernel = _zip({"a": _dicm(1_000_000)})
    at = kernel.index(b"PK\x01\x02")
    entry = kernel[at : kernel.index(b"PK\x05\x06")]
    count = 400
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, at, 0)
    assert _code([kernel[:at] + entry * count + end]) == "zip_ratio"
    assert peak_mib() < 8


def test_a_zip_that_holds_itself_ends() -> None:
    """Archives within archives stop at the depth of the settings, whatever is deeper."""
    content = _zip({"a": _files()[0]})
    for _ in range(6):
        content = _zip({"a.zip": content, "b.zip": content})
    with pytest.raises(ReadError, match="nested too deeply") as caught:
        _read([content])
    assert caught.value.code == "no_dicom"


def test_a_zip_of_very_many_entries_is_refused_before_its_directory_is_read(peak_mib: Callable[[], float]) -> None:
    entry = _zip({"a": b""})
    at = entry.index(b"PK\x01\x02")
    entry, count = entry[at : entry.index(b"PK\x05\x06")], 60_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, 0, 0)
    bomb = b"PK\x03\x04" + bytes(100) + entry * count + end
    tracemalloc.reset_peak()
    assert _code([bomb]) == "too_many_files"
    assert peak_mib() < 16


def _tree(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def test_names_that_lead_out_of_a_zip_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    names = [
        "../up",
        "../../up",
        f"{tmp_path}/absolute",
        "C:\\windows\\x",
        "..\\..\\x",
        "a/../../b",
        "/etc/htcore",
        "nul\0x",
    ]
    files = _files()
    members = {name.replace("\0", "_"): content for name, content in zip(names, files, strict=False)}
    members |= {f"{n}": content for n, content in enumerate(files[len(names) :])}
    before = _tree(tmp_path)
    volume, _ = _read([_zip(members)])
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert _tree(tmp_path) == before
    assert not Path("/etc/htcore").exists()


def test_links_in_a_zip_are_left_out() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for n, content in enumerate(_files()):
            archive.writestr(f"{n}", content)
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    volume, receipt = _read([stream.getvalue()])
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert (_left_out(receipt), receipt.n_files) == ({"link or special file": 1}, 11)


def test_encrypted_damaged_and_rare_zips() -> None:
    files = _files()
    good = _zip({"a": files[0]})
    flagged = bytearray(good)
    flagged[6] |= 1
    flagged[good.rindex(b"PK\x01\x02") + 8] |= 1
    assert _code([bytes(flagged)]) == "encrypted_zip"
    assert _code([good[: len(good) // 2]]) == "bad_zip"
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    assert _code([bytes(flipped)]) == "bad_zip"
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        assert _code([_zip({"a": files[0]}, method)]) == "zip_method"
    deflate64 = bytearray(good)
    deflate64[8] = 9
    deflate64[good.rindex(b"PK\x01\x02") + 10] = 9
    assert _code([bytes(deflate64)]) == "zip_method"
    newer = bytearray(good)
    newer[good.rindex(b"PK\x01\x02") + 6] = 255
    assert _code([bytes(newer)]) == "bad_zip"
    # Beside good images it is left out, and said so.
    assert _left_out(_read([*files, bytes(flagged)])[1]) == {"encrypted ZIP": 1}


# Folders


def test_links_and_pipes_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    SMALL.write(tmp_path / "elsewhere")
    here = tmp_path / "here"
    here.mkdir()
    (here / "link").symlink_to(tmp_path / "elsewhere" / "000")
    (here / "folder").symlink_to(tmp_path / "elsewhere")
    (here / "loop").symlink_to(here)
    (here / "zero").symlink_to("/dev/zero")
    os.mkfifo(here / "pipe")
    with pytest.raises(ReadError, match="5 × link or special file") as caught:
        read_study(here)
    assert caught.value.code == "no_dicom"
    SMALL.write(here)
    volume, receipt = read_study(here)
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert _left_out(receipt) == {"link or special file": 5}


def test_a_pipe_or_device_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _code(tmp_path / "pipe") == "not_a_file"
    assert _code(Path("/dev/zero")) == "not_a_file"
    assert _code(tmp_path / ("x" * 300)) == "not_found"


def _as_nobody(work: Callable[[], str]) -> str:
    """What ``work`` returns in a child process that is not root, so that permissions count."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            answer = work()
        except BaseException as error:  # noqa: BLE001 - the child must not run the rest of the tests
            answer = f"{type(error).__name__}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return answer


def _outcome(source: Path) -> Callable[[], str]:
    def work() -> str:
        try:
            return repr(_left_out(read_study(source)[1]))
        except HtcoreError as error:
            return error.code

    return work


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder under one that anybody may enter (pytest's own are closed to others)."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent == Path("/tmp") or not os.access(parent, os.W_OK):
            break
        parent.chmod(parent.stat().st_mode | 0o055)
    yield tmp_path
    for path in tmp_path.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)


def test_a_folder_or_file_without_permission(open_folder: Path) -> None:
    SMALL.write(open_folder / "study")
    SMALL.write(open_folder / "study" / "closed")
    (open_folder / "study").chmod(0o755)
    assert _as_nobody(_outcome(open_folder / "study")) == repr({"same slice again": 10})
    (open_folder / "study" / "closed").chmod(0)
    (open_folder / "study" / "junk").write_bytes(b"x")
    (open_folder / "study" / "junk").chmod(0)
    assert _as_nobody(_outcome(open_folder / "study" / "closed")) == "no_permission"
    assert _as_nobody(_outcome(open_folder / "study" / "junk")) == "no_permission"
    assert _as_nobody(_outcome(open_folder / "study" / "closed" / "000")) == "no_permission"
    expected = {"folder without permission to read": 1, "no permission to read": 1}
    assert _as_nobody(_outcome(open_folder / "study")) == repr(expected)


# Studies that must not be mixed


def test_two_patients_in_one_upload() -> None:
    assert _code([*_files(), *_files(other(SMALL, patient="P2"))]) == "two_patients"
    nameless = _files(other(SMALL, patient="P2", series_uid="1.2.3"), _set(PatientID=""))
    assert _code([*_files(), *nameless]) == "two_patients"
    report = _files(other(SMALL, patient="P2"), _set(Modality="SR"))[:1]
    assert _code([*_files(), *report]) == "two_patients"
    born = _files(other(SMALL, series_uid="1.2.3"), _set(PatientBirthDate="19500101"))
    assert _code([*_files(change=_set(PatientBirthDate="19400101")), *born]) == "two_patients"


def test_the_same_slice_twice() -> None:
    files = _files()
    volume, receipt = _read([*files, files[3]])
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert _left_out(receipt) == {"same slice again": 1}


def test_the_same_slice_twice_with_different_pixels() -> None:
    files = _files()
    changed = dcmread(io.BytesIO(files[3]))
    stored = bytearray(changed.PixelData)
    stored[1000] ^= 1
    changed.PixelData = bytes(stored)
    assert _code([*files, _saved(changed)]) == "doubled_slices"


# NIfTI


def _nifti(values: np.ndarray | None = None, dtype: type = np.int16) -> nibabel.Nifti1Image:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ SMALL.affines()[0]
    affine[:3, 2] *= 16.0
    hu = SMALL.hu() if values is None else values
    return nibabel.Nifti1Image(hu.transpose(2, 1, 0).astype(dtype), affine)


def _nifti_bytes() -> bytes:
    return _nifti().to_bytes()


def test_nan_or_infinity_in_a_nifti() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        values = SMALL.hu().astype(float)
        values[5, 20, 20] = bad
        assert _code([_nifti(values, np.float32).to_bytes()]) == "not_finite"


def test_a_nifti_of_four_or_two_dimensions() -> None:
    hu = SMALL.hu().transpose(2, 1, 0)
    assert _code([nibabel.Nifti1Image(np.stack([hu, hu], -1), _nifti().affine).to_bytes()]) == "not_3d"
    assert _code([nibabel.Nifti1Image(hu[..., 0], _nifti().affine).to_bytes()]) == "not_3d"
    one = nibabel.Nifti1Image(hu[..., None], _nifti().affine)
    np.testing.assert_array_equal(_read([one.to_bytes()])[0].hu, SMALL.hu())


def test_a_nifti_of_mr_is_refused() -> None:
    """Arbitrary units: no air at −1000, no bone."""
    rng = np.random.default_rng(3)
    head = HeadStudy(slabs=((24, 6.0),))
    brightness = np.where(head.hu() > -500, 400, 0) + rng.integers(0, 60, head.hu().shape)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ head.affines()[0]
    affine[:3, 2] *= 6.0
    image = nibabel.Nifti1Image(brightness.transpose(2, 1, 0).astype(np.int16), affine)
    _, _, quality = services.inspect_study([("mr", io.BytesIO(image.to_bytes()))], Settings())
    assert quality.verdict == "refuse"
    assert "hu_implausible" in {finding.code for finding in quality.findings}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999])
def test_a_nifti_cut_short(share: float, packed: bool) -> None:
    content = gzip.compress(_nifti_bytes()) if packed else _nifti_bytes()
    assert _code([content[: int(len(content) * share)]]) in {"truncated", "no_dicom"}


def test_a_packed_slice_cut_short_leaves_no_silent_gap() -> None:
    packed = [gzip.compress(content) for content in _files()]
    np.testing.assert_array_equal(_read(packed)[0].hu, SMALL.hu())
    assert _code([*packed[:4], packed[4][:-300], *packed[5:]]) == "truncated"


def test_a_gz_of_several_members_and_one_of_text() -> None:
    content = _nifti_bytes()
    parts = [gzip.compress(content[at : at + 5000]) for at in range(0, len(content), 5000)]
    np.testing.assert_array_equal(_read([b"".join(parts)])[0].hu, SMALL.hu())
    assert _code([b"".join(parts[:-1])]) == "truncated"
    assert _left_out(_read([*_files(), gzip.compress(b"text " * 1000)])[1]) == {"neither DICOM nor NIfTI": 1}


def test_a_gz_bomb(peak_mib: Callable[[], float]) -> None:
    bomb = gzip.compress(_nifti_bytes()[:352] + bytes(64 * MIB))
    tracemalloc.reset_peak()
    assert _code([bomb]) == "zip_ratio"
    assert peak_mib() < 40


@pytest.mark.parametrize(
    "field", ["dim", "vox_offset", "pixdim", "datatype", "bitpix", "xyzt_units", "srow_x", "scl_slope"]
)
@pytest.mark.parametrize("fill", [0xFF, 0x7F, 0x80, 0x00])
def test_a_nifti_header_of_nonsense(field: str, fill: int, peak_mib: Callable[[], float]) -> None:
    content = bytearray(_nifti_bytes())
    header = nibabel.Nifti1Header.template_dtype.fields[field]
    content[header[1] : header[1] + header[0].itemsize] = bytes([fill]) * header[0].itemsize
    try:
        volume, _ = _read([bytes(content)])
    except HtcoreError:
        pass
    else:
        assert np.isfinite(volume.affines).all()
    assert peak_mib() < 16


@pytest.mark.parametrize("dims", [(32767, 32767, 32767), (1 << 40, 1 << 40, 1), (1 << 31, 1 << 32, 2)])
def test_a_nifti_that_declares_more_than_it_holds(dims: tuple[int, int, int], peak_mib: Callable[[], float]) -> None:
    kind = nibabel.Nifti1Image if max(dims) < 1 << 15 else nibabel.Nifti2Image
    content = bytearray(kind(np.zeros((4, 4, 4), np.int16), np.eye(4)).to_bytes())
    where, form = (42, "<3h") if kind is nibabel.Nifti1Image else (24, "<3q")
    struct.pack_into(form, content, where, *dims)
    assert _code([bytes(content)]) == "too_large"
    assert peak_mib() < 8


# Not CT


def test_mr_is_refused() -> None:
    change = _set(Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    with pytest.raises(RefusedError) as caught:
        _read(_files(change=change))
    assert (caught.value.code, caught.value.exit_code) == ("not_ct", 4)
