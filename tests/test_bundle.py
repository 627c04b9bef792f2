"""A bundle comes back as it was written, or not at all."""

from __future__ import annotations

import errno
import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from htcore import bundle as bundles
from htcore.bundle import (
    FILES,
    BundleContents,
    Calibration,
    add_measurement,
    add_thumbnails,
    list_bundles,
    load_bundle,
    save_bundle,
)
from htcore.errors import BundleError, UsageError
from htcore.hashed import sha256_of
from htcore.networks import NetworkConfig

CALIBRATION = Calibration(1.2, -0.1, ((1.0, 0.0), (1.4, -0.2)), 0.45, 0.4, 20, 25)


def contents() -> BundleContents:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = NetworkConfig(widths=(8, 8, 8), feature_width=8, attention_width=4).build().eval()
    table = pd.DataFrame({"patient_id": ["A", "B"], "ht": [0, 1], "logit": [-1.0, 1.0], "sex": ["F", None]})
    return BundleContents(
        (network,), CALIBRATION, table, "# card – é\n", "epoch,loss\n1,0.5\n", "2 simulated scans", True
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_bundle(tmp_path / "m1", contents())
    return tmp_path / "m1"


def test_round_trip(saved: Path) -> None:
    loaded, original = load_bundle(saved), contents()
    assert loaded.identity.id == "m1" and loaded.identity.simulated
    assert loaded.identity.weights_sha256 == json.loads((saved / "hashes.json").read_text())["weights.safetensors"]
    assert loaded.calibration == CALIBRATION and loaded.card == original.card
    assert loaded.training_log["loss"].tolist() == [0.5]
    pd.testing.assert_frame_equal(loaded.validation, original.validation, check_dtype=False)
    for name, value in original.networks[0].state_dict().items():
        assert torch.equal(loaded.networks(torch.device("cpu"))[0].state_dict()[name], value), name
    assert not loaded.networks(torch.device("cpu"))[0].training


def test_whoever_may_read_one_file_may_read_all(saved: Path) -> None:
    assert len({path.stat().st_mode for path in saved.iterdir()}) == 1


def test_threads_get_one_network(saved: Path) -> None:
    loaded, found = load_bundle(saved), []
    threads = [threading.Thread(target=lambda: found.append(loaded.networks(torch.device("cpu")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(network) for network in found}) == 1


def several() -> BundleContents:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        networks = tuple(contents().networks[0].config.build().eval() for _ in range(3))
    return replace(contents(), networks=networks, card_values={"id": "m3"})


def test_several_networks_come_back_in_order(tmp_path: Path) -> None:
    original = several()
    loaded = save_bundle(tmp_path / "m3", original)
    networks = loaded.networks(torch.device("cpu"))
    assert loaded.members == len(networks) == 3
    for network, own in zip(networks, original.networks, strict=True):
        assert torch.equal(network.classifier.weight, own.classifier.weight)
    config = json.loads((tmp_path / "m3" / "config.json").read_text())
    assert (config["schema"], config["members"]) == (2, 3)
    rewrite(tmp_path / "m3", members=2)
    assert len(load_bundle(tmp_path / "m3").networks(torch.device("cpu"))) == 2
    for wrong, message in ((4, "do not fit"), (1, "do not fit")):
        rewrite(tmp_path / "m3", members=wrong)
        with pytest.raises(BundleError, match=message):
            load_bundle(tmp_path / "m3").networks(torch.device("cpu"))
    rewrite(tmp_path / "m3", members=0)
    with pytest.raises(BundleError, match="incomplete"):
        load_bundle(tmp_path / "m3")


def test_one_network_is_written_as_before_and_needs_no_count_of_members(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    assert config["schema"] == 1
    rewrite(saved, members=1)
    config.pop("members")
    (saved / "config.json").write_text(json.dumps(config))
    rewrite(saved)
    assert load_bundle(saved).members == 1


def test_the_cards_numbers_are_optional_and_held_by_a_hash(saved: Path, tmp_path: Path) -> None:
    assert load_bundle(saved).card_values is None
    loaded = save_bundle(tmp_path / "m3", several())
    assert loaded.card_values == {"id": "m3"}
    values = tmp_path / "m3" / "card.json"
    values.write_bytes(values.read_bytes().replace(b"m3", b"m4"))
    with pytest.raises(BundleError, match=r"card\.json was changed"):
        load_bundle(tmp_path / "m3")
    values.unlink()
    with pytest.raises(BundleError, match=r"lacks its card\.json"):
        load_bundle(tmp_path / "m3")
    (saved / "card.json").write_text("{}")  # put there by somebody
    with pytest.raises(BundleError, match=r"card\.json was changed"):
        load_bundle(saved)


@pytest.mark.parametrize("failing", ["save", "_write_text"])
def test_a_full_disk_leaves_no_half_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bundles, failing, full)
    with pytest.raises(BundleError, match="free disk space"):
        save_bundle(tmp_path / "m", contents())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_refused(saved: Path, name: str) -> None:
    content = bytearray((saved / name).read_bytes())
    content[len(content) // 2] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} was changed") as caught:
        load_bundle(saved)
    assert caught.value.code == "bundle_damaged" and str(saved) not in str(caught.value)


@pytest.mark.parametrize("name", [*FILES, "hashes.json"])
def test_a_missing_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(BundleError) as caught:
        load_bundle(saved)
    assert caught.value.code == "bundle_missing"


def rewrite(saved: Path, **changes: object) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, **changes}))
    hashes = json.loads((saved / "hashes.json").read_text())
    hashes["config.json"] = sha256_of((saved / "config.json").read_bytes())
    (saved / "hashes.json").write_text(json.dumps(hashes))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"schema": 99}, "bundle_version"),
        ({"schema": None}, "bundle_version"),
        ({"transforms_version": "0"}, "bundle_version"),
        ({"network": {"depth": 9}}, "bundle_damaged"),
        ({"network": None}, "bundle_damaged"),
    ],
)
def test_other_versions_and_settings_are_refused(saved: Path, changes: dict[str, object], code: str) -> None:
    rewrite(saved, **changes)
    with pytest.raises(BundleError) as caught:
        load_bundle(saved)
    assert caught.value.code == code


