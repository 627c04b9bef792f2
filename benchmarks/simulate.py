"""How fast simulated scans are made, with how much memory, whether cost grows with N, and what the quality gate says.

``python -m benchmarks.simulate [speed] [inspect]``; both without an argument. Rates are those after the processes have
started (a start takes seconds and happens once a cohort); the share that a start adds is shown beside.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.targets import judge
from htcore.services import inspect_study
from htcore.simulation import CohortParameters, simulate_cohort

WORKERS = 2
SEED = 20
FEW, MANY = 8, 32
INSPECTED = 200
KINDS = {
    "network's grid (NIfTI, 160²)": (CohortParameters(seed=SEED, patients=MANY, format="nifti"), 2.0),
    "full DICOM (512²)": (CohortParameters(seed=SEED, patients=MANY, format="dicom"), 0.5),
}
MEMORY_TARGET_GIB = 2.0
ACCEPTED_TARGET = 0.98


@dataclass(frozen=True)
class Timing:
    """One cohort: scans, seconds until the first scan, seconds from the first to the last."""

    scans: int
    start_s: float
    rest_s: float

    @property
    def a_second(self) -> float:
        """Scans a second once the processes run."""
        return (self.scans - 1) / self.rest_s


def timed(parameters: CohortParameters) -> Timing:
    """Make the cohort and forget it."""
    moments: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        simulate_cohort(
            parameters, Path(folder) / "c", WORKERS, progress=lambda done, total: moments.append(time.perf_counter())
        )
    return Timing(len(moments), moments[0] - started, moments[-1] - moments[0])


def peak_gib() -> float:
    """Most memory that any ended child process has held."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def speed() -> None:
    """Scans a second, memory, and cost by N."""
    print(f"{WORKERS} processes, {MANY} scans; after the start")
    print(f"{'':30s}{'scans/s':>9s}{'start s':>9s}{'peak GiB a process':>20s}")
    for name, (parameters, target) in KINDS.items():
        timing = timed(parameters)
        memory = peak_gib()
        print(f"{name:30s}{timing.a_second:9.2f}{timing.start_s:9.1f}{memory:20.2f}")
        judge(f"simulated scans a second, {name}", timing.a_second, target, at_least=True)
        judge(f"memory of a process, {name}", memory, MEMORY_TARGET_GIB, unit="GiB")
    few, many = (min(costs) for costs in zip(*((cost_s(FEW), cost_s(MANY)) for _ in range(2)), strict=True))
    print(
        f"processor seconds a scan, one process: N = {FEW}: {few:.3f}; N = {MANY}: {many:.3f}; ratio {many / few:.2f}"
    )


def cost_s(patients: int) -> float:
    """Processor time for each scan in this process, after a first one that loads the atlas and compiled code."""
    moments: list[float] = []
    parameters = CohortParameters(seed=SEED, patients=patients + 1, format="nifti")
    with tempfile.TemporaryDirectory() as folder:
        simulate_cohort(
            parameters, Path(folder) / "c", 1, progress=lambda done, total: moments.append(time.process_time())
        )
    return (moments[-1] - moments[0]) / patients


def inspect() -> None:
    """How many simulated studies the quality gate lets pass, and why the others not."""
    verdicts: Counter[str] = Counter()
    codes: dict[str, Counter[str]] = {"refuse": Counter(), "warn": Counter()}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("nifti", "dicom"):
            half = CohortParameters(seed=SEED + 1, patients=INSPECTED // 2, format=kind, matrix=256)
            out = Path(folder) / kind
            simulate_cohort(half, out, WORKERS)
            for path in sorted(out.glob("SIM*/dicom" if kind == "dicom" else "SIM*/ct.nii.gz")):
                _, _, quality = inspect_study(path)
                verdicts[quality.verdict] += 1
                for finding in quality.findings:
                    if finding.severity in codes:
                        codes[finding.severity][finding.code] += 1
    total = sum(verdicts.values())
    share = 1 - verdicts["refuse"] / total
    print(f"{total} simulated studies: {dict(verdicts)}")
    judge("simulated studies that the quality gate lets pass", share, ACCEPTED_TARGET, at_least=True)
    for severity, counted in codes.items():
        print(f"{severity}: {dict(counted.most_common())}")


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["speed", "inspect"]
    if "speed" in chosen:
        speed()
    if "inspect" in chosen:
        inspect()
