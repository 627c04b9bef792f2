"""Bad files, row by row: an error with a code and a sentence, no memory taken, no gap, nothing mixed."""

from __future__ import annotations

import io
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from htcore.dicom import read_study
from htcore.errors import HtcoreError, ReadError, RefusedError
from htcore.settings import Settings
from tests.rearrange import enhanced
from tests.studies import other
from tests.transcode import LOSSLESS, NATIVE, transcode
from tests.uploads import MIB, SMALL, Spoil, code_of, files_of, left_out, read, saved, tags, zipped

# Files that are no images


def test_empty_file_and_empty_folder_have_their_own_words(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="The folder or ZIP is empty") as caught:
        read_study(tmp_path)
    assert caught.value.code == "empty"
    (tmp_path / "a.dcm").touch()
    with pytest.raises(ReadError, match="file is empty") as caught:
        read_study(tmp_path / "a.dcm")
    assert caught.value.code == "empty"
    (tmp_path / "b.dcm").touch()
    with pytest.raises(ReadError, match="All 2 files are empty"):
        read_study(tmp_path)
    assert left_out(read([*files_of(), b""])[1]) == {"empty file": 1}


def test_text_named_dcm(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("This is a text of more than sixty-four characters that calls itself DICOM.\n" * 9)
    assert code_of(tmp_path / "a.dcm") == "no_dicom"


@pytest.mark.parametrize("content", [b"II*\0" + bytes(500), b"\x89PNG\r\n\x1a\n" + bytes(500), b"%PDF-1.7" * 90])
def test_other_images_are_counted_and_left_out(content: bytes) -> None:
    assert code_of([content]) == "no_dicom"
    assert left_out(read([*files_of(), content])[1]) == {"neither DICOM nor NIfTI": 1}


@pytest.mark.parametrize(
    "content",
    [b"Rar!\x1a\x07\x01\x00" + bytes(400), b"7z\xbc\xaf\x27\x1c" + bytes(400), bytes(257) + b"ustar" + bytes(300)],
)
def test_other_archives_are_told_by_name(content: bytes) -> None:
    with pytest.raises(ReadError, match="archive other than ZIP: unpack it") as caught:
        read([content])
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
    assert code_of(tmp_path / "disc") == "no_dicom"
    SMALL.write(tmp_path / "disc" / "images")
    volume, receipt = read_study(tmp_path / "disc")
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert sum(left_out(receipt).values()) == 1


# Damage


@pytest.mark.parametrize("kept", [-1, -1441, -2880, 1100, 700, 400, 140])
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside_the_rest"])
def test_truncated_pixel_data(kept: int, beside: bool) -> None:
    files = files_of()
    cut = files[3][:kept]
    codes = {"truncated", "missing_tag"} if beside and kept != 140 else {"truncated", "missing_tag", "no_dicom"}
    if beside and kept == 140:
        assert left_out(read([*files[:3], cut, *files[4:]])[1]) == {"damaged DICOM": 1}
        return
    assert code_of([*files[:3], cut, *files[4:]] if beside else [cut]) in codes


@pytest.mark.parametrize("syntax", ["rle", "jpeg_ls", "jpeg_2000", "jpeg_lossless_sv1", "htj2k"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_truncated_compressed_pixels(syntax: str, share: float) -> None:
    pytest.importorskip("imagecodecs", reason="the encoders of requirements-dev.txt are not installed")
    content = transcode(SMALL.datasets()[4], LOSSLESS[syntax])
    start = content.rindex(b"\xe0\x7f\x10\x00")
    cut = content[: start + int((len(content) - start) * share)]
    with pytest.raises(ReadError):
        read([cut])


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
    "SOPClassUID", "SOPInstanceUID", "ImageType", "PatientID", "PatientName", "PatientAge", "PatientSex",
    "Manufacturer", "ConvolutionKernel", "KVP", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber",
    "PhotometricInterpretation", "BitsStored", "HighBit",
]  # fmt: skip


@pytest.mark.parametrize("tag", CLASSIC_TAGS)
@pytest.mark.parametrize("one", [False, True], ids=["all_slices", "one_slice"])
def test_a_missing_tag_that_matters(tag: str, one: bool) -> None:
    """Also where one slice alone lacks it: to go on without it would leave a silent gap."""
    files, spoiled = files_of(), files_of(change=lambda dataset: delattr(dataset, tag))
    contents = [*files[:4], spoiled[4], *files[5:]] if one else spoiled
    if one and tag == "Modality":
        _, receipt = read(contents)
        assert left_out(receipt) == {"not CT but of unknown modality": 1}
        return
    if not one and tag.startswith("Rescale"):
        # Air, brain and bone lie where they belong: nothing has to be guessed, and the receipt says so.
        volume, receipt = read(contents)
        np.testing.assert_array_equal(volume.hu, SMALL.hu())
        assert receipt.inferred_intercept == SMALL.intercept
        return
    assert code_of(contents) == CLASSIC_TAGS[tag]


@pytest.mark.parametrize("tag", HARMLESS_TAGS)
def test_a_missing_tag_that_does_not_matter(tag: str) -> None:
    volume, _ = read(files_of(change=lambda dataset: delattr(dataset, tag)))
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
    assert code_of([transcode(dataset, ExplicitVRLittleEndian)]) == ENHANCED_MACROS[macro]


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
        code_of(
            [transcode(dataset, ExplicitVRLittleEndian)]
            if tag not in {"PixelData", "BitsAllocated"}
            else [saved(dataset)]
        )
        == (ENHANCED_TAGS[tag])
    )


# Sizes that are lies


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (tags(Rows=65535, Columns=65535), {"too_large"}),
        (tags(NumberOfFrames=1_000_000), {"missing_tag"}),
        (tags(NumberOfFrames=10**11), {"missing_tag"}),
        (tags(Rows=0), {"too_large"}),
        (tags(BitsAllocated=64), {"unsupported_pixels"}),
        (tags(BitsAllocated=1), {"unsupported_pixels"}),
    ],
    ids=["65535_squared", "million_frames", "billions_of_frames", "no_rows", "64_bits", "1_bit"],
)
def test_absurd_sizes_are_refused_before_memory_is_taken(
    change: Spoil, codes: set[str], peak_mib: Callable[[], float]
) -> None:
    files = files_of(change=change)
    assert code_of(files) in codes
    assert peak_mib() < 8


