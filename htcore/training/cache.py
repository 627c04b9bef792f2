"""Scans prepared once and kept, so that an epoch reads arrays and not DICOM."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import nibabel
import numpy as np
from numpy.typing import NDArray

from htcore import quality
from htcore.dicom import read_study
from htcore.errors import CohortError, HtcoreError, MaskError, ReadError
from htcore.processes import in_processes
from htcore.training.batches import ScanArrays
from htcore.training.cohort import CohortScan
from htcore.transforms import VERSION, mask_to_grid, prepare
from htcore.types import CanonicalGrid, ModelInput, Volume

_CACHE_FAILED = "The cache of prepared scans cannot be written or read: free disk space or choose another folder."

Progress = Callable[[str, int, int], None]
"""Called with the stage, how much is done, and of how much."""


@dataclass(frozen=True)
class PreparedScan:
    """A cohort's scan with its prepared arrays on disk.

    Attributes
    ----------
    image : str
        Hash of the channels: equal where two files hold the same image.
    """

    scan: CohortScan
    file: Path
    thickness_mm: float
    image: str

    def arrays(self) -> ScanArrays:
        """Channels and lesion as float16.

        Raises
        ------
        CohortError
            If the cache was damaged or taken away meanwhile.
        """
        with _stored(self.file) as stored:
            return ScanArrays(stored["channels"], stored["lesion"] if "lesion" in stored.files else None)

    def model_input(self) -> ModelInput:
        """The network's input; channels carry float16 precision. Raises as `arrays`."""
        with _stored(self.file) as stored:
            channels = stored["channels"].astype(np.float32)
            slices, _, rows, columns = channels.shape
            grid = CanonicalGrid((slices, rows, columns), stored["affine"])
            return ModelInput(channels, stored["brain"], grid, ("from the cache of prepared scans",))


@contextmanager
def _stored(file: Path) -> Iterator[Any]:
    """A prepared scan's arrays by name."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            yield stored
    except (ValueError, KeyError, BadZipFile, EOFError) as error:
        raise CohortError("The cache of prepared scans is damaged: delete its folder and start again.") from error
    except OSError as error:
        raise CohortError("The cache of prepared scans can no longer be read: start again.") from error


@dataclass(frozen=True)
class RefusedScan:
    """A scan left out, with the reason in words.

    Attributes
    ----------
    row : int
        Counts the scans given, from 1; once a cohort is divided, the rows of its ``table`` (row 1 is the header).
    """

    row: int
    code: str
    message: str
    table: str = "cohort table"


def prepare_scans(
    scans: tuple[CohortScan, ...], cache: Path, workers: int = 1, progress: Progress | None = None
) -> tuple[tuple[PreparedScan, ...], tuple[RefusedScan, ...]]:
    """Read, check, prepare and keep every scan; those the reader or the quality gate refuses are listed and left out.

    Raises
    ------
    CohortError
        If no scan is left, or the cache cannot be written.
    HtcoreError
        Code ``worker_lost``, if a process was ended from outside.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CohortError(_CACHE_FAILED) from error
    tell = progress or (lambda stage, done, total: None)
    prepared: list[PreparedScan] = []
    refused: list[RefusedScan] = []
    jobs = [(row, scan, cache) for row, scan in enumerate(scans, start=1)]
    for done, result in enumerate(in_processes(_prepare_one, jobs, workers, in_order=True), start=1):
        if isinstance(result, PreparedScan):
            prepared.append(result)
        else:
            refused.append(result)
        tell("prepare", done, len(jobs))
    if not prepared:
        reasons = "; ".join(f"{n} × {code}" for code, n in Counter(entry.code for entry in refused).most_common())
        raise CohortError(
            f"No scan of the cohort could be used ({reasons}): check the paths and the quality of the scans."
        )
    return tuple(prepared), tuple(refused)


def _prepare_one(job: tuple[int, CohortScan, Path]) -> PreparedScan | RefusedScan:
    row, scan, cache = job
    try:
        file = cache / f"{_content_key(scan)}.npz"
    except OSError:
        message = "The scan or its mask could not be read from the disk: check its files and who may read them."
        return RefusedScan(row, ReadError.code, message)
    try:
        if not file.exists():
            _write(file, scan)
    except HtcoreError as error:
        return RefusedScan(row, error.code, str(error))
    except OSError as error:
        raise CohortError(_CACHE_FAILED) from error
    with _stored(file) as stored:
        return PreparedScan(scan, file, float(stored["thickness_mm"]), str(stored["image"]))


def _write(file: Path, scan: CohortScan) -> None:
    volume, receipt = read_study(scan.path)
    report = quality.check(volume, receipt)
    if report.verdict == "refuse":
        finding = next(entry for entry in report.findings if entry.severity == "refuse")
        raise HtcoreError(finding.message, code=finding.code)
    model_input = prepare(volume)
    channels = model_input.channels.astype(np.float16)
    arrays: dict[str, NDArray[np.generic]] = {
        "channels": channels,
        "brain": model_input.brain,
        "affine": model_input.grid.affine,
        "thickness_mm": np.asarray(np.median(volume.thickness_mm)),
        "image": np.asarray(hashlib.sha256(channels.tobytes()).hexdigest()),
    }
    if scan.mask_path is not None:
        mask = read_mask(scan.mask_path, volume)
        arrays["lesion"] = mask_to_grid(mask, volume, model_input.grid).astype(np.float16)
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def read_mask(path: Path, volume: Volume) -> NDArray[np.bool_]:
    """An infarct mask from NIfTI on the scan's own voxels, any axis turned round; bool (slices, rows, columns).

    Raises
    ------
    MaskError
        If the file cannot be read or has another shape than the scan.
    """
    try:
        image: Any = nibabel.load(path)
        data = np.asarray(image.dataobj)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise MaskError("A lesion mask could not be read: NIfTI on the scan's own voxels is expected.") from error
    if data.ndim < 3 or data.size != np.prod(data.shape[:3]):
        raise MaskError("A lesion mask is no single volume: save one NIfTI volume on the scan's own voxels.")
    data = data.reshape(data.shape[:3])
    axes = np.asarray(image.affine)[:3, :3] * np.array([[-1.0], [-1.0], [1.0]])  # NIfTI is RAS, the volume LPS
    for axis in range(3):
        if float(axes[:, axis] @ volume.affines[0, :3, axis]) < 0:
            data = np.flip(data, axis)
    mask = np.transpose(data, (2, 1, 0)) > 0.5
    if mask.shape != volume.shape:
        raise MaskError(
            f"A lesion mask has {mask.shape} slices, rows and columns where its scan has {volume.shape}: "
            "save the mask on the scan's own voxels."
        )
    return np.asarray(mask, dtype=np.bool_)


def _content_key(scan: CohortScan) -> str:
    """Hash of the study's bytes, the mask's, and the versions of quality gate and transforms."""
    digest = hashlib.sha256(f"gate {quality.VERSION}, transforms {VERSION}".encode())
    files = sorted(path for path in scan.path.rglob("*") if path.is_file()) if scan.path.is_dir() else [scan.path]
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    if scan.mask_path is not None:
        digest.update(b"mask")
        digest.update(hashlib.sha256(scan.mask_path.read_bytes()).digest())
    return digest.hexdigest()[:32]
