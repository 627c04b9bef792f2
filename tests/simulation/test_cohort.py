"""Cohorts on disk: counts, contract, same bytes, refusals."""

from __future__ import annotations

import csv
import errno
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.special import expit

from htcore.errors import CohortError, HtcoreError, UsageError
from htcore.services import inspect_study
from htcore.simulation import CohortParameters, cohort, simulate_cohort
from htcore.simulation.outcome import CLINICAL_EFFECTS, IMAGE_EFFECTS
from htcore.simulation.plan import plan_cohort

ROOT = Path(__file__).resolve().parents[2]
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
    assert {row["patient_id"] for row in table(out / "cohort.csv")} == {f"SIM-11-0000{n}" for n in (1, 2, 3)}
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


def test_the_order_in_which_scans_are_made_does_not_matter(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backwards(function, tasks, workers):
        for task in reversed(tasks):
            yield function(task)

    monkeypatch.setattr(cohort, "in_processes", backwards)
    simulate_cohort(SMALL, tmp_path / "out", workers=1)
    assert bytes_below(tmp_path / "out") == bytes_below(small)


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


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_run_leaves_no_cohort_and_the_same_command_finishes_it(small: Path, tmp_path: Path) -> None:
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    command = [sys.executable, "-m", "htcore", "simulate", "--patients", "3", "--seed", "11", "--matrix", "64"]
    command += ["--repeat-share", "0.34", "--out", str(out), "--workers", "1"]
    first = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and not list(partial.glob(".done/SIM*")):
            time.sleep(0.01)
    finally:
        first.kill()
        first.wait(10)
    assert list(partial.glob(".done/SIM*")) and not out.exists()
    assert not (partial / "cohort.csv").exists()
    (partial / "SIM-11-00003-1.partial").mkdir(exist_ok=True)
    (partial / "SIM-11-00003-1.partial" / "ct.nii.gz").write_bytes(b"half")
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0 and "3 simulated patients" in again.stdout
    assert bytes_below(out) == bytes_below(small)


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [
        (errno.ENOSPC, CohortError, "disk_full"),
        (errno.EIO, CohortError, "not_written"),
        (errno.EACCES, UsageError, "usage"),
        (errno.EROFS, UsageError, "usage"),
    ],
)
def test_what_the_disk_refuses_is_said_and_the_run_goes_on_later(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[HtcoreError], code: str
) -> None:
    original, calls = cohort.write_mask, []

    def refuse_the_third(path: Path, *rest: object) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(number, "as the disk says", str(path))
        original(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(cohort, "write_mask", refuse_the_third)
    with pytest.raises(error) as caught:
        simulate_cohort(SMALL, tmp_path / "out", workers=1)
    assert caught.value.code == code and str(tmp_path) not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert len(list((tmp_path / "out.partial" / ".done").iterdir())) == 2
    simulate_cohort(SMALL, tmp_path / "out", workers=1)
    assert len(calls) == 5
    assert bytes_below(tmp_path / "out") == bytes_below(small)


def test_a_really_full_disk(tmp_path: Path) -> None:
    mounted = tmp_path / "tiny"
    mounted.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(mounted)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("no right to mount a tiny disk here")
    try:
        with pytest.raises(CohortError, match="full"):
            simulate_cohort(SMALL, mounted / "out", workers=2)
        assert not (mounted / "out").exists()
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("keep")
    with pytest.raises(UsageError, match="another place"):
        simulate_cohort(SMALL, tmp_path / "file" / "out", workers=1)
    with pytest.raises(UsageError):
        simulate_cohort(SMALL, tmp_path / "file", workers=1)
    assert (tmp_path / "file").read_text() == "keep"


def test_two_runs_of_one_cohort_at_a_time_are_refused(tmp_path: Path) -> None:
    def second(done: int, total: int) -> None:
        with pytest.raises(UsageError, match="Another run"):
            simulate_cohort(SMALL, tmp_path / "out", workers=1)

    simulate_cohort(SMALL, tmp_path / "out", workers=1, progress=second)


def test_truth_keeps_the_parts_of_the_log_odds(small: Path) -> None:
    effects = [f"log_odds_{name}" for name in ("intercept", *IMAGE_EFFECTS, *CLINICAL_EFFECTS)]
    for row in table(small / "truth.csv"):
        assert expit(sum(float(row[name]) for name in effects)) == pytest.approx(float(row["p_ht"]), abs=1e-5)
        assert {"scanner", "kernel", "motion", "metal"} <= row.keys()


def test_every_makers_simulated_studies_pass_inspection(tmp_path: Path) -> None:
    """Simulate → inspect: the makers' DICOM in turn, and NIfTI."""
    accepted, seen = [], set()
    for seed in (5, 6):
        parameters = CohortParameters(patients=6, seed=seed, format="dicom" if seed == 5 else "nifti", matrix=128)
        simulate_cohort(parameters, tmp_path / str(seed), workers=2)
        for row, true in zip(*(table(tmp_path / str(seed) / f"{n}.csv") for n in ("cohort", "truth")), strict=True):
            volume, receipt, quality = inspect_study(tmp_path / str(seed) / row["path"])
            assert receipt.simulated and volume.tilt_deg == pytest.approx(float(true["tilt_deg"]), abs=0.01)
            accepted.append(quality.verdict != "refuse")
            if receipt.source_kind == "dicom":
                seen.add(true["scanner"])
                assert receipt.kernel == true["kernel"] and receipt.age_years == float(row["age"])
                assert receipt.sex == row["sex"]
    assert len(seen) >= 4
    assert sum(accepted) == len(accepted) == 12


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
        {"seed": 10**18},
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


def test_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="workers"):
        simulate_cohort(SMALL, tmp_path / "out", workers=0)
    assert not list(tmp_path.iterdir())
