"""Whatever happens to the bytes, the outcome is an error of this package or a volume that says what the files say.

Every slice of a volume must be one of the undamaged study's, value for value at its millimetres, or what pydicom
(nibabel for NIfTI) reads from one of the damaged files: a position or a pixel that was overwritten by another valid one
cannot be told from the truth by any reader. Every file that is not in the volume is counted in the receipt.

The full run (10 to 20 minutes on two cores)::

    HTCORE_TEST_MUTATIONS=5000 python -m pytest tests/dicom/test_damage.py
"""

from __future__ import annotations

import gzip
import io
import os
import resource
import warnings
from collections.abc import Callable, Iterator
from functools import cache

import nibabel
import numpy as np
import pytest

from htcore.dicom import read_study
from htcore.errors import HtcoreError
from htcore.settings import Settings
from htcore.types import StudyReceipt, Volume
from tests.mutations import said_by_dicom, said_by_nifti, spoil, stored_in
from tests.rearrange import enhanced
from tests.studies import HeadStudy
from tests.transcode import LOSSLESS, NATIVE, transcode
from tests.uploads import zipped

STUDY = HeadStudy(slabs=((8, 20.0),), shape=(12, 10), pixel_mm=(18.0, 20.0), patient="QZX77", noise_hu=3.0)
MUTATIONS = int(os.environ.get("HTCORE_TEST_MUTATIONS", "350"))
LIMITS = Settings(max_upload_bytes=1 << 24, max_volume_bytes=1 << 24, max_files=200)


def _classic(name: str) -> Callable[[], list[bytes]]:
    return lambda: [transcode(dataset, {**NATIVE, **LOSSLESS}[name]) for dataset in STUDY.datasets()]


def _enhanced(name: str) -> Callable[[], list[bytes]]:
    return lambda: [transcode(enhanced(STUDY.datasets(), [3, 0, 5, 1, 7, 2, 6, 4]), {**NATIVE, **LOSSLESS}[name])]


def _zip() -> list[bytes]:
    files = _classic("explicit")()
    return [zipped({f"{n}": content for n, content in enumerate(files)})]


def _nifti() -> bytes:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ STUDY.affines()[0]
    affine[:3, 2] *= 20.0
    return nibabel.Nifti1Image(STUDY.hu().transpose(2, 1, 0), affine).to_bytes()


SOURCES: dict[str, Callable[[], list[bytes]]] = {
    **{name: _classic(name) for name in [*NATIVE, *LOSSLESS]},
    "enhanced": _enhanced("explicit"),
    "enhanced_jpeg_ls": _enhanced("jpeg_ls"),
    "zip": _zip,
    "nifti": lambda: [_nifti()],
    "nifti_gz": lambda: [gzip.compress(_nifti())],
}


@cache
def _files(name: str) -> tuple[bytes, ...]:
    if name in LOSSLESS or name == "enhanced_jpeg_ls":
        pytest.importorskip("imagecodecs", reason="the encoders of requirements-dev.txt are not installed")
    return tuple(SOURCES[name]())


@pytest.fixture(autouse=True)
def address_space() -> Iterator[None]:
    """A reader that believes a damaged size meets a ``MemoryError`` here, and not the end of the machine's memory."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@cache
def _truth() -> tuple[np.ndarray, np.ndarray]:
    return STUDY.affines()[:, :3, [0, 1, 3]], STUDY.hu()


def _is_one_of(affine: np.ndarray, hu: np.ndarray, affines: np.ndarray, volumes: np.ndarray) -> bool:
    return any(
        np.allclose(affine, other, atol=1e-4) and np.array_equal(hu, values)
        for other, values in zip(affines, volumes, strict=True)
    )


def _check(volume: Volume, files: list[bytes], plain: bool) -> None:
    """Each slice is one of the study or of what the files say by another reader."""
    said: list[tuple[np.ndarray, np.ndarray]] | None = None
    for k in range(volume.shape[0]):
        affine, hu = volume.affines[k, :3, [0, 1, 3]].T, volume.hu[k]
        if _is_one_of(affine, hu, *_truth()):
            continue
        if said is None:
            said = [pair for content in files for pair in said_by_dicom(content)]
        if any(np.allclose(affine, a, atol=1e-4) and np.array_equal(hu, v) for a, v in said):
            continue
        at_home = any(np.allclose(affine, place, atol=1e-4) for place in _truth()[0])
        assert plain and at_home and any(stored_in(hu, content) for content in files), "a slice of nowhere"


def _check_nifti(volume: Volume, files: list[bytes]) -> None:
    values = np.sort(volume.hu.ravel())
    assert np.array_equal(values, np.sort(STUDY.hu().ravel())) or any(
        np.array_equal(values, said_by_nifti(content)) for content in files
    )


def _accounted(receipt: StudyReceipt, volume: Volume, files: list[bytes]) -> None:
    left = sum(entry.count for entry in receipt.left_out)
    assert receipt.n_files == len(files)
    assert volume.shape[0] + left == len(files)


@pytest.mark.parametrize("name", SOURCES)
def test_damage_ends_in_an_error_of_ours_or_in_what_the_files_say(name: str) -> None:
    files = list(_files(name))
    rng = np.random.default_rng(sorted(SOURCES).index(name))
    outcomes = {"volume": 0, "error": 0}
    for _ in range(max(1, MUTATIONS // len(SOURCES))):
        spoiled = spoil(files, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                volume, receipt = read_study([("x", io.BytesIO(content)) for content in spoiled], LIMITS)
            except HtcoreError as error:
                assert "QZX77" not in str(error) and error.code != "error"
                outcomes["error"] += 1
                continue
        outcomes["volume"] += 1
        assert (np.diff(volume.positions_mm) > 0).all()
        assert np.isfinite(volume.affines).all() and (volume.thickness_mm > 0).all()
        if name.startswith("nifti"):
            _check_nifti(volume, spoiled)
        elif name == "zip":
            _check(volume, files, plain=True)
        else:
            _check(volume, spoiled, plain=name in {"implicit", "explicit", "big_endian", "enhanced"})
            if not name.startswith("enhanced"):
                _accounted(receipt, volume, spoiled)
    assert outcomes["error"] > 0
    assert outcomes["volume"] > 0 or MUTATIONS < 2000
