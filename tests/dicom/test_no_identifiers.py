"""Whatever is wrong with a study, nothing that is said or logged names the patient: no value, no file name, no path."""

from __future__ import annotations

import gzip
import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless
from typer.testing import CliRunner

from htcore.cli import app
from htcore.dicom import read_study
from htcore.errors import HtcoreError
from htcore.settings import Settings
from tests.rearrange import enhanced
from tests.studies import HeadStudy, other
from tests.transcode import transcode
from tests.uploads import Spoil, files_of, tags, zipped

STUDY = HeadStudy(slabs=((10, 16.0),), shape=(40, 36), pixel_mm=(5.5, 6.0), patient="ZEBULON-4711")
WORDS = ("zebulon", "4711", "19330105", "telltale")
Build = Callable[[], dict[str, bytes]]


def _marked(change: Spoil | None = None, study: HeadStudy = STUDY) -> list[bytes]:
    def mark(dataset: object) -> None:
        tags(
            PatientBirthDate="19330105",
            AccessionNumber="4711",
            StudyDescription="CT of Zebulon",
            SeriesDescription="Zebulon head",
            OtherPatientNames="Zebulon^Telltale",
            ReferringPhysicianName="Telltale^Zebulon",
        )(dataset)  # type: ignore[arg-type]
        if change is not None:
            change(dataset)  # type: ignore[arg-type]

    return files_of(study, mark)


def _folder(contents: list[bytes]) -> dict[str, bytes]:
    return {f"telltale_zebulon_4711_{n}.dcm": content for n, content in enumerate(contents)}


def _raw(old: bytes, new: bytes) -> Build:
    """Each file with some bytes overwritten, where a writer that follows the standard would refuse."""
    return lambda: _folder([content.replace(old, new, 1) for content in _marked()])


def _cut(share: float) -> Build:
    return lambda: _folder([content[: int(len(content) * share)] for content in _marked()])


def _nifti(hu: np.ndarray, name: bytes = b"Zebulon 4711") -> bytes:
    image = nibabel.Nifti1Image(hu, np.eye(4))
    image.header["descrip"] = name
    return image.to_bytes()


def _compressed_and_cut() -> dict[str, bytes]:
    parts = STUDY.datasets()
    return _folder([transcode(part, JPEG2000Lossless)[:-200] + bytes(20) for part in parts])


def _without_rescale(dataset: Dataset) -> None:
    """Values that no usual rescale explains."""
    dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2") + 300).astype("<u2").tobytes()
    del dataset.RescaleSlope, dataset.RescaleIntercept


def _frames(count: int) -> Build:
    def build() -> dict[str, bytes]:
        dataset = enhanced(STUDY.datasets(), range(10))
        dataset.NumberOfFrames = count
        return _folder([transcode(dataset, JPEG2000Lossless)])

    return build


