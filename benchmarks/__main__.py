"""Every target measured on this commit, in one table: ``python -m benchmarks`` (``make bench``), within 20 minutes.

Small samples, where a benchmark takes a number of scans: each benchmark run by itself tells more.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.targets import MARK

SCANS = 60


def commands(cohort: Path, model: str) -> Iterator[tuple[str, ...]]:
    """What to run: a module of this package and its arguments."""
    yield ("read",)
    yield ("predict",)
    yield ("network",)
    yield ("discrimination",)
    yield ("evaluation",)
    yield ("cohort",)
    yield ("simulate",)
    yield ("quality", "60")
    yield ("explain", "--cohort", str(cohort), "--model", model, "--scans", str(SCANS), "--close", "4")
    yield ("robustness", "--cohort", str(cohort), "--model", model, "--scans", "10")
    yield ("app", "--studies", "10")


def run(command: tuple[str, ...]) -> list[str]:
    """Run one, pass on what it prints, and give its lines about targets; a failure is one too."""
    print(f"\n== python -m benchmarks.{' '.join(command)}", flush=True)
    arguments = [sys.executable, "-m", f"benchmarks.{command[0]}", *command[1:]]
    found = []
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if line.startswith(MARK):
                found.append(line.removeprefix(MARK).strip())
    if process.returncode:
        found.append(f"{command[0]} ended with {process.returncode}: not measured, MISSED")
    return found


def main() -> None:
    """Simulate what the benchmarks need, run them, print the table."""
    from htcore.settings import Settings
    from htcore.simulation import CohortParameters, simulate_cohort

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        cohort = Path(folder) / "cohort"
        simulate_cohort(CohortParameters(patients=SCANS, seed=60), cohort, 2)
        model = Settings.from_environment().default_model
        lines = [line for command in commands(cohort / "cohort.csv", model) for line in run(command)]
    missed = sum(line.endswith("MISSED") for line in lines)
    print("\n== targets\n" + "\n".join(lines))
    print(f"{len(lines)} targets, {missed} missed; {(time.perf_counter() - started) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
