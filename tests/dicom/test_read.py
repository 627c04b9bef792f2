from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import MRImageStorage, generate_uid

from htcore.dicom import read_study
from htcore.dicom.header import TAGS, Header
from htcore.dicom.instance import Instance
from htcore.errors import HtcoreError, ReadError, RefusedError
from htcore.quality import check
from htcore.settings import Settings
from htcore.types import Volume
from tests.studies import BALL_HU, BALL_MM, REAL_STUDY, HeadStudy, head_hu, other

SMALL = HeadStudy(slabs=((10, 16.0),), shape=(40, 36), pixel_mm=(5.5, 6.0))
real = pytest.mark.skipif(not REAL_STUDY.is_dir(), reason="the real study is not on this machine")


def _zip(members: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    out.seek(0)
    return out


def _code(source: object, settings: Settings | None = None) -> str:
    with pytest.raises(HtcoreError) as caught:
        read_study(source, settings)  # type: ignore[arg-type]
    assert "P1" not in str(caught.value)
    return caught.value.code


def _same(first: Volume, second: Volume) -> None:
    np.testing.assert_array_equal(first.hu, second.hu)
    np.testing.assert_allclose(first.affines, second.affines, atol=1e-5)


def _places_hold_their_values(volume: Volume, tolerance_mm: float = 0.01) -> None:
    """Every pixel equals the closed form at its millimetre, apart from the pixels that lie on an edge."""
    _, rows, columns = np.indices(volume.shape)
    pixels = np.stack([columns, rows, np.zeros_like(rows), np.ones_like(rows)], axis=-1).astype(float)
    points = np.einsum("kij,krcj->krci", volume.affines, pixels)[..., :3]
    wrong = volume.hu != head_hu(points)
    for axis in range(3):
        for sign in (-1, 1):
            wrong &= volume.hu != head_hu(points + sign * tolerance_mm * np.eye(3)[axis])
    assert not wrong.any()


@pytest.mark.parametrize(
    "study",
    [
        SMALL,
        other(SMALL, tilt_deg=18.5),
        other(SMALL, tilt_deg=-20.0),
        other(SMALL, slabs=((8, 8.0), (6, 15.0)), slab_gap_mm=2.0),
        other(SMALL, column_sign=-1, row_sign=-1),
        other(SMALL, column_sign=-1),
        other(SMALL, row_sign=-1, tilt_deg=10.0),
        other(SMALL, signed=True, intercept=0.0),
        other(SMALL, slope=0.5, intercept=-1000.5),
    ],
    ids=["plain", "tilt", "tilt_back", "two_slabs", "prone", "feet_first", "flipped_tilt", "signed", "slope"],
)
def test_the_right_value_is_at_the_right_millimetre(study: HeadStudy, tmp_path: Path) -> None:
    study.write(tmp_path)
    volume, _ = read_study(tmp_path)
    np.testing.assert_allclose(volume.affines, study.affines(), atol=1e-5)
    np.testing.assert_allclose(volume.tilt_deg, study.tilt_deg, atol=1e-4)
    assert (np.diff(volume.positions_mm) > 0).all()
    if study.slope == 1:
        np.testing.assert_array_equal(volume.hu, study.hu())
    else:
        assert np.abs(volume.hu.astype(int) - study.hu()).max() <= 1
        return
    _places_hold_their_values(volume)


def test_the_dark_ball_lies_on_the_patients_left(tmp_path: Path) -> None:
    HeadStudy(column_sign=-1, row_sign=-1).write(tmp_path)
    volume, _ = read_study(tmp_path)
    k, row, column = np.argwhere(volume.hu == BALL_HU).mean(axis=0)
    centre = volume.affines[round(k)] @ [column, row, 0.0, 1.0]
    np.testing.assert_allclose(centre[:3], BALL_MM, atol=4.0)


def test_names_order_and_packing_do_not_matter(tmp_path: Path) -> None:
    paths = SMALL.write(tmp_path / "a")
    expected, receipt = read_study(tmp_path / "a")
    rng = np.random.default_rng(3)
    shuffled = tmp_path / "b"
    (shuffled / "deep" / "er").mkdir(parents=True)
    members: dict[str, bytes] = {"../../escape": b"text", "__MACOSX/._x": b"\0\5\x16\7", "readme.txt": b"hello"}
    uploads = []
    for name, k in enumerate(rng.permutation(len(paths))):
        content = paths[k].read_bytes()
        (shuffled / ("deep" if name % 2 else "deep/er") / f"f{name}.jpg").write_bytes(content)
        members[f"{name}"] = content
        uploads.append((f"{name}", io.BytesIO(content)))
    inner = _zip(members).getvalue()
    (tmp_path / "study.bin").write_bytes(inner)
    sources: list[object] = [
        shuffled,
        str(shuffled),
        paths[::-1],
        uploads,
        tmp_path / "study.bin",
        [("z.zip", io.BytesIO(inner))],
        io.BytesIO(inner),
        [("n.zip", _zip({"inner.zip": inner}))],
    ]
    for source in sources:
        volume, other_receipt = read_study(source)  # type: ignore[arg-type]
        _same(volume, expected)
        assert other_receipt.content_sha256 == receipt.content_sha256
    assert not uploads[0][1].closed
    assert not (tmp_path.parent / "escape").exists()


def test_instance_number_and_slice_location_are_not_believed(tmp_path: Path) -> None:
    def lie(dataset: Dataset, k: int) -> None:
        dataset.InstanceNumber = (k * 7) % 10
        dataset.SliceLocation = -k
        dataset.GantryDetectorTilt = 25.0

    SMALL.write(tmp_path, lie)
    volume, _ = read_study(tmp_path)
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert volume.tilt_deg == 0.0


def test_receipt_of_a_plain_study(tmp_path: Path) -> None:
    SMALL.write(tmp_path)
    (tmp_path / "note.txt").write_text("a text file of no interest")
    _, receipt = read_study(tmp_path)
    assert (receipt.source_kind, receipt.n_files, len(receipt.series)) == ("dicom", 11, 1)
    assert [(entry.reason, entry.count) for entry in receipt.left_out] == [("neither DICOM nor NIfTI", 1)]
    assert (receipt.age_years, receipt.sex, receipt.kernel, receipt.kvp) == (70.0, "F", "STANDARD", 120.0)
    assert not receipt.simulated
    assert receipt.contrast_agent is None
    assert "P1" not in repr(receipt)


@pytest.mark.parametrize(
    ("age", "born", "scanned", "years"),
    [
        ("070Y", "20200101", "20260101", 70.0),
        ("006M", "19500101", "20260101", 0.5),
        ("", "20080304", "20260303", 17.0),
        ("", "20080304", "20260304", 18.0),
        ("unknown", "20260102", "20260304", 0.0),
        ("", "1950.12.31", "20260101", 75.0),
        ("", "19500229", "20260228", 75.0),
        ("", "19000101", "20260101", None),
        ("", "20260102", "20260101", None),
        ("", "20260101", "20260101", None),
        ("", "195001", "20260101", None),
        ("", "", "20260101", None),
        ("", "19500101", "", None),
    ],
)
def test_age_is_the_tag_or_else_the_whole_years_since_birth(
    age: str, born: str, scanned: str, years: float | None
) -> None:
    values = {"PatientAge": age, "PatientBirthDate": born, "StudyDate": scanned}
    header = Header({TAGS[keyword]: ("LO", value.encode()) for keyword, value in values.items()})
    assert Instance(b"", header, None, None, None, 0).age_years == years


def test_the_date_of_birth_tells_a_child_and_goes_nowhere(tmp_path: Path) -> None:
    SMALL.write(tmp_path, _set(PatientAge=None, PatientBirthDate="20080711", StudyDate="20260401"))
    volume, receipt = read_study(tmp_path)
    assert receipt.age_years == 17.0
    assert "child" in {finding.code for finding in check(volume, receipt).findings}
    assert "20080711" not in repr(receipt)


@pytest.mark.parametrize("mark", [("ManufacturerModelName", "SIMULATED scanner"), ("ImageType", ["SIMULATED", "X"])])
def test_simulated_scans_say_so(tmp_path: Path, mark: tuple[str, object]) -> None:
    SMALL.write(tmp_path, lambda dataset, _: setattr(dataset, mark[0], mark[1]))
    assert read_study(tmp_path)[1].simulated


def test_thickness_is_the_tag_or_else_the_spacing(tmp_path: Path) -> None:
    other(SMALL, thickness_mm=3.0).write(tmp_path / "tag")
    other(SMALL, slabs=((3, 4.0), (3, 7.0)), slab_gap_mm=1.0).write(tmp_path / "silent")
    assert read_study(tmp_path / "tag")[0].thickness_mm.tolist() == [3.0] * 10
    np.testing.assert_allclose(read_study(tmp_path / "silent")[0].thickness_mm, [4, 4, 1, 1, 7, 7])


def test_one_slice_is_read(tmp_path: Path) -> None:
    path = SMALL.write(tmp_path)[4]
    volume, _ = read_study(path)
    assert volume.shape == (1, 40, 36)
    assert volume.thickness_mm.tolist() == [1.0]


def test_doubled_slices_that_agree_are_read_once(tmp_path: Path) -> None:
    SMALL.write(tmp_path / "a")
    SMALL.write(tmp_path / "b")
    volume, receipt = read_study(tmp_path)
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert [(entry.reason, entry.count) for entry in receipt.left_out] == [("same slice again", 10)]


def test_doubled_slices_that_differ_are_refused(tmp_path: Path) -> None:
    SMALL.write(tmp_path / "a")
    SMALL.write(tmp_path / "b", lambda dataset, _: setattr(dataset, "RescaleIntercept", -1000))
    assert _code(tmp_path) == "doubled_slices"


def test_two_acquisitions_in_one_series_are_parted(tmp_path: Path) -> None:
    def second(dataset: Dataset, _: int) -> None:
        dataset.AcquisitionNumber = 2
        dataset.PixelData = bytes(len(dataset.PixelData))

    SMALL.write(tmp_path / "a", lambda dataset, _: setattr(dataset, "AcquisitionNumber", 1))
    SMALL.write(tmp_path / "b", second)
    volume, receipt = read_study(tmp_path)
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert [record.n_images for record in receipt.series] == [10, 10]


def test_two_patients_are_never_mixed(tmp_path: Path) -> None:
    SMALL.write(tmp_path / "a")
    other(SMALL, patient="P2").write(tmp_path / "b")
    assert _code(tmp_path) == "two_patients"


def test_mr_is_refused_as_not_ct(tmp_path: Path) -> None:
    def to_mr(dataset: Dataset, _: int) -> None:
        dataset.Modality = "MR"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage

    SMALL.write(tmp_path, to_mr)
    with pytest.raises(RefusedError) as caught:
        read_study(tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("not_ct", 4)


def test_nothing_and_junk(tmp_path: Path) -> None:
    assert _code(tmp_path) == "empty"
    assert _code([]) == "empty"
    assert _code([("x.dcm", io.BytesIO())]) == "empty"
    assert _code([("x.zip", _zip({}))]) == "empty"
    assert _code(tmp_path / "absent") == "not_found"
    (tmp_path / "a.dcm").write_text("text that calls itself DICOM")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(ReadError, match="2 × neither DICOM nor NIfTI") as caught:
        read_study(tmp_path)
    assert caught.value.code == "no_dicom"


@pytest.mark.parametrize("kept", [-1, -1441, 1100, 700, 400, 140])
def test_truncated_file(tmp_path: Path, kept: int) -> None:
    paths = SMALL.write(tmp_path)
    content = paths[3].read_bytes()
    paths[3].write_bytes(content[:kept])
    assert _code(paths[3]) in {"truncated", "missing_tag", "no_dicom"}
    if kept != 140:
        assert _code(tmp_path) in {"truncated", "missing_tag"}


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("ImagePositionPatient", "missing_tag"),
        ("ImageOrientationPatient", "missing_tag"),
        ("PixelSpacing", "missing_tag"),
        ("Rows", "missing_tag"),
        ("Columns", "missing_tag"),
        ("BitsAllocated", "missing_tag"),
        ("PixelRepresentation", "missing_tag"),
        ("SamplesPerPixel", "missing_tag"),
        ("PixelData", "truncated"),
        ("Modality", "not_ct"),
    ],
)
def test_missing_tags_one_by_one(tmp_path: Path, tag: str, code: str) -> None:
    SMALL.write(tmp_path, lambda dataset, _: delattr(dataset, tag))
    assert _code(tmp_path) == code


