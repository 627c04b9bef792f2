"""The contract of the commands: exit codes, one JSON object on stdout, no traceback, no identifier."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from htcore import services
from htcore.__main__ import run as program
from htcore.cli import app
from htcore.settings import Settings
from htcore.training.card import CAVEATS, STARTED
from tests.small_bundle import small_contents, write_small_bundle
from tests.studies import HeadStudy

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = services.example_studies(Settings())[0].path


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    write_small_bundle(folder / "small")
    monkeypatch.setenv("HTCORE_MODELS_DIR", str(folder))
    monkeypatch.setenv("HTCORE_DEFAULT_MODEL", "small")
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error_of(result: Result) -> dict[str, str]:
    found = json.loads(result.stdout)
    assert found["schema"] == "htcore.error/1"
    assert "Traceback" not in result.output
    return dict(found["error"])


def test_inspect_json() -> None:
    result = run("inspect", EXAMPLE, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["schema"] == "htcore.inspection/1"
    assert {"receipt", "volume", "quality"} <= set(found)
    assert found["volume"]["shape"][1:] == [256, 256]


def test_inspect_tells_sizes_and_whether_the_scan_may_be_scored() -> None:
    told = run("inspect", EXAMPLE).stdout
    assert re.search(r"slices of \d+ × \d+ pixels, \d\.\d\d × \d\.\d\d mm, [\d.]+ mm thick, tilt", told)
    assert "it may be scored" in told


def test_predict_json_has_the_contracts_keys() -> None:
    result = run("predict", EXAMPLE, "--json", "--device", "cpu")
    found = json.loads(result.stdout)
    assert result.exit_code == 0 and found["schema"] == "htcore.prediction/1"
    assert {"receipt", "volume", "quality", "risk", "evidence", "model", "timing_ms"} <= set(found)
    assert {"probability", "interval", "interval_method", "threshold", "category"} <= set(found["risk"])
    assert {"index", "z_mm", "contribution"} <= set(found["evidence"]["slices"][0])
    assert {"volume_ml", "side"} <= set(found["evidence"]["lesion"])
    assert {"id", "weights_sha256", "training_data"} <= set(found["model"])
    assert set(found["timing_ms"]) == {"read", "prepare", "network", "explain", "total"}
    assert {"verdict", "findings"} <= set(found["quality"])


def test_predict_writes_maps_on_one_grid(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("predict", EXAMPLE, "--out", out).exit_code == 0
    images = [nibabel.load(out / f"{name}.nii.gz") for name in ("volume", "saliency", "lesion")]
    for image in images[1:]:
        assert image.shape == images[0].shape
        assert np.array_equal(image.affine, images[0].affine)
    hu = np.asarray(images[0].dataobj)
    outside = np.asarray(images[2].dataobj)[hu < -900]
    assert hu.min() < -900 and hu.max() > 700
    assert np.abs(outside).max() < 0.5, "the lesion map must lie in the head, not in the air"
    assert json.loads((out / "prediction.json").read_text())["risk"]["probability"] > 0
    assert not list(tmp_path.glob(".htcore-*"))
    assert run("predict", EXAMPLE, "--out", out).exit_code == 0, "its own results may be replaced"


def test_predict_keeps_what_it_did_not_write(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    result = run("predict", EXAMPLE, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 2 and error_of(result)["code"] == "usage"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_unreadable_is_3_and_names_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "MUELLER_HANS_1950"
    secret.mkdir()
    (secret / "MUELLER.dcm").write_text("text")
    for command in ("inspect", "predict"):
        result = run(command, secret, "--json")
        assert result.exit_code == 3
        assert error_of(result)["code"] == "no_dicom"
        assert "MUELLER" not in result.output


def test_a_missing_path_is_3(tmp_path: Path) -> None:
    assert run("inspect", tmp_path / "absent", "--json").exit_code == 3


def test_refused_is_4_and_has_no_risk(tmp_path: Path) -> None:
    HeadStudy(slabs=((1, 5.0),)).write(tmp_path / "one")
    result = run("predict", tmp_path / "one", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 4
    assert found["risk"] is None and found["quality"]["verdict"] == "refuse"
    assert run("inspect", tmp_path / "one").exit_code == 4


def test_wrong_usage_is_2() -> None:
    assert run("predict").exit_code == 2
    assert run("predict", EXAMPLE, "--device", "abacus").exit_code == 2
    assert run("nonsense").exit_code == 2


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json", "validation.parquet"])
def test_a_damaged_model_is_told(models: Path, name: str) -> None:
    path = models / "small" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    result = run("predict", EXAMPLE, "--json")
    assert result.exit_code == 3 and error_of(result)["code"] == "bundle_damaged"


def test_a_study_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = chain([0.0], repeat(2.0))
    monkeypatch.setattr("htcore.limits.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    result = run("predict", EXAMPLE, "--json", "--deadline", "2")
    assert result.exit_code == 3 and error_of(result)["code"] == "deadline"
    assert "2 seconds" in error_of(result)["message"]
    assert run("predict", EXAMPLE, "--deadline", "0").exit_code == 2


def test_an_unforeseen_failure_keeps_its_words_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("PatientName MUELLER")

    monkeypatch.setattr("htcore.services.inspect_study", fail)
    result = run("inspect", EXAMPLE, "--json")
    assert result.exit_code == 3 and error_of(result)["code"] == "unforeseen"
    assert "MUELLER" not in result.output


def test_impossible_simulation_is_2(tmp_path: Path) -> None:
    assert run("simulate", "--patients", "0", "--out", tmp_path / "c").exit_code == 2
    assert not (tmp_path / "c").exists()


def test_evaluate_needs_both_outcomes(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text(f"patient_id,scan_id,path,ht\np,s,{EXAMPLE.resolve()},1\n")
    result = run("evaluate", "--cohort", tmp_path / "cohort.csv", "--json")
    assert result.exit_code == 3
    assert "Traceback" not in result.output and json.loads(result.stdout)["error"]["code"]


def test_train_on_a_table_without_columns_is_told(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("patient_id,ht\np,1\n")
    result = run("train", "--cohort", tmp_path / "cohort.csv", "--out", tmp_path / "m")
    assert result.exit_code == 3 and "scan_id" in result.output


def test_evaluate_without_a_cohort_measures_the_stored_predictions() -> None:
    result = run("evaluate", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0 and found["schema"] == "htcore.evaluation/1"
    assert (found["n_patients"], found["n_scans"], found["n_events"]) == (4, 4, 2)
    assert found["metrics"]["auc"]["value"] == pytest.approx(0.75)
    assert found["metrics"]["sensitivity"]["value"] == 1.0 and found["metrics"]["specificity"]["value"] == 0.5
    assert found["model"]["id"] == "small" and found["oracle"] is None


@pytest.mark.parametrize("part", ["calibration", "out-of-fold"])
def test_evaluate_says_which_part_the_stored_patients_had(models: Path, part: str) -> None:
    write_small_bundle(models / part, validation=small_contents().validation.assign(part=part))
    told = run("evaluate", "--model", part).stdout
    assert CAVEATS[part] in told and "Only 2 scans with hemorrhagic transformation" in told
    assert json.loads(run("evaluate", "--model", part, "--json").stdout)["part"] == part


def test_evaluate_says_whom_a_model_that_started_from_another_may_know(models: Path) -> None:
    write_small_bundle(models / "later", training={"started_from": {"id": "before", "weights_sha256": "0" * 64}})
    assert STARTED in run("evaluate", "--model", "later").stdout
    assert STARTED not in run("evaluate").stdout


def test_an_undefined_figure_is_said_in_words() -> None:
    """Separated resamples leave no calibration slope in many of four patients."""
    result = run("evaluate")
    assert result.exit_code == 0 and "Traceback" not in result.output
    assert "auc                        0.750" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [("predict", "--json"), ("predict", "x", "--json", "--device", "tpu"), ("predict", "x", "Doe_John", "--json")],
)
def test_a_command_that_is_not_understood_answers_in_json(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code = program(arguments)
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert code == 2 and found["schema"] == "htcore.error/1" and found["error"]["code"] == "usage"
    assert "Doe" not in printed


def test_exit_codes_reach_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(["inspect", str(tmp_path / "nowhere"), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not_found"
    with pytest.raises(SystemExit) as left:
        program(["inspect", str(EXAMPLE)])
    assert left.value.code == 0


def test_a_reader_who_has_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "htcore", "card", "--model", "small"]
    read, write = os.pipe()
    os.close(read)  # as `| head -1` does once it has its line
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(write)
    assert done.returncode == 1 and done.stderr == ""


def test_serve_says_that_its_port_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = run("serve", "--port", other.getsockname()[1])
    assert result.exit_code == 2 and "--port" in result.output
    assert "Dashboard at" not in result.output


def test_serve_takes_no_port_that_there_is_not() -> None:
    for port in (70000, -1):
        result = run("serve", "--port", port)
        assert result.exit_code == 2 and "port" in result.output


def test_serve_takes_folders_from_where_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HTCORE_COHORTS_DIR", "cohorts")
    began: list[str] = []
    monkeypatch.setattr("os.execv", lambda *_: began.append(os.environ["HTCORE_COHORTS_DIR"]))
    run("serve", "--port", 0)
    assert began == [str(tmp_path / "cohorts")]


@pytest.mark.parametrize("said", [None, "ACTIVE"])
def test_the_server_leaves_the_cores_to_others_while_it_waits(
    monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", said)
    began: list[str] = []
    monkeypatch.setattr("os.execv", lambda *_: began.append(os.environ["OMP_WAIT_POLICY"]))
    run("serve", "--port", 0)
    assert began == [said or "PASSIVE"]


def test_serve_refuses_an_address_of_another_machine() -> None:
    result = run("serve", "--host", "192.0.2.1", "--port", 0)  # RFC 5737: no machine has it
    assert result.exit_code == 2 and "--host" in result.output


def test_serve_names_the_examples_there_are() -> None:
    result = run("serve", "--example", "no-such-head", "--port", 0)
    assert result.exit_code == 2 and all(study.id in result.output for study in services.example_studies())


def test_an_unknown_model_names_those_that_are_there() -> None:
    result = run("evaluate", "--model", "nowhere")
    assert result.exit_code == 3 and "Installed: small." in result.output


def test_predict_batch_counts_what_became_of_the_studies(tmp_path: Path) -> None:
    (tmp_path / "no-scan.txt").write_text("nothing")
    (tmp_path / "cohort.csv").write_text(f"scan_id,path\nA,{EXAMPLE.resolve()}\nB,no-scan.txt\n")
    result = run("predict-batch", "--cohort", tmp_path / "cohort.csv", "--out", tmp_path / "out")
    assert result.exit_code == 0 and "1 scored, 0 refused, 1 failed" in result.stdout
    assert (tmp_path / "out" / "predictions.csv").exists()