@pytest.mark.parametrize("frames", [1_000_000, 11, 9])
def test_an_enhanced_object_that_declares_other_frames(frames: int, peak_mib: Callable[[], float]) -> None:
    dataset = enhanced(SMALL.datasets(), range(10))
    dataset.NumberOfFrames = frames
    assert code_of([transcode(dataset, ExplicitVRLittleEndian)]) == "bad_tag"
    assert peak_mib() < 8


def test_more_rows_than_bytes_is_refused_before_memory_is_taken(peak_mib: Callable[[], float]) -> None:
    files = files_of(change=tags(Rows=10_000, Columns=10_000))
    assert code_of(files) == "truncated"
    assert peak_mib() < 8


def test_a_deflated_bomb(peak_mib: Callable[[], float]) -> None:
    dataset = SMALL.datasets()[0]
    dataset.PixelData = bytes(64 * MIB)
    content = transcode(dataset, NATIVE["deflated"])
    del dataset
    tracemalloc.reset_peak()
    assert code_of([content]) in {"zip_ratio", "too_large"}
    assert peak_mib() < 32


def test_volume_limit(peak_mib: Callable[[], float]) -> None:
    assert code_of(files_of(), Settings(max_volume_bytes=10_000)) == "too_large"


def test_more_files_or_bytes_than_the_limit(tmp_path: Path) -> None:
    files = files_of()
    assert code_of(files, Settings(max_files=9)) == "too_many_files"
    assert code_of([b"text"] * 10, Settings(max_files=9)) == "too_many_files"
    assert code_of(files, Settings(max_upload_bytes=10_000)) == "too_large"
    members = {f"{n}": content for n, content in enumerate(files)}
    assert code_of([zipped(members)], Settings(max_files=9)) == "too_many_files"
    assert code_of([zipped(members)], Settings(max_upload_bytes=20_000)) == "too_large"
    halves = [zipped(dict(list(members.items())[:5])), zipped(dict(list(members.items())[5:]))]
    assert code_of(halves, Settings(max_files=9)) == "too_many_files"
    assert read_study([("z", io.BytesIO(zipped(members)))], Settings(max_files=10))[0].shape == (10, 40, 36)


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path, peak_mib: Callable[[], float]) -> None:
    path = tmp_path / "sparse"
    path.write_bytes(files_of()[0])
    os.truncate(path, 1 << 40)
    assert code_of(path) == "too_large"
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
def test_a_file_that_changes_length_while_it_is_read(kind: type[io.BytesIO], peak_mib: Callable[[], float]) -> None:
    files = files_of()
    sources = [("f", kind(content)) for content in files]
    if kind is _Shrinking:
        assert code_of(sources) == "truncated"
        return
    assert sum(len(content) for content in files) < 50_000
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0] / MIB
    np.testing.assert_array_equal(read_study(sources, Settings(max_upload_bytes=50_000))[0].hu, SMALL.hu())
    # Ten files that grew by a megabyte each: the streams themselves take 10, what was read of them must not.
    assert peak_mib() - before < 15


