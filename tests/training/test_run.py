"""From a table to a bundle, with the preparation replaced by small arrays."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit

from htcore.bundle import load_bundle
from htcore.errors import BundleError, CohortError, UsageError
from htcore.inference.calibrate import fit_calibration, fit_platt
from htcore.inference.predict import run_networks
from htcore.networks import NetworkConfig
from htcore.training import contents, parts, run
from htcore.training.cache import PreparedScan, Progress, RefusedScan
from htcore.training.card import Stage, stages
from htcore.training.cohort import CohortScan
from htcore.training.loop import EpochLog, Fitted, LoopParameters
from htcore.training.parts import KNOWN_RISK, standardised_factors
from htcore.training.predictions import cross_fitted
from htcore.training.run import Listener, TrainingParameters, train
from htcore.training.thumbnails import thumbnail
from tests.small_bundle import write_small_bundle
from tests.training.blobs import BlobSource

SMALL = TrainingParameters(
    loop=LoopParameters(epochs=2, threads=1),
    network=NetworkConfig(widths=(8, 8, 8), feature_width=8, attention_width=4, factors=6),
    calibration_share=0.2,
    device="cpu",
)


@pytest.fixture(autouse=True)
def small_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(
        scans: tuple[CohortScan, ...], cache: Path, workers: int = 1, progress: Progress | None = None
    ) -> tuple[tuple[PreparedScan, ...], tuple[RefusedScan, ...]]:
        cache.mkdir(parents=True, exist_ok=True)
        source, out = BlobSource(1), []
        for number, scan in enumerate(scans[:-1]):
            source = BlobSource(1, seed=number)
            file = cache / f"{number}.npz"
            arrays = source.scans[0]
            brain = arrays.channels[:, 5] > 0.5
            np.savez(file, channels=arrays.channels, lesion=arrays.lesion, brain=brain, affine=np.eye(4))
            out.append(PreparedScan(scan, file, 5.0, file.stem))
        return tuple(out), (RefusedScan(len(scans), "not_head", "No head."),)

    monkeypatch.setattr(parts, "prepare_scans", prepare)
    monkeypatch.setattr(contents, "fit_calibration", partial(fit_calibration, resamples=4))  # the default takes seconds


def write_cohort(folder: Path, n: int, simulated: bool = True, first: int = 0) -> Path:
    folder.mkdir(parents=True)
    rows, truth = ["patient_id,scan_id,path,ht,age"], ["patient_id,scan_id,p_ht,p_ht_image,lesion_volume_ml,depth_hu"]
    for index in range(n):
        (folder / f"s{index}").mkdir()
        rows.append(f"MRN{first + index},A{index},s{index},{index % 2},{50 + index}")
        truth.append(f"MRN{first + index},A{index},0.{first + index + 10},0.5,{index + 1},{index % 4}")
    (folder / "cohort.csv").write_text("\n".join(rows))
    if simulated:
        (folder / "truth.csv").write_text("\n".join(truth))
    return folder / "cohort.csv"


def test_simulated_cohort_with_a_validation_cohort(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "a", 30)
    validation = write_cohort(tmp_path / "b", 9, first=40)
    told: list[tuple[str, int, int]] = []
    parameters = TrainingParameters(**{**vars(SMALL), "validation_cohort": validation})
    bundle = train(parameters, cohort, tmp_path / "models" / "m", Listener(lambda *args: told.append(args)))
    table = load_bundle(tmp_path / "models" / "m").validation
    assert len(table) == 8 and set(table["part"]) == {"validation"}  # the last scan was refused
    assert {"patient_id", "scan_id", "ht", "logit", "probability", "p_ht", "p_ht_image", "age"} <= set(table.columns)
    expected = bundle.calibration.probability(table["logit"].to_numpy())
    np.testing.assert_allclose(table["probability"], expected)
    assert bundle.identity.simulated and "simulated" in bundle.identity.training_data
    assert "simulated" in bundle.card and "1 × not_head" in bundle.card
    assert told[-1] == ("train", 2, 2) and not (tmp_path / "models" / "m.training").exists()
    assert len(bundle.training_log) == 2
    assert bundle.thumbnails is not None
    networks = bundle.networks(torch.device("cpu"))
    for row, number in zip(table.to_dict("records"), range(8), strict=True):
        own = PreparedScan(scan(row), validation_file(cohort, 30 + number), 5.0, "").model_input()
        np.testing.assert_array_equal(bundle.thumbnails[number], thumbnail(own, run_networks(networks, own)))


def validation_file(cohort: Path, number: int) -> Path:
    """Prepared arrays of the scan of this number; validation scans follow those that train."""
    return cohort.parent / "prepared" / f"{number}.npz"


def test_sixty_patients_choose_their_epoch_too(tmp_path: Path) -> None:
    bundle = train(replace(SMALL, calibration_share=0.2), write_cohort(tmp_path / "a", 60), tmp_path / "m")
    chosen = json.loads((bundle.path / "config.json").read_text())["training"]["members"][0]["weights_of_epoch"]
    # 30 with and 30 without HT: 6 + 6 calibrate, 0.15 of the 24 + 24 left choose, one of all was refused.
    assert f"weights of epoch {chosen} of 2, the best by loss on 8 scans of 8 other patients" in bundle.card
    assert bundle.identity.training_data.startswith("39 ") and bundle.calibration.n_patients == 12
    log = bundle.training_log
    assert log["selection_loss"].notna().all() and log[log["best"] == 1]["epoch"].max() == chosen
    plain = train(replace(SMALL, selection_share=0.0), tmp_path / "a" / "cohort.csv", tmp_path / "n")
    assert "weights of the last epoch" in plain.card and plain.identity.training_data.startswith("47 ")


def test_folds_predict_each_patient_by_the_network_that_never_saw_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    fit = run.fit

    def spy(config: NetworkConfig, source: parts.PreparedSource, *rest: object, **named: object) -> Fitted:
        chooses = named["selection"]
        scans = (*source._scans, *(chooses._scans if isinstance(chooses, parts.PreparedSource) else ()))
        seen.append({entry.scan.patient_id for entry in scans})
        return fit(config, source, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "fit", spy)
    cohort = write_cohort(tmp_path / "a", 41)
    bundle = train(replace(SMALL, folds=3, loop=replace(SMALL.loop, epochs=1)), cohort, tmp_path / "m")
    table, networks = bundle.validation, bundle.networks(torch.device("cpu"))
    assert bundle.members == len(networks) == 3 and len(table) == 40 and set(table["part"]) == {"out-of-fold"}
    assert bundle.calibration.n_patients == 40 and bundle.identity.training_data.startswith("40 simulated")
    for row in table.to_dict("records"):
        (unseen,) = (number for number, patients in enumerate(seen) if row["patient_id"] not in patients)
        file = cohort.parent / "prepared" / f"{row['patient_id'].removeprefix('MRN')}.npz"
        own = run_networks([networks[unseen]], PreparedScan(scan(row), file, 5.0, "").model_input())
        assert row["logit"] == pytest.approx(own.logit, abs=1e-5)
    assert list(bundle.training_log["network"]) == [1, 2, 3]
    assert "Network 3: trained on" in bundle.card and "do not measure" in bundle.card
    assert len(networks[0].state_dict()) and not torch.equal(networks[0].lesion.weight, networks[1].lesion.weight)


def scan(row: dict[Hashable, Any]) -> CohortScan:
    return CohortScan(row["patient_id"], row["scan_id"], Path(row["scan_id"]), bool(row["ht"]))


def test_cross_fitting_leaves_a_fold_out_of_its_own_calibration() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(60) < 0.5).astype(np.float64)
    logits, fold = labels + rng.normal(0, 1, 60), np.arange(60) % 3
    found = cross_fitted(logits, labels, fold)
    slope, intercept = fit_platt(logits[fold != 1], labels[fold != 1])
    np.testing.assert_allclose(found[fold == 1], expit(slope * logits[fold == 1] + intercept))


def test_training_starts_from_another_model(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "a", 24)
    first = train(SMALL, cohort, tmp_path / "first")
    still = replace(SMALL, start_from=first.path, loop=replace(SMALL.loop, epochs=1, learning_rate=1e-12))
    second = train(replace(still, network=None), cohort, tmp_path / "second")  # takes the other model's sizes
    found, expected = (bundle.networks(torch.device("cpu"))[0] for bundle in (second, first))
    torch.testing.assert_close(found.classifier.weight, expected.classifier.weight)
    start = second.training["started_from"]
    assert start == {"id": "first", "weights_sha256": first.identity.weights_sha256}
    assert "Started from the weights of first" in second.card and "starting from first" in second.identity.training_data
    assert SMALL.network is not None
    with pytest.raises(UsageError, match="other sizes"):
        train(replace(still, network=replace(SMALL.network, feature_width=16)), cohort, tmp_path / "third")
    (first.path / "config.json").write_text("{}")
    with pytest.raises(BundleError, match="changed or damaged"):
        train(still, cohort, tmp_path / "third")


def test_training_goes_on_with_more_features(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "a", 24)
    first = train(SMALL, cohort, tmp_path / "first")
    still = replace(SMALL, network=None, start_from=first.path, loop=replace(SMALL.loop, epochs=1, learning_rate=1e-12))
    wider = train(replace(still, wider=2), cohort, tmp_path / "wider")
    assert (wider.config.widths, wider.config.feature_width) == ((16, 16, 16), 16)
    found, expected = (bundle.networks(torch.device("cpu"))[0] for bundle in (wider, first))
    torch.testing.assert_close(found.lesion.weight[:, :8], expected.lesion.weight)
    fresh = train(replace(SMALL, wider=2), cohort, tmp_path / "fresh")
    assert fresh.config == wider.config


def test_known_risks_stand_in_for_outcomes_where_a_scan_has_one() -> None:
    table = pd.DataFrame({KNOWN_RISK: ["0.3", "", None, "0.9"]})
    labels = np.array([1.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(contents._known_risks(table, labels), [0.3, 1.0, 0.0, 0.9])
    np.testing.assert_allclose(contents._known_risks(table.drop(columns=KNOWN_RISK), labels), labels)


def test_blended_weights_lie_between_those_before_and_after(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "a", 24)
    first = train(SMALL, cohort, tmp_path / "first")
    after = train(replace(SMALL, start_from=first.path), cohort, tmp_path / "after")
    between = train(replace(SMALL, start_from=first.path, blend=0.25), cohort, tmp_path / "between")
    a, b, c = (bundle.networks(torch.device("cpu"))[0].state_dict() for bundle in (first, after, between))
    assert any(not torch.equal(a[name], b[name]) for name in a)
    for name, value in c.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.75 * a[name] + 0.25 * b[name])
    assert between.training["blend"] == 0.25 and "75% still those, 25% the newly learnt ones" in between.card
    assert between.identity.weights_sha256 not in (first.identity.weights_sha256, after.identity.weights_sha256)


def test_a_blend_needs_a_model_to_start_from_and_a_share(tmp_path: Path) -> None:
    for wrong in (replace(SMALL, blend=0.5), replace(SMALL, blend=0.0), replace(SMALL, blend=1.5)):
        with pytest.raises(UsageError, match="share of new weights"):
            train(wrong, tmp_path / "cohort.csv", tmp_path / "out")


def test_a_model_of_other_causes_or_another_preparation_is_no_start(tmp_path: Path) -> None:
    other = write_small_bundle(tmp_path / "other")  # five causes
    cohort = write_cohort(tmp_path / "a", 24)
    with pytest.raises(UsageError, match="5 causes"):
        train(replace(SMALL, network=None, start_from=other.path), cohort, tmp_path / "m")


def test_what_is_left_out_is_told_by_its_row_and_a_scan_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[RefusedScan] = []
    cohort = write_cohort(tmp_path / "a", 24)
    train(replace(SMALL, loop=replace(SMALL.loop, epochs=1)), cohort, tmp_path / "m", Listener(refused=refused.append))
    assert [(entry.table, entry.row, entry.code) for entry in refused] == [("cohort table", 25, "not_head")]
    prepare = parts.prepare_scans

    def twice(scans: tuple[CohortScan, ...], *rest: Any) -> tuple[tuple[PreparedScan, ...], tuple[RefusedScan, ...]]:
        found, gone = prepare(scans, *rest)
        return (*found[:-1], replace(found[-1], image=found[2].image)), gone

    monkeypatch.setattr(parts, "prepare_scans", twice)
    with pytest.raises(CohortError, match="Row 4 of the cohort table and row 24 of the cohort table hold the same"):
        train(SMALL, cohort, tmp_path / "n")


def test_a_mixed_cohort_is_told_as_what_it_is(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "a", 24)
    truth = (tmp_path / "a" / "truth.csv").read_text().splitlines()
    (tmp_path / "a" / "truth.csv").write_text("\n".join(truth[:13]))  # of the first twelve alone
    bundle = train(replace(SMALL, loop=replace(SMALL.loop, epochs=1)), cohort, tmp_path / "m")
    told = re.fullmatch(
        r"(\d+) simulated plain head CTs of \1 simulated patients and (\d+) labelled plain head CTs of \2 patients",
        bundle.identity.training_data,
    )
    assert told is not None and int(told[1]) + int(told[2]) == bundle.training["members"][0]["training_scans"]
    assert int(told[1]) <= 12 and bundle.identity.simulated
    after = f"5 scans, starting from m ({bundle.identity.training_data})"
    assert stages("n", after) == (Stage("m", bundle.identity.training_data), Stage("n", "5 scans"))


def test_a_hospitals_cohort_leaves_no_patient_number_behind(tmp_path: Path) -> None:
    bundle = train(SMALL, write_cohort(tmp_path / "a", 24, simulated=False), tmp_path / "m")
    assert not bundle.identity.simulated and set(bundle.validation["part"]) == {"calibration"}
    assert not (bundle.path / "thumbnails.safetensors").exists()
    assert "fitted on these same patients" in bundle.card
    for path in bundle.path.iterdir():
        assert b"MRN" not in path.read_bytes()
    assert not any("MRN" in str(cell) or str(cell).startswith("A") for cell in bundle.validation.to_numpy().ravel())


def test_patients_that_validate_a_simulated_model_leave_no_number_and_no_picture(tmp_path: Path) -> None:
    patients = write_cohort(tmp_path / "b", 9, simulated=False, first=40)
    parameters = replace(SMALL, validation_cohort=patients, loop=replace(SMALL.loop, epochs=1))
    bundle = train(parameters, write_cohort(tmp_path / "a", 24), tmp_path / "m")
    assert set(bundle.validation["part"]) == {"validation"} and len(bundle.validation) == 8
    assert bundle.thumbnails is None and not (bundle.path / "thumbnails.safetensors").exists()
    assert not any("MRN" in str(cell) for cell in bundle.validation.to_numpy().ravel())


def test_killed_and_started_again_gives_the_same_weights(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "a", 24)
    straight = train(SMALL, cohort, tmp_path / "straight")

    def stop(log: EpochLog) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(SMALL, cohort, tmp_path / "resumed", Listener(epoch=stop))
    assert not (tmp_path / "resumed").exists()
    logs: list[EpochLog] = []
    resumed = train(SMALL, cohort, tmp_path / "resumed", Listener(epoch=logs.append))
    assert [log.epoch for log in logs] == [2]
    assert resumed.identity.weights_sha256 == straight.identity.weights_sha256
    assert resumed.calibration == straight.calibration


def test_existing_model_leaking_validation_and_too_few_scans_are_refused(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "a", 24)
    (tmp_path / "m").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        train(SMALL, cohort, tmp_path / "m")
    leaking = TrainingParameters(**{**vars(SMALL), "validation_cohort": cohort})
    with pytest.raises(CohortError, match="lie in both training and validation"):
        train(leaking, cohort, tmp_path / "n")
    with pytest.raises(CohortError, match="8 usable scans"):
        train(SMALL, write_cohort(tmp_path / "c", 10), tmp_path / "o")


def test_one_folder_under_two_patients_in_two_tables_is_refused(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "a", 24)
    renamed = cohort.read_text().replace("MRN", "P").replace(",s", ",./s").replace("./scan_id", "scan_id")
    (tmp_path / "a" / "other.csv").write_text(renamed)
    parameters = replace(SMALL, validation_cohort=tmp_path / "a" / "other.csv")
    with pytest.raises(CohortError, match="Row 2 of the cohort table and row 2 of the validation table hold the same"):
        train(parameters, cohort, tmp_path / "m")


@pytest.mark.parametrize("several", [None, 2])
def test_a_patient_who_is_tested_trains_with_no_other_scan(tmp_path: Path, several: int | None) -> None:
    cohort = write_cohort(tmp_path / "a", 24)
    lines = cohort.read_text().splitlines()
    lines = [f"{lines[0]},split", f"{lines[1]},test", *(f"{line}," for line in lines[2:])]
    lines[2] = lines[2].replace("MRN1,", "MRN0,")
    cohort.write_text("\n".join(lines))
    with pytest.raises(CohortError, match="and test"):
        train(replace(SMALL, folds=several), cohort, tmp_path / "m")


@pytest.mark.parametrize(("gone", "part"), [("training", "training"), ("held_out", "calibration")])
def test_one_outcome_left_of_a_part_is_said_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str, part: str
) -> None:
    enough = parts._enough

    def fewer(members: tuple[parts.Member, ...], trains: bool) -> None:
        left = tuple(entry for entry in getattr(members[0], gone) if entry.scan.ht)
        enough((replace(members[0], **{gone: left}),), trains)

    monkeypatch.setattr(parts, "_enough", fewer)
    with pytest.raises(CohortError, match=f"Of the {part} part"):
        train(SMALL, write_cohort(tmp_path / "a", 48), tmp_path / "m")
    assert not (tmp_path / "m.training").exists()


def test_factors_are_standardised_and_unknown_ones_stay_unknown() -> None:
    scans = tuple(
        PreparedScan(CohortScan(str(n), str(n), Path(str(n)), True, values=values), Path(), 5.0, str(n))
        for n, values in enumerate([{"depth_hu": 1.0}, {"depth_hu": 3.0}, {}, {"artery_sign": 1.0}])
    )
    factors = standardised_factors(scans)
    np.testing.assert_allclose(factors[:2, 1], [-1.0, 1.0])
    assert np.isnan(factors[2:, 1]).all()
    assert np.isnan(factors[:, 3]).all()  # one known value has no spread


@pytest.mark.parametrize("simulated", [True, False])
def test_a_known_risk_is_learnt_instead_of_the_outcome_where_there_is_one(
    simulated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[np.ndarray] = []
    fit = run.fit

    def spy(config: NetworkConfig, source: parts.PreparedSource, *rest: object, **named: object) -> Fitted:
        taught.append(source.labels)
        assert isinstance(named["selection"], parts.PreparedSource)
        assert set(named["selection"].labels) == {0.0, 1.0}  # the epoch is chosen by what happened
        return fit(config, source, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "fit", spy)
    told = replace(SMALL, known_risk=True, loop=replace(SMALL.loop, epochs=1))
    bundle = train(told, write_cohort(tmp_path / "a", 60, simulated), tmp_path / "m")
    assert set(taught[0]) == ({0.5} if simulated else {0.0, 1.0})
    assert set(bundle.validation["ht"]) == {0, 1}
    assert ("taught the simulator's risk" in bundle.card) is simulated
