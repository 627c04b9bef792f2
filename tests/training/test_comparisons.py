"""The benchmarks that train networks to compare them: who may teach, who may measure, and what is kept."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.causes import knowing, share_of
from benchmarks.learning import first_patients, keep_scores, prepared
from htcore.bundle import load_bundle
from htcore.errors import CohortError
from htcore.evaluation.delong import delong_interval
from htcore.training.cache import PreparedScan
from htcore.training.cohort import CohortScan
from tests.small_bundle import write_small_bundle
from tests.training.tiny import write_tiny_cohort


def cohort(folder: Path, prefix: str, patients: int) -> Path:
    """A tiny cohort whose patients and scans are called by ``prefix``."""
    table = write_tiny_cohort(folder / prefix, patients)
    frame = pd.read_csv(table)
    named = {column: prefix + frame[column] for column in ("patient_id", "scan_id")}
    frame.assign(**named).to_csv(table, index=False)
    return table


def told(train: list[Path], test: Path) -> argparse.Namespace:
    return argparse.Namespace(train=train, test=test, cache=None, workers=1)


def entry(patient: str, scan: str) -> PreparedScan:
    return PreparedScan(CohortScan(patient, scan, Path(scan), True), Path(scan), 5.0, scan)


def test_several_cohorts_teach_one_after_another(tmp_path: Path) -> None:
    first, second, third = (cohort(tmp_path, name, n) for name, n in (("a", 3), ("b", 2), ("c", 2)))
    training, test = prepared(told([first, second], third))
    assert [scan.scan.patient_id for scan in training] == ["ap0", "ap1", "ap2", "bp0", "bp1"]
    assert [scan.scan.patient_id for scan in test] == ["cp0", "cp1"]


def test_nobody_teaches_and_measures(tmp_path: Path) -> None:
    first, second = cohort(tmp_path, "a", 3), cohort(tmp_path, "b", 3)
    with pytest.raises(CohortError, match=r"3 patient\(s\) lie in both"):
        prepared(told([first, second], second))
    with pytest.raises(CohortError, match="lie in both"):
        prepared(told([first, first], second))


def test_too_few_patients_end_the_comparison() -> None:
    scans = (entry("a", "a1"), entry("b", "b1"), entry("a", "a2"))
    assert [scan.scan.scan_id for scan in first_patients(scans, 1)] == ["a1", "a2"]
    with pytest.raises(SystemExit, match="has 2 patients with usable scans, not 3"):
        first_patients(scans, 3)


def test_scores_of_the_validation_scans_are_kept_beside_former_ones_and_others_never(tmp_path: Path) -> None:
    bundle = write_small_bundle(tmp_path / "small")
    scans = [entry(name[0], name) for name in ("D1", "C1", "B1", "A1")]
    keep_scores(bundle, scans, {"plain": np.array([0.4, 0.3, 0.2, 0.1])})
    keep_scores(load_bundle(bundle.path), scans, {"other": np.zeros(4), "plain": np.array([0.8, 0.7, 0.6, 0.5])})
    content = load_bundle(bundle.path).measurement("baselines.csv")
    assert content is not None
    kept = pd.read_csv(io.BytesIO(content), index_col="scan_id")
    assert kept.loc["A1"].to_dict() == {"other": 0.0, "plain": 0.5}
    with pytest.raises(SystemExit, match="not the model's validation scans"):
        keep_scores(load_bundle(bundle.path), scans[1:], {"plain": np.zeros(3)})
    assert load_bundle(bundle.path).measurement("baselines.csv") == content


def test_a_cause_that_the_logit_lacks_ranks_better_once_it_is_known_and_chance_does_not() -> None:
    rng = np.random.default_rng(2)
    seen, missed, nothing = rng.normal(size=(3, 600))
    labels = rng.random(600) < 1 / (1 + np.exp(-2 * seen - 2 * missed))
    alone, known, chance = (
        delong_interval(labels, scores).value
        for scores in (seen, knowing(seen, missed, labels), knowing(seen, nothing, labels))
    )
    assert known > alone + 0.05 and abs(chance - alone) < 0.02


def test_a_cohort_without_the_causes_shares_ends_the_benchmark() -> None:
    told = PreparedScan(CohortScan("a", "a1", Path("a1"), True, values={"log_odds_cortical": 0.0}), Path(), 5.0, "a")
    assert share_of("cortical", (told,)).tolist() == [0.0]
    with pytest.raises(SystemExit, match="does not tell what cortical adds"):
        share_of("cortical", (told, entry("b", "b1")))