def test_a_disk_that_fails_and_a_file_that_is_closed() -> None:
    files = [content + bytes(20_000) for content in files_of()]
    with pytest.raises(ReadError, match="cannot be read") as caught:
        read_study([("f", _Broken(files[0]))])
    assert "SECRET" not in str(caught.value)
    closed = io.BytesIO(files[0])
    closed.close()
    assert code_of([("f", closed)]) == "unreadable"


# Studies that must not be mixed


def test_two_patients_in_one_upload() -> None:
    assert code_of([*files_of(), *files_of(other(SMALL, patient="P2"))]) == "two_patients"
    nameless = files_of(other(SMALL, patient="P2", series_uid="1.2.3"), tags(PatientID=""))
    assert code_of([*files_of(), *nameless]) == "two_patients"
    report = files_of(other(SMALL, patient="P2"), tags(Modality="SR"))[:1]
    assert code_of([*files_of(), *report]) == "two_patients"
    born = files_of(other(SMALL, series_uid="1.2.3"), tags(PatientBirthDate="19500101"))
    assert code_of([*files_of(change=tags(PatientBirthDate="19400101")), *born]) == "two_patients"


def test_the_same_slice_twice() -> None:
    files = files_of()
    volume, receipt = read([*files, files[3]])
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert left_out(receipt) == {"same slice again": 1}


def test_the_same_slice_twice_with_different_pixels() -> None:
    files = files_of()
    changed = dcmread(io.BytesIO(files[3]))
    stored = bytearray(changed.PixelData)
    stored[1000] ^= 1
    changed.PixelData = bytes(stored)
    assert code_of([*files, saved(changed)]) == "doubled_slices"


# Not CT


def test_mr_is_refused() -> None:
    change = tags(Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    with pytest.raises(RefusedError) as caught:
        read(files_of(change=change))
    assert (caught.value.code, caught.value.exit_code) == ("not_ct", 4)


POSITION, RESCALE = b"\x20\x00\x13\x91SQ\0\0", b"\x28\x00\x45\x91SQ\0\0"


@pytest.mark.parametrize(
    ("macro", "shift"),
    [(macro, shift) for macro in (POSITION, RESCALE) for shift in (-20, -12, -8, -4, -2, 2, 4, 20)],
)
def test_a_functional_group_of_the_wrong_length(macro: bytes, shift: int) -> None:
    """What follows is then read as elements of any kind; pydicom raises whatever comes."""
    content = bytearray(transcode(enhanced(SMALL.datasets(), range(10)), ExplicitVRLittleEndian))
    at = content.index(macro) + 8
    content[at : at + 4] = (int.from_bytes(content[at : at + 4], "little") + shift).to_bytes(4, "little")
    try:
        volume, _ = read([bytes(content)])
    except HtcoreError:
        return
    np.testing.assert_array_equal(volume.hu, SMALL.hu())


def test_compressed_pixels_whose_length_is_damaged() -> None:
    """The bytes of a codestream must not pass for HU."""
    larger = other(SMALL, shape=(12, 10), pixel_mm=(18.0, 20.0), noise_hu=3.0)
    files = [transcode(dataset, LOSSLESS["rle"]) for dataset in larger.datasets()]
    at = files[4].rindex(b"\xe0\x7f\x10\x00") + 8
    files[4] = files[4][: at + 3] + b"\x7f" + files[4][at + 4 :]
    assert code_of(files) in {"undecodable", "truncated"}
