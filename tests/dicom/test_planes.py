from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileDataset
from pydicom.uid import EnhancedCTImageStorage, RLELossless

from htcore.dicom import read_study
from htcore.errors import ReadError
from tests.studies import HeadStudy, other
from tests.uploads import code_of, files_of, read, tags

STUDY = HeadStudy(slabs=((6, 8.0), (5, 15.0)), slab_gap_mm=2.0, shape=(40, 36), pixel_mm=(5.5, 6.0), tilt_deg=15.0)
PLAIN = other(STUDY, tilt_deg=0.0)


def _item(**values: object) -> Dataset:
    out = Dataset()
    for keyword, value in values.items():
        setattr(out, keyword, value)
    return out


def _enhanced(study: HeadStudy, order: list[int]) -> FileDataset:
    """The study as one Enhanced CT whose frames come in ``order``, each with its own rescale intercept."""
    parts = study.datasets()
    out = parts[0]
    first = parts[0]
    shared = _item(
        PixelMeasuresSequence=[_item(PixelSpacing=first.PixelSpacing, SliceThickness=5.0)],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=first.ImageOrientationPatient)],
    )
    frames, pixels = [], []
    for n, k in enumerate(order):
        position = _item(ImagePositionPatient=parts[k].ImagePositionPatient)
        rescale = _item(RescaleSlope=1, RescaleIntercept=-1024 - n, RescaleType="HU")
        frames.append(_item(PlanePositionSequence=[position], PixelValueTransformationSequence=[rescale]))
        pixels.append((np.frombuffer(parts[k].PixelData, "<u2") + n).astype("<u2").tobytes())
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        delattr(out, keyword)
    del out.RescaleIntercept
    out.SOPClassUID = out.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    out.NumberOfFrames = len(order)
    out.SharedFunctionalGroupsSequence = [shared]
    out.PerFrameFunctionalGroupsSequence = frames
    out.PixelData = b"".join(pixels)
    return out


@pytest.mark.parametrize("compress", [False, True])
def test_enhanced_multi_frame_equals_the_classic_study(tmp_path: Path, compress: bool) -> None:
    order = [int(k) for k in np.random.default_rng(5).permutation(11)]
    dataset = _enhanced(STUDY, order)
    if compress:
        dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(tmp_path / "one", enforce_file_format=True)
    volume, receipt = read_study(tmp_path)
    np.testing.assert_array_equal(volume.hu, STUDY.hu())
    np.testing.assert_allclose(volume.affines, STUDY.affines(), atol=1e-5)
    assert volume.thickness_mm.tolist() == [5.0] * 11
    assert receipt.series[0].n_images == 11


def test_enhanced_has_the_digest_of_the_classic_study(tmp_path: Path) -> None:
    other(STUDY, thickness_mm=5.0).write(tmp_path / "classic")
    (tmp_path / "enhanced").mkdir()
    _enhanced(STUDY, list(range(11))).save_as(tmp_path / "enhanced" / "one", enforce_file_format=True)
    digests = {read_study(tmp_path / kind)[1].content_sha256 for kind in ("classic", "enhanced")}
    assert len(digests) == 1


def test_enhanced_names_its_contrast_agent_in_a_sequence(tmp_path: Path) -> None:
    dataset = _enhanced(STUDY, list(range(11)))
    dataset.ContrastBolusAgentSequence = [_item(ContrastBolusAgentNumber=1)]
    dataset.save_as(tmp_path / "one", enforce_file_format=True)
    assert read_study(tmp_path)[1].contrast_agent == "by the contrast sequence"


@pytest.mark.parametrize("missing", ["PlanePositionSequence", "PixelValueTransformationSequence"])
def test_frames_without_place_or_rescale_are_refused(tmp_path: Path, missing: str) -> None:
    dataset = _enhanced(STUDY, list(range(11)))
    delattr(dataset.PerFrameFunctionalGroupsSequence[4], missing)
    dataset.save_as(tmp_path / "one", enforce_file_format=True)
    with pytest.raises(ReadError) as caught:
        read_study(tmp_path)
    assert caught.value.code in {"missing_tag", "missing_rescale"}


def test_frames_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    dataset = _enhanced(STUDY, list(range(11)))
    dataset.NumberOfFrames = 12
    dataset.save_as(tmp_path / "one", enforce_file_format=True)
    with pytest.raises(ReadError):
        read_study(tmp_path)


@pytest.mark.parametrize(
    "cosines",
    [[1, 0, 0, 0.004, 0.99999, 0], [1, 0.002, 0, 0, 0.95, -0.31], [0.99, 0.13, 0.05, -0.13, 0.99, 0.01]],
)
def test_axes_of_rounded_cosines_are_made_perpendicular(cosines: list[float]) -> None:
    axes = read(files_of(PLAIN, tags(ImageOrientationPatient=cosines)))[0].affines[:, :3, :3] / [6.0, 5.5, 1.0]
    np.testing.assert_allclose(axes.transpose(0, 2, 1) @ axes, np.broadcast_to(np.eye(3), axes.shape), atol=1e-12)
    np.testing.assert_allclose(axes[0, :, :2].T.ravel(), cosines, atol=0.01)


def test_axes_that_are_perpendicular_stay_as_they_are() -> None:
    cosines = [0.6, 0.8, 0.0, -0.8, 0.6, 0.0]
    axes = read(files_of(PLAIN, tags(ImageOrientationPatient=cosines)))[0].affines[0, :3, :2] / [6.0, 5.5]
    np.testing.assert_allclose(axes.T.ravel(), cosines, rtol=0, atol=1e-15)


def test_axes_far_from_perpendicular_are_refused() -> None:
    assert code_of(files_of(PLAIN, tags(ImageOrientationPatient=[1, 0, 0, 0.02, 1, 0]))) == "bad_tag"
