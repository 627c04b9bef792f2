"""What the quality gate catches and what it refuses wrongly, on simulated scans whose truth is known.

``python -m benchmarks.quality [N] [SEED] [MINUTES]``: of ``N`` scans (300) four in ten are clean, five bleed, one in
twenty has contrast agent and one in twenty metal. Prints rates with Wilson's 95% intervals and a table of every code;
after ``MINUTES`` it stops and tells how many scans it came to.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.targets import judge
from htcore import quality
from htcore.inference.peers import wilson
from htcore.simulation import simulate_scan
from htcore.simulation.hazards import BLOOD_KINDS, Hazards, draw_blood, draw_contrast, draw_metal
from htcore.types import QualityReport, StudyReceipt

VOLUMES_ML = (2.0, 3.0, 5.0, 10.0, 30.0)
COUNTED_ML = 1.95  # a clot asked to have 2 mL holds 2.00 within the search's tolerance
TARGETS = {"blood": 0.98, "refused": 0.01}
RECEIPT = StudyReceipt("dicom", 1, (), (), "0" * 64)


@dataclass
class Tally:
    """How often something happened."""

    hits: int = 0
    total: int = 0

    def add(self, hit: bool) -> None:
        """Count one more."""
        self.hits += int(hit)
        self.total += 1

    def __str__(self) -> str:
        if not self.total:
            return "none"
        low, high = wilson(self.hits / self.total, self.total)
        return f"{self.hits:4d} of {self.total:4d}  {self.hits / self.total:6.1%}  ({low:.1%} to {high:.1%})"


@dataclass
class Result:
    """All tallies."""

    blood: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    clean: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    other: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    codes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    scans: int = 0


def plan(n: int) -> Iterator[tuple[str, str | None]]:
    """What each scan holds, in a fixed cycle of twenty."""
    cycle = ["clean"] * 8 + ["blood"] * 10 + ["contrast", "metal"]
    bleeds = 0
    for index in range(n):
        kind = cycle[index % len(cycle)]
        yield kind, BLOOD_KINDS[bleeds % len(BLOOD_KINDS)] if kind == "blood" else None
        bleeds += kind == "blood"


def measure(n: int, seed: int, minutes: float) -> Result:
    """Simulate, check, count."""
    result, started = Result(), time.monotonic()
    for index, (kind, bleed) in enumerate(plan(n)):
        if time.monotonic() - started > 60 * minutes:
            break
        result.scans += 1
        rng = np.random.default_rng([seed, index])
        hazards = None
        if bleed is not None:
            hazards = Hazards(blood=draw_blood(rng, bleed, float(rng.choice(VOLUMES_ML))))  # type: ignore[arg-type]
        elif kind == "contrast":
            hazards = Hazards(contrast=draw_contrast(rng))
        elif kind == "metal":
            hazards = Hazards(metal=draw_metal(rng))
        volume, _, truth = simulate_scan(int(rng.integers(2**31)), hazards=hazards)
        report = quality.check(volume, RECEIPT)
        for code in {f"{finding.code} ({finding.severity})" for finding in report.findings}:
            result.codes[kind][code] += 1
        _count(result, kind, report, truth.blood, float(np.median(volume.thickness_mm)))
    return result


def _count(result: Result, kind: str, report: QualityReport, blood: object, thickness_mm: float) -> None:
    codes = {finding.code for finding in report.findings}
    if kind == "clean":
        result.clean["all"].add(report.verdict == "refuse")
        result.clean[f"{thickness_mm:g} mm"].add(report.verdict == "refuse")
    elif kind == "blood":
        found, volume_ml = "acute_blood" in codes, blood.volume_ml  # type: ignore[attr-defined]
        if volume_ml >= COUNTED_ML:
            size = "2 to 4" if volume_ml < 4 else "4 to 8" if volume_ml < 8 else "8 and more"
            for key in (("all", "all"), (blood.blood.kind, "all"), (blood.blood.kind, size), ("all", size)):  # type: ignore[attr-defined]
                result.blood[key].add(found)
    elif kind == "contrast":
        result.other["contrast: contrast_suspected"].add("contrast_suspected" in codes)
        result.other["contrast: refused for any reason"].add(report.verdict == "refuse")
    else:
        result.other["metal: metal"].add("metal" in codes)
        result.other["metal: taken for blood"].add("acute_blood" in codes)


def main(n: int, seed: int, minutes: float) -> None:
    """Measure and print."""
    result = measure(n, seed, minutes)
    print(f"{result.scans} simulated scans, seed {seed}; 95% intervals after Wilson")
    print("\nacute blood found (50 to 80 HU, at least 2 mL), by kind and mL")
    for key in sorted(result.blood):
        print(f"  {key[0]:18s}{key[1]:12s}{result.blood[key]}")
    print("\nclean scans refused, by slice thickness")
    for key in sorted(result.clean, key=lambda one: (one != "all", one)):
        print(f"  {key:30s}{result.clean[key]}")
    print("\nother")
    for key in sorted(result.other):
        print(f"  {key:34s}{result.other[key]}")
    print("\nscans with each finding")
    kinds = ("clean", "blood", "contrast", "metal")
    print(f"  {'':34s}" + "".join(f"{kind:>10s}" for kind in kinds))
    for code in sorted({code for counts in result.codes.values() for code in counts}):
        print(f"  {code:34s}" + "".join(f"{result.codes[kind][code]:10d}" for kind in kinds))
    blood, clean = result.blood["all", "all"], result.clean["all"]
    judge("blood of 2 mL and more found", blood.hits / max(1, blood.total), TARGETS["blood"], at_least=True)
    judge("clean scans refused", clean.hits / max(1, clean.total), TARGETS["refused"])


if __name__ == "__main__":
    given = [float(value) for value in sys.argv[1:]]
    count, start, limit = (*given, *(300, 20261124, 1e6)[len(given) :])
    main(int(count), int(start), limit)
