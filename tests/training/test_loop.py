"""The loop learns, resumes exactly, and stops where it must."""

from __future__ import annotations

import csv
import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from htcore.errors import TrainingError, UsageError
from htcore.networks import LesionGatedResNet, NetworkConfig, NetworkOutput
from htcore.processes import alone_in
from htcore.training import loop
from htcore.training.batches import Augmentation, Batch, ScanArrays
from htcore.training.distributed import Processes
from htcore.training.loop import EpochLog, Fitted, LoopParameters, fit, low_precision, one_cycle
from htcore.training.losses import balanced_weights, lesion_loss, losses
from htcore.training.selection import Score, measure, score
from tests.training.blobs import BlobSource

TINY = NetworkConfig(widths=(8, 8, 8), feature_width=8, attention_width=4, factors=1, dropout=0.1)
STILL = Augmentation(shift_pixels=1, shift_slices=1, offset_hu=0.3)
FAST = LoopParameters(epochs=2, batch_size=8, threads=1, augmentation=STILL)


def weights(fitted: Fitted) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in fitted.network.state_dict().items()}


def test_loss_falls_and_unseen_scans_are_ranked(tmp_path: Path) -> None:
    logs: list[EpochLog] = []
    parameters = replace(FAST, epochs=8, learning_rate=5e-3)
    network = fit(TINY, BlobSource(160), parameters, tmp_path, on_epoch=logs.append).network
    test = BlobSource(80, seed=1)
    with torch.inference_mode():
        out = network(torch.from_numpy(np.stack([scan.channels for scan in test.scans])))
    assert logs[-1].loss < 0.8 * logs[0].loss
    assert roc_auc_score(test.labels, out.logit.numpy()) > 0.8
    with (tmp_path / "training_log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 9))


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    source, parameters = BlobSource(20), replace(FAST, epochs=3)
    straight = fit(TINY, source, parameters, tmp_path / "a")

    def stop(log: EpochLog) -> None:
        if log.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(TINY, source, parameters, tmp_path / "b", on_epoch=stop)
    resumed = fit(TINY, source, parameters, tmp_path / "b")
    expected, found = weights(straight), weights(resumed)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_seed_decides_the_weights_and_nothing_global_does(tmp_path: Path) -> None:
    source, parameters = BlobSource(10), replace(FAST, epochs=1)
    state = torch.random.get_rng_state()
    first = fit(TINY, source, parameters, tmp_path / "a")
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    second = fit(TINY, source, parameters, tmp_path / "b")
    other = fit(TINY, source, replace(parameters, seed=1), tmp_path / "c")
    np.testing.assert_array_equal(first.network.classifier.weight.detach(), second.network.classifier.weight.detach())
    assert not torch.equal(first.network.classifier.weight, other.network.classifier.weight)


def test_scans_without_mask_and_without_factors_still_train(tmp_path: Path) -> None:
    source = BlobSource(8, masks=False)
    source.factors[:] = np.nan
    logs: list[EpochLog] = []
    fit(TINY, source, replace(FAST, epochs=1), tmp_path, on_epoch=logs.append)
    assert logs[0].lesion == 0 and logs[0].factors == 0 and np.isfinite(logs[0].loss)


def test_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    source = BlobSource(12)
    parameters = replace(FAST, epochs=3)

    def spoil(log: EpochLog) -> None:
        bad = source.scans[0].channels.copy()
        bad[:, 3, 5, 5] = np.nan
        source.scans[0] = ScanArrays(bad, source.scans[0].lesion)

    with pytest.raises(TrainingError, match="epoch 2"):
        fit(TINY, source, parameters, tmp_path, on_epoch=spoil)
    resumed: list[EpochLog] = []
    fit(TINY, BlobSource(12), parameters, tmp_path, on_epoch=resumed.append)
    assert [log.epoch for log in resumed] == [2, 3]


def test_checkpoint_of_other_settings_or_damaged_is_refused(tmp_path: Path) -> None:
    source = BlobSource(8)
    fit(TINY, source, replace(FAST, epochs=1), tmp_path)
    with pytest.raises(TrainingError, match="other settings"):
        fit(TINY, source, replace(FAST, epochs=1, learning_rate=1e-4), tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="damaged"):
        fit(TINY, source, replace(FAST, epochs=1), tmp_path)


def test_one_cycle_by_hand() -> None:
    assert one_cycle(0.0, 1.0) == pytest.approx(0.04)
    assert one_cycle(0.15, 1.0) == pytest.approx(0.52)
    assert one_cycle(0.3, 1.0) == pytest.approx(1.0)
    assert one_cycle(1.0, 1.0) == pytest.approx(1e-4)


def test_lesion_loss_by_hand() -> None:
    logits = torch.zeros(1, 1, 1, 2)
    truth = torch.tensor([[[[1.0, 0.0]]]])
    both = torch.ones(1, 1, 1, 2, dtype=torch.bool)
    # Entropy ln 2 a voxel; Dice (2 · 0.5 + 5) / (1 + 1 + 5) = 6 / 7.
    assert float(lesion_loss(logits, truth, both)) == pytest.approx(4 * np.log(2) + 1 / 7, abs=1e-6)
    first = torch.tensor([[[[True, False]]]])
    # Only the first voxel counts: Dice (2 · 0.5 + 5) / (0.5 + 1 + 5) = 6 / 6.5.
    assert float(lesion_loss(logits, truth, first)) == pytest.approx(4 * np.log(2) + 0.5 / 6.5, abs=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": 0.0},
        {"learning_rate": np.nan},
        {"threads": -1},
        {"lesion_weight": -1.0},
        {"weight_decay": np.inf},
        {"clip_norm": 0.0},
        {"label_smoothing": 5.0},
    ],
)
def test_impossible_parameters_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        LoopParameters(**change)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Augmentation(offset_hu=np.nan)