def test_a_bundle_of_an_earlier_preparation_scores_nothing_but_may_be_started_from(saved: Path) -> None:
    rewrite(saved, transforms_version="1")
    with pytest.raises(BundleError, match="version 1 of the image preparation"):
        load_bundle(saved)
    assert load_bundle(saved, earlier=True).identity.id == load_bundle(saved, earlier=True).path.name
    rewrite(saved, transforms_version="0")
    with pytest.raises(BundleError, match="version 0"):
        load_bundle(saved, earlier=True)


def test_weights_of_another_size_are_refused(saved: Path) -> None:
    rewrite(saved, network=NetworkConfig().to_json())
    with pytest.raises(BundleError, match="do not fit"):
        load_bundle(saved).networks(torch.device("cpu"))


def test_weights_that_changed_after_they_were_verified_are_refused(saved: Path) -> None:
    loaded = load_bundle(saved)
    content = bytearray((saved / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (saved / "weights.safetensors").write_bytes(content)
    with pytest.raises(BundleError, match=r"weights\.safetensors was changed") as caught:
        loaded.networks(torch.device("cpu"))
    assert caught.value.code == "bundle_damaged"


@pytest.mark.parametrize("text", ["not json", "[]", "\x00"])
def test_hashes_that_are_no_json_are_refused(saved: Path, text: str) -> None:
    (saved / "hashes.json").write_text(text)
    with pytest.raises(BundleError):
        load_bundle(saved)


def test_nothing_is_written_over_and_listing_is_sorted(saved: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        save_bundle(saved, contents())
    save_bundle(saved.parent / "a0", contents())
    (saved.parent / "half.training").mkdir()
    assert list_bundles(saved.parent) == ("a0", "m1")
    assert list_bundles(saved.parent / "nowhere") == ()


def test_numbers_that_json_cannot_hold_do_not_leave_half_a_bundle(tmp_path: Path) -> None:
    bad = replace(contents(), calibration=replace(CALIBRATION, slope=float("nan")))
    with pytest.raises(BundleError, match="no number"):
        save_bundle(tmp_path / "m", bad)
    assert list_bundles(tmp_path) == ()


def test_calibration_probability_by_hand() -> None:
    # 1.2 · 1 − 0.1 = 1.1, expit 0.7502601.
    assert CALIBRATION.probability(np.array([1.0]))[0] == pytest.approx(0.7502601, abs=1e-6)


def test_a_measurement_is_added_with_its_hash(tmp_path: Path) -> None:
    saved = save_bundle(tmp_path / "m", contents())
    assert saved.measurement("ablations.csv") is None
    added = add_measurement(saved.path, "ablations.csv", b"a,b\n1,2\n")
    assert added.measurement("ablations.csv") == b"a,b\n1,2\n"
    (saved.path / "ablations.csv").write_bytes(b"a,b\n1,3\n")
    with pytest.raises(BundleError, match=r"ablations\.csv"):
        load_bundle(saved.path)


def test_only_known_measurements_are_kept(tmp_path: Path) -> None:
    saved = save_bundle(tmp_path / "m", contents())
    with pytest.raises(UsageError):
        add_measurement(saved.path, "../elsewhere.csv", b"")


def pictures(n: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 6, 4), dtype=np.uint8)


def test_thumbnails_come_back_and_are_held_by_a_hash(saved: Path, tmp_path: Path) -> None:
    assert load_bundle(saved).thumbnails is None
    loaded = save_bundle(tmp_path / "m2", replace(contents(), thumbnails=pictures()))
    np.testing.assert_array_equal(loaded.thumbnails, pictures())
    np.testing.assert_array_equal(add_thumbnails(saved, pictures()[::-1]).thumbnails, pictures()[::-1])
    for path in (saved, tmp_path / "m2"):
        content = bytearray((path / "thumbnails.safetensors").read_bytes())
        content[-1] ^= 1
        (path / "thumbnails.safetensors").write_bytes(content)
        with pytest.raises(BundleError, match=r"thumbnails\.safetensors was changed"):
            load_bundle(path)


def test_no_bundle_holds_pictures_of_patients(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pictures of patients"):
        replace(contents(), simulated=False, thumbnails=pictures())
    simulated = save_bundle(tmp_path / "m1", replace(contents(), thumbnails=pictures()))
    content = simulated.measurement("thumbnails.safetensors")
    hospital = save_bundle(tmp_path / "m2", replace(contents(), simulated=False))
    assert content is not None
    for add in (
        lambda: add_thumbnails(hospital.path, pictures()),
        lambda: add_measurement(hospital.path, "thumbnails.safetensors", content),
    ):
        with pytest.raises(UsageError, match="no pictures of patients"):
            add()
    assert not (hospital.path / "thumbnails.safetensors").exists()
    rewrite(simulated.path, simulated=False)
    assert load_bundle(simulated.path).thumbnails is None


@pytest.mark.parametrize("wrong", [pictures(3), pictures().astype(np.float32), pictures()[0]])
def test_thumbnails_are_one_for_each_validation_scan(saved: Path, wrong: np.ndarray) -> None:
    with pytest.raises(UsageError, match="one thumbnail for each"):
        replace(contents(), thumbnails=wrong)
    with pytest.raises(UsageError, match="one thumbnail for each"):
        add_thumbnails(saved, wrong)
    assert not (saved / "thumbnails.safetensors").exists()


def test_an_embedding_is_one_for_each_validation_scan() -> None:
    with pytest.raises(UsageError, match="one embedding for each"):
        replace(contents(), embedding=np.zeros((3, 8), dtype=np.float32))
