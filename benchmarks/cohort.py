"""What a move of the threshold costs on the cohort page, and what is computed once before.

``python -m benchmarks.cohort [--scans 613 100000] [--out FILE]``: made-up predictions, a third of the patients scanned
twice. A move is everything the first section shows: the operating point with its intervals, the ROC curve and the
confusion matrix as JSON, and both tables. With ``--page`` the whole page is run as well, headless, Streamlit's own work
included.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.targets import judge
from htcore.evaluation import operating_point
from htcore.plots import confusion_matrix, roc
from htcore.types import ModelIdentity
from htcore.ui.cohort.data import Measured, measure
from htcore.ui.cohort.words import AT_THRESHOLD, figure_rows

_BOUND_MS = {613: 150.0, 100_000: 500.0}
_MOVES = 15
_SECTIONS = ("At the threshold", "Usefulness", "Cases")


def made_up(n_scans: int, seed: int = 0) -> pd.DataFrame:
    """Predictions of ``n_scans`` scans, outcome drawn from the risk."""
    rng = np.random.default_rng(seed)
    n_patients = int(np.ceil(0.75 * n_scans))
    patient = np.concatenate((np.arange(n_patients), rng.choice(n_patients, n_scans - n_patients, replace=False)))
    risk = rng.normal(size=n_patients)[patient] * 1.5
    return pd.DataFrame(
        {
            "patient_id": patient,
            "scan_id": np.arange(n_scans),
            "ht": (rng.random(n_patients)[patient] < expit(risk)).astype(int),
            "probability": expit(risk + rng.normal(size=n_scans) * 0.5),
            "age": rng.uniform(40, 90, n_patients)[patient],
            "thickness_mm": rng.choice([1.25, 5.0], n_scans),
        }
    )


def move(measured: Measured, threshold: float) -> None:
    """What the first section computes and draws."""
    point = operating_point(measured.bootstrap, threshold, 0.27)
    roc(measured.curve, measured.bootstrap.auc(), point.confusion, measured.oracle_curve).to_json()
    confusion_matrix(point.confusion).to_json()
    figure_rows({name: point.figures[name] for name in AT_THRESHOLD}, 0.27)


def timed_moves(measured: Measured) -> tuple[list[float], list[float]]:
    """Milliseconds of each of several moves, by the clock and of the processor (which a busy machine moves less)."""
    spent, worked = [], []
    for threshold in np.linspace(0.1, 0.9, _MOVES):
        start, begun = time.perf_counter(), time.process_time()
        move(measured, float(threshold))
        spent.append(1000 * (time.perf_counter() - start))
        worked.append(1000 * (time.process_time() - begun))
    return spent, worked


def timed_page(table: pd.DataFrame, section: str) -> list[float]:
    """Milliseconds of the whole page's script, one section open, for each of several moves of its slider."""
    from streamlit.testing.v1 import AppTest  # noqa: TID251 - drives the page from outside

    from htcore.ui import session

    bundle = SimpleNamespace(
        validation=table,
        identity=ModelIdentity("made-up", "0" * 64, "nothing", simulated=True),
        calibration=SimpleNamespace(threshold=0.5, prevalence=0.5),
        thumbnails=None,
    )
    session.current_bundle = lambda: bundle  # type: ignore[assignment, return-value]
    page = AppTest.from_file(str(Path(__file__).parents[1] / "pages" / "cohort.py"), default_timeout=600)
    page.session_state["cohort-section"] = section
    page.run()
    spent = []
    for percent in (20.0, 40.0, 60.0, 80.0, 30.0):
        slider = next(found for found in page.slider if str(found.key).startswith("threshold-"))
        start = time.perf_counter()
        slider.set_value(percent).run()
        spent.append(1000 * (time.perf_counter() - start))
        if page.exception or page.error:
            raise SystemExit("the page failed")
    return spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, nargs="+", default=list(_BOUND_MS))
    parser.add_argument("--page", action="store_true", help="run the whole page too")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    medians: dict[int, float] = {}
    heads = ["scans", "resamples", "once, s", "a move, median ms", "slowest ms", "processor, median ms", "bound ms"]
    heads += [f"page, {section}, median ms" for section in _SECTIONS] if asked.page else []
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for n_scans in asked.scans:
        table = made_up(n_scans)
        start = time.perf_counter()
        measured = measure(table)
        move(measured, 0.5)
        once = time.perf_counter() - start
        moves, worked = timed_moves(measured)
        pages = [f"{statistics.median(timed_page(table, name)):.0f}" for name in _SECTIONS] if asked.page else []
        bound = f"{_BOUND_MS[n_scans]:.0f}" if n_scans in _BOUND_MS else "none"
        draws = measured.bootstrap.n_resamples
        times = (once, statistics.median(moves), max(moves), statistics.median(worked))
        cells = (n_scans, draws, *(f"{value:.1f}" for value in times), bound, *pages)
        lines.append(f"| {' | '.join(map(str, cells))} |")
        if n_scans in _BOUND_MS:
            medians[n_scans] = statistics.median(moves)
    text = "\n".join(lines)
    print(text)
    for n_scans, median in medians.items():
        judge(f"a move of the threshold, {n_scans} scans", median, _BOUND_MS[n_scans], unit="ms")
    if asked.out:
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