def spoilt_after(epochs: int, selection: BlobSource) -> Callable[[EpochLog], None]:
    """Turns the selection scans' labels round after so many epochs: from there on nothing is better."""

    def spoil(log: EpochLog) -> None:
        if log.epoch == epochs:
            selection.labels[:] = 1 - selection.labels

    return spoil


def test_the_best_epoch_on_selection_patients_is_kept_and_ends_the_training(tmp_path: Path) -> None:
    parameters = replace(FAST, epochs=9, patience=2, learning_rate=5e-3)
    selection = BlobSource(70, seed=2)
    fitted = fit(TINY, BlobSource(60), parameters, tmp_path, on_epoch=spoilt_after(3, selection), selection=selection)
    assert fitted.chosen.epoch == 3 and len(fitted.log) == 5  # the third is the best, two more were no better
    selection.labels[:] = 1 - selection.labels
    again = measure(fitted.network, selection, 8, torch.device("cpu"))
    assert (again.auc, again.loss) == pytest.approx((fitted.chosen.selection_auc, fitted.chosen.selection_loss))
    with (tmp_path / "training_log.csv").open() as stream:
        assert [row["best"] for row in csv.DictReader(stream)][-3:] == ["1", "0", "0"]


def test_interrupted_with_selection_equals_uninterrupted(tmp_path: Path) -> None:
    source, selection = BlobSource(20), BlobSource(12, seed=2)
    selection.labels[:] = 1 - selection.labels  # the more is learnt, the worse: an early epoch is the best
    parameters = replace(FAST, epochs=4, learning_rate=1e-2)
    straight = fit(TINY, source, parameters, tmp_path / "a", selection=selection)
    assert straight.chosen.epoch < 3 < len(straight.log)

    def stop(log: EpochLog) -> None:
        if log.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(TINY, source, parameters, tmp_path / "b", on_epoch=stop, selection=selection)
    resumed = fit(TINY, source, parameters, tmp_path / "b", selection=selection)
    assert resumed.chosen.epoch == straight.chosen.epoch
    found = weights(resumed)
    for name, value in weights(straight).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    with pytest.raises(TrainingError, match="other settings or other scans"):
        fit(TINY, source, parameters, tmp_path / "b")


def test_a_checkpoint_of_other_pictures_with_the_same_outcomes_is_not_taken(tmp_path: Path) -> None:
    source = BlobSource(20)
    fit(TINY, source, FAST, tmp_path)
    source.content = "the same scans, their masks drawn anew"
    with pytest.raises(TrainingError, match="other settings or other scans"):
        fit(TINY, source, FAST, tmp_path)


def test_auc_chooses_where_there_are_enough_scans_and_else_the_loss() -> None:
    few, many = np.array([True, False]), np.array([True, False] * 30)
    assert not score(np.zeros(2), few).by_auc and score(np.zeros(60), many).by_auc
    # Logit ln 3 is P = 0.75: entropies ln(4 / 3) and ln 4.
    found = score(np.log(3.0) * np.ones(2), few)
    assert found.loss == pytest.approx((np.log(4 / 3) + np.log(4)) / 2) and found.auc == 0.5
    assert np.isnan(score(np.zeros(1), np.array([True])).auc)
    better, worse = Score(0.8, 0.9, True), Score(0.7, 0.1, True)
    assert better.better_than(worse) and not worse.better_than(better) and worse.better_than(None)
    assert replace(worse, by_auc=False).better_than(better)
    assert Score(0.8, 0.5, True).better_than(better) and not better.better_than(better)


