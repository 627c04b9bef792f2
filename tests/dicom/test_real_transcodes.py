"""The real study, packed and written down in every way a hospital may send it: the same HU at the same millimetres."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage, RLELossless, generate_uid

from htcore.dicom import read_study
from htcore.types import StudyReceipt, Volume
from tests.places import hu_at, pixel_centres_mm
from tests.rearrange import enhanced, mirrored, transposed, turned
from tests.studies import REAL_STUDY
from tests.transcode import LOSSLESS, NATIVE, frames_of, transcode

pytestmark = pytest.mark.skipif(not REAL_STUDY.is_dir(), reason="the real study is not part of the repository")
EXPLICIT = ExplicitVRLittleEndian


@cache
def _paths() -> tuple[Path, ...]:
    return tuple(sorted(REAL_STUDY.glob("*.dcm")))


@cache
def _datasets() -> tuple[FileDataset, ...]:
    return tuple(dcmread(path) for path in _paths())


@cache
def _expected() -> tuple[Volume, StudyReceipt]:
    """The study as it lies; its values are held against pydicom's own below."""
    return read_study(REAL_STUDY)


def _uploads(contents: Sequence[bytes]) -> list[tuple[str, io.BytesIO]]:
    return [(f"f{n}", io.BytesIO(content)) for n, content in enumerate(contents)]


