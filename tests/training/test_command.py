"""The command as people use it: killed without warning, started again, its card printed from the files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from htcore import services
from htcore.bundle import load_bundle
from htcore.cli import app
from htcore.inference.calibrate import fit_calibration
from htcore.settings import Settings
from htcore.training import contents
from tests.training.tiny import write_tiny_cohort

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def few_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "fit_calibration", partial(fit_calibration, resamples=4))  # the default takes seconds


def command(cohort: Path, out: Path, *more: str) -> list[str]:
    given = ["train", "--cohort", str(cohort), "--out", str(out), "--epochs", "3", "--threads", "1", "--workers", "1"]
    return [*given, "--device", "cpu", *more]


def test_killed_in_mid_training_it_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    cohort = write_tiny_cohort(tmp_path / "cohort", 48)
    process = subprocess.Popen(
        [sys.executable, "-m", "htcore", *command(cohort, tmp_path / "killed")],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        heard = []
        for line in process.stderr:
            heard.append(line)
            if "epoch 1:" in line:
                break
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL, "".join(heard)
    assert not (tmp_path / "killed").exists()
    runner = CliRunner()
    resumed = runner.invoke(app, command(cohort, tmp_path / "killed"))
    assert resumed.exit_code == 0 and "epoch 1:" not in resumed.stderr and "epoch 3:" in resumed.stderr
    straight = runner.invoke(app, command(cohort, tmp_path / "straight"))
    assert straight.exit_code == 0 and "epoch 1:" in straight.stderr
    one, other = (load_bundle(tmp_path / name) for name in ("killed", "straight"))
    assert one.identity.weights_sha256 == other.identity.weights_sha256
    assert one.calibration == other.calibration and len(one.training_log) == 3


def test_refused_scans_are_named_and_the_card_comes_from_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = write_tiny_cohort(tmp_path / "cohort", 24, refused=1)
    runner = CliRunner()
    more = ("--epochs", "1", "--class-weights", "balanced", "--folds", "2")
    trained = runner.invoke(app, command(cohort, tmp_path / "models" / "m1", *more))
    assert trained.exit_code == 0, trained.stderr
    assert "left out: row 26 of the cohort table" in trained.stderr.replace("\n", " ")
    monkeypatch.setenv("HTCORE_MODELS_DIR", str(tmp_path / "models"))
    printed = runner.invoke(app, ["card", "--model", "m1"])
    stored = (tmp_path / "models" / "m1" / "card.md").read_text(encoding="utf-8")
    assert printed.exit_code == 0 and printed.stdout == stored == trained.stdout.removesuffix("\n")
    assert "Class weights: balanced" in stored and "Left out: 1 scans (1 ×" in stored
    as_json = json.loads(runner.invoke(app, ["card", "--model", "m1", "--json"]).stdout)
    assert as_json == json.loads((tmp_path / "models" / "m1" / "card.json").read_text())
    assert {"value", "low", "high"} <= as_json["measured"]["evaluation"]["metrics"]["auc"].keys()
    assert as_json["not_for"] and as_json["training"]["folds"] == 2


def test_the_shipped_models_card_can_be_printed_from_its_files() -> None:
    printed = CliRunner().invoke(app, ["card", "--model", "ht-sim-v1"])
    measured = services.evaluate_stored(services.load_bundle_by_id("ht-sim-v1", Settings())).evaluation
    assert printed.exit_code == 0 and "simulated scans" in printed.stdout
    assert f"| AUC | {measured.metrics['auc'].value:.3f} |" in printed.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--folds", "1"), "folds must be 2"),
        (("--selection-share", "0.9"), "share of selection patients"),
        (("--calibration-share", "0"), "share of calibration patients"),
        (("--patience", "0"), "patience must be 1"),
        (("--init", "nowhere"), "no model in the given folder"),
        (("--folds", "30"), "30 folds need 30 patients"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    cohort = write_tiny_cohort(tmp_path / "cohort", 24)
    done = CliRunner().invoke(app, command(cohort, tmp_path / "m", *more))
    assert done.exit_code in (2, 3) and message in done.stderr.replace("\n", " ")
    assert not (tmp_path / "m").exists() and "Traceback" not in done.stderr