def test_balanced_weights_give_both_classes_the_same_say() -> None:
    labels = torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert balanced_weights(labels) == (pytest.approx(4 / 6), pytest.approx(2.0))
    assert balanced_weights(torch.ones(3)) == (1.0, 1.0)


def test_class_weights_count_in_the_classification_loss() -> None:
    batch = Batch(BlobSource(4), np.arange(4))
    batch.labels = torch.tensor([1.0, 0.0, 0.0, 0.0])
    output = NetworkOutput(
        torch.zeros(4), torch.zeros(4, 4, 16, 16), torch.zeros(0), torch.zeros(()), None, torch.zeros(0)
    )
    even = losses(output, batch, 0.0).classification
    first = losses(output, batch, 0.0, (0.0, 4.0)).classification
    assert float(even) == pytest.approx(np.log(2)) and float(first) == pytest.approx(np.log(2))
    output = output._replace(logit=torch.tensor([np.log(3.0), 0.0, 0.0, 0.0]))
    assert float(losses(output, batch, 0.0, (0.0, 4.0)).classification) == pytest.approx(np.log(4 / 3))


@pytest.mark.parametrize("able", [True, False])
@pytest.mark.parametrize("unit", ["amx_bf16", "avx512_bf16"])
def test_low_precision_only_where_the_device_is_made_for_it(
    monkeypatch: pytest.MonkeyPatch, unit: str, able: bool
) -> None:
    expected = torch.bfloat16 if able else None
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: able)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {unit: able})
    assert low_precision(torch.device("cuda")) is expected and low_precision(torch.device("cpu")) is expected
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "arm64"})
    assert low_precision(torch.device("cpu")) is None and low_precision(torch.device("mps")) is None


def test_low_precision_is_what_the_loop_computes_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[bool] = []
    forward = LesionGatedResNet.forward

    def watch(self: LesionGatedResNet, channels: torch.Tensor, hold_pooling: bool = False) -> NetworkOutput:
        seen.append(torch.is_autocast_enabled("cpu"))
        return forward(self, channels, hold_pooling)

    monkeypatch.setattr(LesionGatedResNet, "forward", watch)
    monkeypatch.setattr(loop, "low_precision", lambda device: None)
    assert fit(TINY, BlobSource(8), replace(FAST, epochs=1), tmp_path / "a").precision == "float32"
    assert seen == [False]
    monkeypatch.setattr(loop, "low_precision", lambda device: torch.bfloat16)
    with pytest.raises(TrainingError, match="other settings"):  # neither precision's weights would come of it
        fit(TINY, BlobSource(8), replace(FAST, epochs=1), tmp_path / "a")
    logs: list[EpochLog] = []
    found = fit(TINY, BlobSource(8), replace(FAST, epochs=1), tmp_path / "b", on_epoch=logs.append)
    assert found.precision == "bfloat16"
    fit(TINY, BlobSource(8), replace(FAST, epochs=1, mixed_precision=False), tmp_path / "c", on_epoch=logs.append)
    assert seen == [False, True, False]
    assert logs[0].loss == pytest.approx(logs[1].loss, rel=0.05) and logs[0].loss != logs[1].loss


def test_a_process_that_cannot_keeps_the_others_in_whole_precision(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loop, "low_precision", lambda device: torch.bfloat16)
    monkeypatch.setattr(Processes, "widest", lambda self, first, last: (first, max(last, 1)))  # another said 1
    assert fit(TINY, BlobSource(8), replace(FAST, epochs=1), tmp_path).precision == "float32"


def test_two_runs_do_not_train_in_one_folder(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(UsageError, match="Another run"):
        fit(TINY, BlobSource(8), FAST, tmp_path)


@pytest.mark.parametrize("failing", ["htcore.training.checkpoint.save_file", "htcore.training.loop._write_log"])
def test_a_full_disk_stops_the_training_and_keeps_the_checkpoint_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    source, parameters, epochs = BlobSource(12), replace(FAST, epochs=3), []
    expected = weights(fit(TINY, source, parameters, tmp_path / "straight"))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:

        def fill(log: EpochLog) -> None:
            patch.setattr(failing, full)

        with pytest.raises(TrainingError, match="free disk space"):
            fit(TINY, source, parameters, tmp_path / "full", on_epoch=fill)
    assert not list((tmp_path / "full").glob("*.partial"))
    resumed = fit(TINY, source, parameters, tmp_path / "full", on_epoch=lambda log: epochs.append(log.epoch))
    assert epochs[-1] == 3 and len(resumed.log) == 3
    for name, value in weights(resumed).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    with (tmp_path / "full" / "training_log.csv").open() as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["1", "2", "3"]
