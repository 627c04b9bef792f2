"""How long a warm process takes from a folder to the probability, and to the maps on the original slices.

``python -m benchmarks.predict [PATH]``; without a path the real study beside the project where it is present, else the
first example study. Prints medians over ``RUNS`` and the share of the target; the first, cold run is shown apart.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import torch

from htcore import services
from htcore.bundle import Bundle
from htcore.settings import Settings
from htcore.transforms import reproject

RUNS = 7
THREADS = 2
TARGET_S = {"folder to probability": 3.0, "folder to all maps": 8.0}
REAL_STUDY = Path(__file__).resolve().parents[2] / "shared" / "data" / "ge-tilt-ncct"


def source(arguments: list[str]) -> tuple[Path, str]:
    """What to time, and its name in the table."""
    if arguments:
        return Path(arguments[0]), "the given study"
    if REAL_STUDY.is_dir():
        return REAL_STUDY, "the real study"
    return services.example_studies()[0].path, "an example study (the real study is absent)"


def once(path: Path, bundle: Bundle) -> dict[str, float]:
    """Seconds of one assessment, by stage and as the two targets count them."""
    started = time.perf_counter()
    opened = services.assess(path, bundle=bundle, device="cpu")
    if opened.evidence is None:
        raise SystemExit("the study was refused: nothing to time")
    to_assessment = time.perf_counter() - started
    for values in (opened.evidence.class_map, opened.evidence.lesion_map):
        reproject(values, opened.evidence.grid, opened.volume)
    total = time.perf_counter() - started
    stages = {key: opened.timing_ms[key] / 1000 for key in ("read", "prepare", "network", "explain")}
    return {
        **stages,
        "folder to probability": to_assessment - stages["explain"],
        "folder to all maps": total,
    }


def main(path: Path, name: str) -> None:
    """Time and print."""
    bundle = services.load_bundle_by_id(Settings.from_environment().default_model)
    torch.set_num_threads(THREADS)
    cold = once(path, bundle)
    runs = [once(path, bundle) for _ in range(RUNS)]
    print(f"{name}, CPU, {THREADS} threads, median of {RUNS} warm runs")
    print(f"{'stage':24s}{'warm s':>8s}{'first s':>9s}{'target s':>10s}{'ratio':>7s}")
    for key, first in cold.items():
        median = statistics.median(run[key] for run in runs)
        target = TARGET_S.get(key)
        tail = "" if target is None else f"{target:10.1f}{median / target:7.2f}{'' if median <= target else '  MISSED'}"
        print(f"{key:24s}{median:8.3f}{first:9.3f}{tail}")


if __name__ == "__main__":
    main(*source(sys.argv[1:]))
