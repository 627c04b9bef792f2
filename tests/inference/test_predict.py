"""Prediction: same answer alone, in threads and after others; refuses what is no number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest
import torch

from htcore.bundle import Bundle, BundleContents, Calibration, save_bundle
from htcore.channels import CHANNELS
from htcore.errors import BundleError, UsageError
from htcore.inference import choose_device, predict, predict_or_fall_back
from htcore.inference.predict import run_networks
from htcore.networks import NetworkConfig
from htcore.types import CanonicalGrid, ModelInput


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = NetworkConfig().build()
    calibration = Calibration(1.0, 0.0, ((1.0, 0.0),), 0.5, 0.5, 4, 4)
    contents = BundleContents((network,), calibration, pd.DataFrame({"ht": [0]}), "", "epoch\n", "none", True)
    return save_bundle(tmp_path_factory.mktemp("models") / "m", contents)


def scan(seed: int) -> ModelInput:
    rng = np.random.default_rng(seed)
    channels = rng.normal(0, 0.3, (30, len(CHANNELS), 48, 40)).astype(np.float32)
    brain = np.zeros((30, 48, 40), dtype=np.bool_)
    brain[4:28, 6:42, 4:36] = True
    channels[:, 5] = brain
    return ModelInput(channels, brain, CanonicalGrid((30, 48, 40), np.diag([4.0, 4.0, 5.0, 1.0])), ())


def test_result_adds_up_and_lesion_stays_in_the_brain(bundle: Bundle) -> None:
    model_input = scan(0)
    result = predict(bundle, model_input)
    assert result.contributions.shape == (30, 24, 20) and result.lesion.shape == (30, 48, 40)
    assert float(result.contributions.astype(np.float64).sum()) + result.bias == pytest.approx(result.logit, abs=1e-5)
    assert float(result.lesion[~model_input.brain].max()) == 0.0 and float(result.lesion.max()) <= 1.0


def test_threads_and_order_do_not_matter(bundle: Bundle) -> None:
    scans = [scan(seed) for seed in range(4)]
    alone = [predict(bundle, entry).logit for entry in scans]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda entry: predict(bundle, entry).logit, scans[::-1]))
    np.testing.assert_allclose(together[::-1], alone, atol=1e-5)


def test_what_is_no_number_is_refused(bundle: Bundle) -> None:
    model_input = scan(1)
    model_input.channels[3, 0, 20, 20] = np.nan
    with pytest.raises(BundleError, match="no number"):
        predict(bundle, model_input)


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError, match="must be one of"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="choose cpu or auto"):
            choose_device("cuda")


def test_weights_lie_in_the_folder_as_data(bundle: Bundle) -> None:
    assert {path.suffix for path in Path(bundle.path).iterdir()} == {".safetensors", ".json", ".parquet", ".csv", ".md"}


def test_of_several_networks_everything_is_the_mean_and_still_adds_up() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(9)
        networks = [NetworkConfig(widths=(8, 8, 8), feature_width=8).build().eval() for _ in range(3)]
    for number, network in enumerate(networks):
        torch.nn.init.constant_(network.classifier.bias, float(number))
    model_input = scan(2)
    single = [run_networks([network], model_input) for network in networks]
    found = run_networks(networks, model_input)
    assert found.logit == pytest.approx(sum(entry.logit for entry in single) / 3)
    assert found.bias == pytest.approx(1.0)
    np.testing.assert_allclose(found.lesion, sum(entry.lesion for entry in single) / 3, atol=1e-6)
    np.testing.assert_allclose(found.contributions, sum(e.contributions for e in single) / 3, atol=1e-6)
    assert float(found.contributions.sum(dtype=np.float64)) + found.bias == pytest.approx(found.logit, abs=1e-5)


def test_a_mirrored_scan_has_the_same_risk_and_mirrored_maps(bundle: Bundle) -> None:
    own = scan(2)
    other = ModelInput(np.ascontiguousarray(own.channels[..., ::-1]), own.brain[..., ::-1], own.grid, ())
    here, there = predict(bundle, own), predict(bundle, other)
    assert here.logit == pytest.approx(there.logit, abs=1e-5)
    largest = float(np.abs(here.contributions).max())
    np.testing.assert_allclose(here.contributions, there.contributions[..., ::-1], atol=1e-3 * largest)
    np.testing.assert_allclose(here.lesion, there.lesion[..., ::-1], atol=1e-5)
    np.testing.assert_allclose(here.embedding, there.embedding, atol=1e-5)
    # The maps themselves are not symmetric.
    assert np.abs(here.contributions - here.contributions[..., ::-1]).max() > 0.05 * largest


class _Failing:
    """A bundle whose networks cannot be used on any device but those given."""

    def __init__(self, bundle: Bundle, works: set[str]) -> None:
        self.bundle, self.works, self.asked = bundle, works, list[str]()

    def networks(self, device: torch.device) -> tuple[torch.nn.Module, ...]:
        self.asked.append(device.type)
        if device.type not in self.works:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.bundle.networks(device)


def test_a_failing_card_gives_way_to_the_cpu_and_says_so(bundle: Bundle) -> None:
    failing = _Failing(bundle, {"cpu"})
    result, device, findings = predict_or_fall_back(cast("Bundle", failing), scan(3), torch.device("cuda"))
    assert failing.asked == ["cuda", "cpu"] and device.type == "cpu"
    assert [finding.code for finding in findings] == ["device_failed"]
    assert result.logit == predict(bundle, scan(3)).logit


def test_a_failing_cpu_is_not_tried_twice(bundle: Bundle) -> None:
    failing = _Failing(bundle, set())
    with pytest.raises(RuntimeError):
        predict_or_fall_back(cast("Bundle", failing), scan(3), torch.device("cpu"))
    assert failing.asked == ["cpu"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card here: equality with the CPU is not tried")
def test_a_card_gives_what_the_cpu_gives(bundle: Bundle) -> None:
    on_card, device, _ = predict_or_fall_back(bundle, scan(4), torch.device("cuda"))
    assert device.type == "cuda"
    assert 1 / (1 + np.exp(-on_card.logit)) == pytest.approx(
        1 / (1 + np.exp(-predict(bundle, scan(4)).logit)), abs=1e-3
    )