BAD: dict[str, Build] = {
    "empty": lambda: {"telltale_zebulon_4711.dcm": b""},
    "text": lambda: {"telltale_zebulon_4711.dcm": b"Zebulon Telltale, 4711, born 19330105. " * 20},
    "cut_in_pixels": _cut(0.9),
    "cut_in_header": _cut(0.3),
    "cut_to_nothing": _cut(0.05),
    "two_patients": lambda: _folder([*_marked(), *_marked(study=other(STUDY, patient="TELLTALE"))]),
    "no_rescale": lambda: _folder(_marked(_without_rescale)),
    "no_position": lambda: _folder(_marked(lambda dataset: delattr(dataset, "ImagePositionPatient"))),
    "no_pixels": lambda: _folder(_marked(lambda dataset: delattr(dataset, "PixelData"))),
    "name_for_a_modality": lambda: _folder(_marked(tags(Modality="ZEBULON"))),
    "name_for_an_image_type": lambda: _folder(_marked(tags(ImageType=["ZEBULON", "TELLTALE", "LOCALIZER"]))),
    "name_for_a_number": _raw(b"-1024", b"Zebul"),
    "name_for_an_orientation": _raw(b"1.0\\0.0", b"Zebulon"),
    "name_for_a_uid": _raw(b"1.2.840.10008.1.2.1\0", b"Zebulon-4711-Tellta\0"),
    "name_for_a_vr": _raw(b"PN", b"ZE"),
    "colour": lambda: _folder(_marked(tags(SamplesPerPixel=3))),
    "too_large": lambda: _folder(_marked(tags(Rows=65535, Columns=65535))),
    "mr": lambda: _folder(_marked(tags(Modality="MR"))),
    "compressed_damage": _compressed_and_cut,
    "frames": _frames(11),
    "million_frames": _frames(1_000_000),
    "doubled": lambda: _folder([*_marked(), *_marked(tags(RescaleIntercept=-1000))]),
    "zip_damage": lambda: {"telltale.zip": zipped(_folder(_marked()))[:-40]},
    "zip_bomb": lambda: {"telltale.zip": zipped({"zebulon": b"\0" * 128 + b"DICM" + bytes(10_000_000)})},
    "zip_in_zip": lambda: {
        "telltale.zip": zipped({"z.zip": zipped({"z.zip": zipped({"zebulon.zip": b"PK\3\4" * 9})})})
    },
    "gz_damage": lambda: {"zebulon.nii.gz": gzip.compress(_nifti(np.zeros((9, 9, 9), np.int16)))[:-9]},
    "nifti_4d": lambda: {"zebulon.nii": _nifti(np.zeros((4, 4, 4, 2), np.int16))},
    "nifti_nan": lambda: {"zebulon.nii": _nifti(np.full((4, 4, 4), np.nan, np.float32))},
    "nifti_cut": lambda: {"zebulon.nii": _nifti(np.zeros((9, 9, 9), np.int16))[:-99]},
    "nifti_of_air": lambda: {"zebulon.nii": _nifti(np.full((9, 9, 9), -1000, np.int16))},
}
GOOD: dict[str, Build] = {
    "good": lambda: _folder(_marked()),
    "age_by_birth": lambda: _folder(_marked(tags(PatientAge=None, StudyDate="20200101"))),
    "name_for_a_modality_beside": lambda: _folder([*_marked(), _marked(tags(Modality="ZEBULON"))[0]]),
}


@pytest.fixture(params=[*BAD, *GOOD])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "telltale"
    folder.mkdir()
    for name, content in {**BAD, **GOOD}[request.param]().items():
        (folder / name).write_bytes(content)
    return folder


def _assert_silent(said: str, path: Path) -> None:
    lower = said.lower()
    assert [word for word in (*WORDS, str(path).lower()) if word in lower] == []
    assert "Traceback" not in said


def test_nothing_said_or_logged_names_the_patient(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for source in (study, [(path.name, io.BytesIO(path.read_bytes())) for path in sorted(study.iterdir())]):
            try:
                volume, receipt = read_study(source, Settings())
                said.append(repr(receipt))
                assert volume.shape[0] > 0
            except HtcoreError as error:
                said.append(f"{error} {error.code} {error!r}")
        result = CliRunner().invoke(app, ["inspect", str(study), "--json"])
        plain = CliRunner().invoke(app, ["inspect", str(study)])
    said += [result.stdout, result.stderr, plain.stdout, plain.stderr, caplog.text, *(str(w.message) for w in caught)]
    _assert_silent("\n".join(said), study)
    json.loads(result.stdout)
    assert result.exit_code == plain.exit_code
    assert result.exit_code in {0, 3, 4}


@pytest.mark.parametrize("name", [*BAD, *GOOD])
def test_each_bad_input_has_its_code(name: str, tmp_path: Path) -> None:
    for file, content in {**BAD, **GOOD}[name]().items():
        (tmp_path / file).write_bytes(content)
    result = CliRunner().invoke(app, ["inspect", str(tmp_path), "--json"])
    found = json.loads(result.stdout)
    if name in {"name_for_a_vr", "nifti_of_air", *GOOD} or (name == "name_for_a_uid" and "volume" in found):
        assert found["schema"] == "htcore.inspection/1"
        return
    assert found["schema"] == "htcore.error/1"
    assert found["error"]["code"] not in {"unforeseen", "error"}
    refused = {"mr", "colour", "name_for_a_modality", "name_for_an_image_type"}
    assert result.exit_code == (4 if name in refused else 3)


@pytest.mark.parametrize("name", ["compressed_damage", "mr"])
def test_a_process_of_its_own_says_no_more(name: str, tmp_path: Path) -> None:
    """Also what libraries write past Python to the standard streams."""
    for file, content in BAD[name]().items():
        (tmp_path / file).write_bytes(content)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "htcore", "inspect", str(tmp_path), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=120)
    _assert_silent(result.stdout + result.stderr, tmp_path)
    assert json.loads(result.stdout)["schema"] == "htcore.error/1"
    assert result.returncode == (4 if name == "mr" else 3)