def _zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _dicomdir() -> bytes:
    """A directory that refers to CT images but is none."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = EXPLICIT
    directory = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    directory.FileSetID = "DISC"
    record = Dataset()
    record.DirectoryRecordType = "IMAGE"
    record.ReferencedFileID = ["..", "elsewhere", "IM1"]
    record.ReferencedSOPClassUIDInFile = "1.2.840.10008.5.1.4.1.1.2"
    record.ReferencedSOPInstanceUIDInFile = generate_uid()
    record.ReferencedTransferSyntaxUIDInFile = EXPLICIT
    directory.DirectoryRecordSequence = [record]
    stream = io.BytesIO()
    directory.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _same(volume: Volume, receipt: StudyReceipt) -> None:
    expected, expected_receipt = _expected()
    np.testing.assert_array_equal(volume.hu, expected.hu)
    np.testing.assert_allclose(volume.affines, expected.affines, atol=1e-6)
    np.testing.assert_array_equal(volume.thickness_mm, expected.thickness_mm)
    assert receipt.content_sha256 == expected_receipt.content_sha256


def test_every_value_is_pydicoms_at_the_place_that_the_tags_give() -> None:
    volume, _ = _expected()
    for dataset in _datasets():
        origin = np.array([float(value) for value in dataset.ImagePositionPatient])
        k = int(np.linalg.norm(volume.affines[:, :3, 3] - origin, axis=1).argmin())
        np.testing.assert_allclose(volume.affines[k, :3, 3], origin, atol=1e-9)
        axes = np.array([float(value) for value in dataset.ImageOrientationPatient]).reshape(2, 3)
        rows_mm, columns_mm = (float(value) for value in dataset.PixelSpacing)
        np.testing.assert_allclose(volume.affines[k, :3, 0], axes[0] * columns_mm, atol=1e-6)
        np.testing.assert_allclose(volume.affines[k, :3, 1], axes[1] * rows_mm, atol=1e-6)
        hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        np.testing.assert_array_equal(volume.hu[k], hu)


@pytest.mark.parametrize("name", [*NATIVE, *LOSSLESS])
def test_every_transfer_syntax(name: str) -> None:
    syntax = {**NATIVE, **LOSSLESS}[name]
    if name in LOSSLESS and name != "rle":
        pytest.importorskip("imagecodecs", reason="the encoders of requirements-dev.txt are not installed")
    files = [transcode(dataset, syntax) for dataset in _datasets()]
    assert dcmread(io.BytesIO(files[0]), stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    _same(*read_study(_uploads(files)))


def test_packing_and_names_do_not_matter(tmp_path: Path) -> None:
    contents = [path.read_bytes() for path in _paths()]
    order = np.random.default_rng(11).permutation(len(contents))
    folder = tmp_path / "a folder" / "DICOM" / "00000001"
    folder.mkdir(parents=True)
    for name, k in enumerate(order):
        (folder / f"image{name}.jpg").write_bytes(contents[k])
    _same(*read_study(tmp_path))
    plain = {f"S/{generate_uid()}": contents[k] for k in order}
    junk = {
        "DICOMDIR": _dicomdir(),
        "__MACOSX/S/._x": b"\0\5\x16\7" + bytes(200),
        "readme.txt": b"This disc holds images.\n" * 20,
        "logo.png": b"\x89PNG\r\n\x1a\n" + bytes(400),
        "autorun.inf": b"",
    }
    _same(*read_study([("study.zip", io.BytesIO(_zip(plain)))]))
    nested = _zip({**junk, "inner/study.zip": _zip({**plain, **junk})})
    volume, receipt = read_study([("disc.zip", io.BytesIO(nested))])
    _same(volume, receipt)
    assert sum(entry.count for entry in receipt.left_out) == 2 * len(junk)


@pytest.mark.parametrize("syntax", [EXPLICIT, RLELossless], ids=["native", "rle"])
def test_one_enhanced_object(syntax: str) -> None:
    order = [int(k) for k in np.random.default_rng(12).permutation(len(_datasets()))]
    volume, receipt = read_study(_uploads([transcode(enhanced(_datasets(), order), syntax)]))
    _same(volume, receipt)
    assert receipt.series[0].n_images == 28


# How the raster lies on a patient who is not head-first supine: the gantry's axes seen from the patient.
POSITIONS: dict[str, Callable[[Dataset], Dataset]] = {
    "FFS": partial(mirrored, columns=True),
    "HFP": partial(mirrored, columns=True, rows=True),
    "FFP": partial(mirrored, rows=True),
    "HFDR": lambda dataset: mirrored(transposed(dataset), columns=True),
    "HFDL": lambda dataset: mirrored(transposed(dataset), rows=True),
    "FFDR": lambda dataset: mirrored(transposed(dataset), columns=True, rows=True),
    "FFDL": transposed,
}


@pytest.mark.parametrize("position", POSITIONS)
def test_the_same_head_in_any_position(position: str) -> None:
    files = []
    for number, dataset in enumerate(reversed(_datasets())):
        laid = POSITIONS[position](dataset)
        laid.PatientPosition = position
        laid.InstanceNumber = number + 1
        files.append(transcode(laid, EXPLICIT))
    volume, _ = read_study(_uploads(files))
    expected, _ = _expected()
    assert np.abs(volume.affines[0, :3, :2] - expected.affines[0, :3, :2]).max() > 0.4
    points, hu = pixel_centres_mm(expected, 50_000, np.random.default_rng(13))
    np.testing.assert_array_equal(hu_at(volume, points), hu)
    np.testing.assert_allclose(np.diff(volume.positions_mm), np.diff(expected.positions_mm), atol=1e-6)
    assert volume.tilt_deg == pytest.approx(expected.tilt_deg, abs=1e-6)


def test_reversed_order_and_numbers() -> None:
    files = []
    for number, dataset in enumerate(reversed(_datasets())):
        dataset = dataset.copy()
        dataset.InstanceNumber = number + 1
        dataset.SliceLocation = -float(dataset.SliceLocation)
        files.append(transcode(dataset, EXPLICIT))
    _same(*read_study(_uploads(files)))


@pytest.mark.parametrize("turn", [(-1, 1, -1), (1, -1, -1), (-1, -1, 1)], ids=["about_y", "about_x", "about_z"])
def test_a_body_that_is_turned_has_its_values_at_the_turned_places(turn: tuple[int, int, int]) -> None:
    rotation = np.diag(np.array(turn, dtype=float))
    files = [transcode(turned(dataset, rotation), EXPLICIT) for dataset in _datasets()]
    volume, _ = read_study(_uploads(files))
    expected, _ = _expected()
    points, hu = pixel_centres_mm(expected, 50_000, np.random.default_rng(14))
    np.testing.assert_array_equal(hu_at(volume, points @ rotation.T), hu)
    assert (np.diff(volume.positions_mm) > 0).all() and volume.normal[2] > 0


@pytest.mark.parametrize("position", ["HFS", *POSITIONS])
def test_a_mark_on_the_patients_left_stays_there(position: str) -> None:
    files = []
    for dataset in _datasets():
        marked = dataset.copy()
        stored = frames_of(dataset)[0].copy()
        # Column 400 of 512, row 300: x = -125 + 400 × 0.488 = 70 mm, and columns run to the patient's left.
        stored[296:305, 396:405] = 3071
        marked.PixelData = stored.tobytes()
        files.append(transcode(POSITIONS[position](marked) if position != "HFS" else marked, EXPLICIT))
    volume, _ = read_study(_uploads(files))
    k, row, column = np.nonzero(volume.hu == 3071)
    pixels = np.stack([column, row, 0 * k, np.ones_like(k)], axis=1)
    x, y, _, _ = np.einsum("nij,nj->ni", volume.affines[k], pixels).mean(axis=0)
    assert (x, y) == (pytest.approx(70.3, abs=0.5), pytest.approx(15.4, abs=1.0))