def _set(**values: object) -> Callable[[Dataset, int], None]:
    def change(dataset: Dataset, _: int) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_set(Rows=65535, Columns=65535), "too_large"),
        (_set(Rows=65000, Columns=1000), "truncated"),
        (_set(Rows=0), "too_large"),
        (_set(NumberOfFrames=1000000), "missing_tag"),
        (_set(PixelSpacing=[0.0, 1.0]), "bad_tag"),
        (_set(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "bad_tag"),
        (_set(ImagePositionPatient=[0.0, 0.0]), "bad_tag"),
        (_set(RescaleSlope=0), "bad_tag"),
        (_set(BitsStored=17), "bad_tag"),
        (_set(BitsAllocated=64), "unsupported_pixels"),
        (_set(SamplesPerPixel=3), "no_slices"),
        (_set(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "no_slices"),
    ],
)
def test_impossible_tags(tmp_path: Path, change: Callable[[Dataset, int], None], code: str) -> None:
    SMALL.write(tmp_path, change)
    assert _code(tmp_path, Settings(max_volume_bytes=1 << 31)) == code


def test_archives_that_cannot_be_opened(tmp_path: Path) -> None:
    content = SMALL.write(tmp_path)[0].read_bytes()
    good = bytearray(_zip({"a": content}).getvalue())
    assert _code([("a.zip", io.BytesIO(bytes(good[: len(good) // 2])))]) == "bad_zip"
    flagged = bytearray(good)
    flagged[6] |= 1
    flagged[good.rindex(b"PK\x01\x02") + 8] |= 1
    assert _code([("a.zip", io.BytesIO(bytes(flagged)))]) == "encrypted_zip"
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    assert _code([("a.zip", io.BytesIO(bytes(flipped)))]) == "bad_zip"
    assert _code([("a.zip", _zip({"zeros": bytes(10_000_000)}))]) == "zip_ratio"


def test_limits(tmp_path: Path) -> None:
    SMALL.write(tmp_path)
    assert _code(tmp_path, Settings(max_files=5)) == "too_many_files"
    assert _code(tmp_path, Settings(max_upload_bytes=10_000)) == "too_large"
    assert _code(tmp_path, Settings(max_volume_bytes=10_000)) == "too_large"


def test_links_are_not_followed(tmp_path: Path) -> None:
    SMALL.write(tmp_path / "elsewhere")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "elsewhere" / "000")
    (tmp_path / "here" / "folder").symlink_to(tmp_path / "elsewhere")
    assert _code(tmp_path / "here") == "no_dicom"


@real
def test_real_study() -> None:
    volume, receipt = read_study(REAL_STUDY)
    assert volume.shape == (28, 512, 512)
    assert abs(volume.tilt_deg) == pytest.approx(18.5, abs=0.1)
    steps = np.diff(volume.positions_mm)
    np.testing.assert_allclose(steps, [4.0] * 13 + [1.08] + [7.0] * 13, atol=0.01)
    assert volume.pixel_spacing_mm == pytest.approx((0.4882812, 0.4882812))
    assert receipt.content_sha256 and not receipt.simulated


@real
def test_real_study_pixel_to_millimetre_and_back_is_exact() -> None:
    volume, _ = read_study(REAL_STUDY)
    stored = {}
    for path in REAL_STUDY.glob("*.dcm"):
        dataset = dcmread(path)
        stored[round(float(dataset.ImagePositionPatient[2]), 3)] = dataset.pixel_array
    rng = np.random.default_rng(7)
    k, row, column = (rng.integers(0, n, 2000) for n in volume.shape)
    ones = np.ones_like(k)
    points = np.einsum("nij,nj->ni", volume.affines[k], np.stack([column, row, 0 * k, ones], 1).astype(float))
    back = np.einsum("nij,nj->ni", np.linalg.inv(volume.affines)[k], points)
    for n in range(2000):
        c, r, w = back[n, :3]
        assert abs(c - round(c)) < 1e-6 and abs(r - round(r)) < 1e-6 and abs(w) < 1e-6
        z = round(float(volume.affines[k[n], 2, 3]), 3)
        assert volume.hu[k[n], round(r), round(c)] == stored[z][row[n], column[n]]


@real
def test_real_study_reversed_in_a_zip_is_the_same(tmp_path: Path) -> None:
    paths = sorted(REAL_STUDY.glob("*.dcm"))
    expected, receipt = read_study(paths)
    archive = _zip({f"x/{generate_uid()}": path.read_bytes() for path in reversed(paths)})
    volume, other_receipt = read_study([("upload", archive)])
    _same(volume, expected)
    assert other_receipt.content_sha256 == receipt.content_sha256
