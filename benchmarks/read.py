"""How fast, and in how much memory, a study becomes a volume: htcore beside plain pydicom and SimpleITK.

``python -m benchmarks.read [PATH]``; without a path the real study beside the project where it is present, else the
first example study. Readers take turns; medians over ``RUNS`` and their ratios are printed. htcore's time includes
series choice, geometry, Hounsfield units and the digest; the others read pixels in the order of the files' names.
Memory is the growth of the resident set at its peak, each reader in a process of its own (Linux only).
"""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import SimpleITK
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

from benchmarks.targets import judge
from htcore import services
from htcore.dicom import read_study

RUNS = 9
THIN_SLICES = 320
MATRIX = 512
REAL_STUDY = Path(__file__).resolve().parents[2] / "shared" / "data" / "ge-tilt-ncct"
# Largest ratio of medians allowed against (pydicom, SimpleITK); no target for SimpleITK on compressed copies.
TARGETS: dict[str, tuple[float, float | None]] = {
    "as given": (0.65, 1.0),
    f"{THIN_SLICES} thin slices": (0.65, 1.0),
    "JPEG 2000 copy": (0.7, None),
    "JPEG lossless copy": (0.7, None),
}
MEMORY_TARGET = 2.5


def by_htcore(folder: Path) -> int:
    """Bytes of the volume, read the project's way."""
    return read_study(folder)[0].hu.nbytes


def by_pydicom(folder: Path) -> int:
    """Bytes of the stacked pixels, plain pydicom."""
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".dcm")
    return np.stack([pydicom.dcmread(path).pixel_array for path in paths]).nbytes


def by_simpleitk(folder: Path) -> int:
    """Bytes of the image, SimpleITK's series reader."""
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return SimpleITK.GetArrayViewFromImage(reader.Execute()).nbytes


READERS: dict[str, Callable[[Path], int]] = {"htcore": by_htcore, "pydicom": by_pydicom, "SimpleITK": by_simpleitk}


def instances(source: Path) -> list[pydicom.FileDataset]:
    """Every DICOM image of a folder or ZIP."""
    if source.is_dir():
        return [pydicom.dcmread(path) for path in sorted(source.iterdir()) if path.suffix == ".dcm"]
    with zipfile.ZipFile(source) as archive:
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
        return [pydicom.dcmread(io.BytesIO(archive.read(name)), force=True) for name in names]


def write(datasets: Iterable[pydicom.FileDataset], folder: Path) -> Path:
    """Save as numbered files."""
    folder.mkdir()
    for number, dataset in enumerate(datasets):
        dataset.save_as(folder / f"{number:03d}.dcm")
    return folder


def thin(template: pydicom.FileDataset) -> Iterator[pydicom.FileDataset]:
    """A thin study of 512 x 512 pixels made of one slice of another and noise, 0.5 mm apart."""
    rng = np.random.default_rng(1)
    factor = MATRIX // template.Rows
    base = np.kron(template.pixel_array, np.ones((factor, factor), dtype=np.int16))
    x, y, z = (float(value) for value in template.ImagePositionPatient)
    for number in range(THIN_SLICES):
        copy = pydicom.dcmread(io.BytesIO(_bytes(template)))
        copy.Rows = copy.Columns = MATRIX
        copy.PixelSpacing = [float(value) / factor for value in template.PixelSpacing]
        copy.ImagePositionPatient = [x, y, z + 0.5 * number]
        copy.SliceThickness = 0.5
        copy.InstanceNumber = number + 1
        copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        noisy = np.maximum(base + rng.integers(-8, 9, base.shape), 0 if template.PixelRepresentation == 0 else -3000)
        copy.PixelData = noisy.astype(base.dtype).tobytes()
        yield copy


def _bytes(dataset: pydicom.FileDataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def jpeg_lossless(dataset: pydicom.FileDataset) -> pydicom.FileDataset:
    """The same image, its pixels compressed without loss (process 14, selection value 1)."""
    pixels = dataset.pixel_array.astype(np.int32).astype(np.uint16)
    encoded = imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=16)
    dataset.PixelData = encapsulate([encoded])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    return dataset


def jpeg_2000(dataset: pydicom.FileDataset) -> pydicom.FileDataset:
    """The same image, its pixels compressed without loss by JPEG 2000."""
    dataset.compress(JPEG2000Lossless)
    return dataset


def peak_bytes(reader: str, folder: Path) -> int:
    """Growth of the resident set at its peak while ``reader`` reads ``folder`` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.read", "--peak", reader, str(folder)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(reader: str, folder: Path) -> None:
    """Print ``peak_bytes`` of this process."""
    warm = Path(tempfile.mkdtemp())
    READERS[reader](write(instances(folder)[:2], warm / "two"))
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    READERS[reader](folder)
    print(_status("VmHWM") - before)


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise SystemExit("peak memory is measured on Linux only")


def measure(name: str, folder: Path) -> None:
    """Time the readers in alternation and print their row."""
    size = READERS["htcore"](folder)
    seconds: dict[str, list[float]] = {reader: [] for reader in READERS}
    for run in range(RUNS + 1):
        for reader, read in READERS.items():
            started = time.perf_counter()
            read(folder)
            if run:
                seconds[reader].append(time.perf_counter() - started)
    medians = {reader: statistics.median(values) * 1000 for reader, values in seconds.items()}
    against_pydicom = medians["htcore"] / medians["pydicom"]
    against_itk = medians["htcore"] / medians["SimpleITK"]
    memory = {reader: peak_bytes(reader, folder) / size for reader in READERS}
    most, most_itk = TARGETS[name]
    times = "".join(f"{medians[reader]:10.1f}" for reader in READERS)
    peaks = "".join(f"{memory[reader]:10.2f}" for reader in READERS)
    print(f"{name:20s}{times}{against_pydicom:12.2f}{against_itk:12.2f}{peaks}", flush=True)
    judge(f"{name}: time beside pydicom", against_pydicom, most)
    if most_itk is not None:
        judge(f"{name}: time beside SimpleITK", against_itk, most_itk)
    judge(f"{name}: peak memory", memory["htcore"], MEMORY_TARGET, unit="vol.")


def main(arguments: list[str]) -> None:
    """Make the studies, measure, print."""
    if arguments:
        source, name = Path(arguments[0]), "the given study"
    elif REAL_STUDY.is_dir():
        source, name = REAL_STUDY, "the real study"
    else:
        source, name = services.example_studies()[0].path, "an example study (the real study is absent)"
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        folders = {
            "as given": write(instances(source), root / "given"),
            f"{THIN_SLICES} thin slices": write(thin(instances(source)[0]), root / "thin"),
            "JPEG 2000 copy": write([jpeg_2000(d) for d in instances(source)], root / "j2k"),
            "JPEG lossless copy": write([jpeg_lossless(d) for d in instances(source)], root / "jpeg"),
        }
        print(f"{name}: medians of {RUNS} in ms, ratios of htcore's, peak memory in volumes (int16)")
        print(f"{'':20s}" + "".join(f"{r:>10s}" for r in READERS) + f"{'/pydicom':>12s}{'/SimpleITK':>12s}"
              + "".join(f"{r:>10s}" for r in READERS))  # fmt: skip
        for key, folder in folders.items():
            measure(key, folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        print_peak(sys.argv[2], Path(sys.argv[3]))
    else:
        main(sys.argv[1:])
