"""Another model's weights with a calibration of one's own: what changes, what stays, what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from htcore.bundle import Bundle, add_measurement, load_bundle
from htcore.cli import app
from htcore.inference.calibrate import fit_calibration, fit_platt
from htcore.networks import NetworkConfig
from htcore.training import contents
from htcore.training.card import CAVEATS, card_of, history, render, stages
from htcore.ui.model.view import flow_rows, stages_words
from htcore.ui.notice import notice_for
from htcore.ui.words import simulated_warning
from tests.small_bundle import write_small_bundle
from tests.training.tiny import write_tiny_cohort


@pytest.fixture(autouse=True)
def few_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "fit_calibration", partial(fit_calibration, resamples=4))  # the default takes seconds


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setenv("HTCORE_MODELS_DIR", str(tmp_path / "models"))
    network = NetworkConfig(widths=(8, 8, 8), feature_width=8, attention_width=4).build().eval()
    return write_small_bundle(tmp_path / "models" / "before", networks=(network,))


def run(cohort: Path, out: Path, *more: str) -> Result:
    given = ["recalibrate", "--model", "before", "--cohort", str(cohort), "--out", str(out), "--workers", "1"]
    return CliRunner().invoke(app, [*given, "--device", "cpu", *more])


def test_weights_stay_and_the_calibration_is_of_the_cohort(tmp_path: Path, before: Bundle) -> None:
    cohort = write_tiny_cohort(tmp_path / "cohort", 40, refused=1)
    done = run(cohort, tmp_path / "models" / "own")
    assert done.exit_code == 0, done.stderr
    assert "left out: row 42 of the cohort table" in done.stderr.replace("\n", " ")
    own = load_bundle(tmp_path / "models" / "own")
    assert own.identity.weights_sha256 == before.identity.weights_sha256
    table = own.validation
    logits, labels = table["logit"].to_numpy(np.float64), table["ht"].to_numpy(np.float64)
    assert (own.calibration.slope, own.calibration.intercept) == pytest.approx(fit_platt(logits, labels))
    assert own.calibration.n_patients == 40 and own.calibration.prevalence == pytest.approx(labels.mean())
    assert own.embedding is not None and len(own.embedding) == 40
    np.testing.assert_allclose(table["probability"], own.calibration.probability(logits))
    assert set(table["part"]) == {"calibration"} and own.training_log.empty


def test_the_card_says_whose_weights_they_are_and_counts_every_scan(tmp_path: Path, before: Bundle) -> None:
    cohort = write_tiny_cohort(tmp_path / "cohort", 40, refused=1)
    done = run(cohort, tmp_path / "models" / "own")
    own = load_bundle(tmp_path / "models" / "own")
    assert done.stdout.removesuffix("\n") == own.card == render(card_of(own))
    assert f"Has the weights of before (SHA-256 {before.identity.weights_sha256[:12]}…)" in own.card
    assert "40 scans of 40 patients; any who trained an earlier model" in own.card
    assert CAVEATS["calibration"] in own.card and "would make these figures too good" in own.card
    assert "other patients" not in own.card
    assert own.identity.simulated and not own.card_values["measured"]["simulated"]  # type: ignore[index]
    last = stages("own", own.identity.training_data)[-1]
    assert last.data == "no new scans, only calibrated on 40 labelled plain head CTs of 40 patients"
    rows = flow_rows(card_of(own))
    assert (
        rows is not None
        and rows[0].boxes[0] == "<b>41 scans</b><br>given to calibration"
        and "Left out: 1 scans" in (rows[0].excluded or "")
    )
    assert "Calibration" in rows[2].boxes[0] and "40 scans" in rows[2].boxes[0]


def test_a_hospitals_numbers_stay_at_home(tmp_path: Path, before: Bundle) -> None:
    run(write_tiny_cohort(tmp_path / "cohort", 24), tmp_path / "models" / "own")
    table = load_bundle(tmp_path / "models" / "own").validation
    assert not set(table["patient_id"]) & {f"p{n}" for n in range(24)}
    assert not set(table["scan_id"]) & {f"c{n}" for n in range(24)}


def test_validation_patients_calibrate_nothing(tmp_path: Path, before: Bundle) -> None:
    alone = write_tiny_cohort(tmp_path / "cohort", 40)
    table = pd.read_csv(alone, dtype=str)
    table["split"] = ["calibration", "train", "", ""] * 8 + ["validation"] * 6 + ["test"] * 2
    table.to_csv(alone, index=False)
    assert run(alone, tmp_path / "models" / "own").exit_code == 0
    own = load_bundle(tmp_path / "models" / "own")
    assert (
        own.calibration.n_patients == 32 and set(own.validation["part"]) == {"validation"} and len(own.validation) == 6
    )
    expected = own.calibration.probability(own.validation["logit"].to_numpy())
    np.testing.assert_allclose(own.validation["probability"], expected)


def test_what_cannot_be_done_is_said(tmp_path: Path, before: Bundle) -> None:
    cohort = write_tiny_cohort(tmp_path / "cohort", 24)
    for more, message in (
        (("--model", "nobody"), "before"),
        (("--validation", str(cohort)), "both calibration and validation"),
    ):
        done = run(cohort, tmp_path / "models" / "own", *more)
        assert done.exit_code in (2, 3) and message in done.stderr.replace("\n", " ")
        assert "Traceback" not in done.stderr and not (tmp_path / "models" / "own").exists()
    assert run(cohort, tmp_path / "models" / "before").exit_code == 2  # nothing is overwritten
    table = pd.read_csv(cohort, dtype=str).query("ht == '1'")
    table.to_csv(cohort, index=False)
    alike = run(cohort, tmp_path / "models" / "own").stderr.replace("\n", " ")
    assert "needs 10 patients with and 10 without HT" in alike and f"found {len(table)} and 0" in alike


def test_too_few_usable_patients_are_said_before_and_after_the_scans_are_read(tmp_path: Path, before: Bundle) -> None:
    cohort = write_tiny_cohort(tmp_path / "cohort", 24, refused=6)
    table = pd.read_csv(cohort, dtype=str)
    with_ht, without = table[table["ht"] == "1"], table[(table["ht"] == "0") & (table.index < 24)]
    few = pd.concat([with_ht[:10], without[:4], table[24:]])  # six of ten without HT are no scans
    few.to_csv(cohort, index=False)
    done = run(cohort, tmp_path / "models" / "own")
    assert done.exit_code == 3 and "found 10 and 4" in done.stderr.replace("\n", " ")
    assert "left out: row 16" in done.stderr.replace("\n", " ")
    few[:-1].to_csv(cohort, index=False)
    assert "left out" not in run(cohort, tmp_path / "models" / "own").stderr


def test_checks_of_the_maps_come_along_with_the_weights(tmp_path: Path, before: Bundle) -> None:
    add_measurement(before.path, "explanation.json", b'{"scans": 3}')
    add_measurement(before.path, "robustness.json", b'{"scans": 3}')
    run(write_tiny_cohort(tmp_path / "cohort", 40), tmp_path / "models" / "own")
    own = load_bundle(tmp_path / "models" / "own")
    assert own.measurement("explanation.json") == b'{"scans": 3}' and own.measurement("robustness.json") is None


def test_a_score_calibrated_on_patients_is_not_said_to_count_simulated_scans(tmp_path: Path, before: Bundle) -> None:
    run(write_tiny_cohort(tmp_path / "cohort", 40), tmp_path / "models" / "own")
    own = load_bundle(tmp_path / "models" / "own").identity
    assert own.simulated and own.calibrated_on_patients and not own.score_simulated
    assert before.identity.score_simulated
    warnings = [simulated_warning(identity) or "" for identity in (own, before.identity)]
    assert "fitted on scans of patients" in warnings[0] and "demonstration, not an estimate" in warnings[1]
    assert simulated_warning(replace(own, simulated=False)) is None
    assert history(own.training_data) == (
        "calibrated on 40 labelled plain head CTs of 40 patients, with the weights of before"
    )
    assert notice_for(simulated=False, training_data=own.training_data).endswith("with the weights of before")
    assert stages_words(card_of(load_bundle(tmp_path / "models" / "own"))).startswith(
        "**1 training, then calibrated anew:**"
    )
