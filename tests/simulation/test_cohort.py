"""Cohorts on disk: counts, contract, same bytes, refusals."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from htcore.errors import UsageError
from htcore.simulation import CohortParameters, cohort, simulate_cohort
from htcore.simulation.plan import plan_cohort

SMALL = CohortParameters(patients=3, seed=11, matrix=64, repeat_share=0.34)


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cohort") / "one"
    calls: list[tuple[int, int]] = []
    summary = simulate_cohort(SMALL, out, workers=1, progress=lambda done, total: calls.append((done, total)))
    assert summary.patients == 3 and summary.scans == 4
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    return out


def test_preset_has_exactly_the_papers_counts() -> None:
    patients = plan_cohort(CohortParameters(preset="zhang2026", seed=1))
    assert len(patients) == 474
    assert sum(p.ht for p in patients) == 231
    assert sum(len(p.scans) for p in patients) == 613
    assert len({s.scan_id for p in patients for s in p.scans}) == 613


def test_tables_follow_the_contract(small: Path) -> None:
    rows, truth = table(small / "cohort.csv"), table(small / "truth.csv")
    assert list(rows[0])[:6] == ["patient_id", "scan_id", "path", "ht", "ht_grade", "onset_to_ct_h"]
    assert list(truth[0])[:8] == [
        "patient_id",
        "scan_id",
        "p_ht",
        "p_ht_image",
        "lesion_volume_ml",
        "lesion_side",
        "territory",
        "mask_path",
    ]
    for row, true in zip(rows, truth, strict=True):
        assert row["scan_id"] == true["scan_id"]
        assert bool(row["ht_grade"]) == (row["ht"] == "1")
        assert 0 < float(true["p_ht"]) < 1 and 0 < float(true["p_ht_image"]) < 1
        image, mask = nib.load(small / row["path"]), nib.load(small / true["mask_path"])
        assert image.shape == mask.shape
        np.testing.assert_allclose(image.affine, mask.affine)
        assert image.header["descrip"].item() == b"SIMULATED by htcore"
        ml = np.asarray(mask.dataobj).sum() * abs(np.linalg.det(mask.affine[:3, :3])) / 1000
        assert float(true["lesion_volume_ml"]) == pytest.approx(ml, rel=0.03, abs=0.05)
    assert not list(small.rglob("*.partial")) and not (small / ".done").exists()


def test_two_processes_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    simulate_cohort(SMALL, tmp_path / "two", workers=2)
    assert bytes_below(tmp_path / "two") == bytes_below(small)


def test_interrupted_run_is_not_whole_and_resumes_to_the_same_bytes(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        simulate_cohort(SMALL, out, workers=1, progress=stop)
    assert not out.exists() and (tmp_path / "out.partial").is_dir()
    made: list[str] = []
    original = cohort._make
    monkeypatch.setattr(cohort, "_make", lambda task: (made.append(task.scan.scan_id), original(task))[1])
    simulate_cohort(SMALL, out, workers=1)
    assert len(made) == 2
    assert bytes_below(out) == bytes_below(small)


def test_unfinished_cohort_of_other_parameters_is_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "parameters.json").write_text(json.dumps({"seed": 5}))
    with pytest.raises(UsageError, match="unfinished"):
        simulate_cohort(SMALL, tmp_path / "out", workers=1)


def test_folder_with_content_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="already holds"):
        simulate_cohort(SMALL, tmp_path, workers=1)
    assert (tmp_path / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize(
    "wrong",
    [
        {"patients": 0},
        {"patients": -3},
        {"prevalence": 0.0},
        {"prevalence": 1.0},
        {"seed": -1},
        {"matrix": 8},
        {"format": "png"},
        {"preset": "other"},
        {"preset": "zhang2026", "patients": 10},
        {"repeat_share": 1.5},
    ],
)
def test_impossible_parameters_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        CohortParameters(**wrong)  # type: ignore[arg-type]
