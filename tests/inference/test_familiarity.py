"""What is like the validation scans, and what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from htcore.bundle import BundleContents, Calibration, load_bundle, save_bundle
from htcore.inference.familiarity import Reference, familiarity
from htcore.networks import NetworkConfig
from htcore.types import Familiarity


def cloud(seed: int, n: int = 400) -> np.ndarray:
    """Two features that go together, one that varies little, one that never does."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 2, n)
    return np.stack([shared, shared + rng.normal(0, 0.5, n), rng.normal(5, 0.1, n), np.full(n, 3.0)], axis=1)


def test_members_of_the_cloud_spread_evenly_over_its_shares() -> None:
    reference = Reference(cloud(1))
    shares = np.array([reference.farther_than(row) for row in cloud(2)])
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.mean(shares >= 0.99) == pytest.approx(0.01, abs=0.015)


def test_few_scans_in_many_features_do_not_make_every_new_one_seem_far() -> None:
    rng = np.random.default_rng(5)
    mixing = rng.normal(0, 1, (40, 40))
    reference = Reference(rng.normal(0, 1, (80, 40)) @ mixing)
    shares = np.array([reference.farther_than(row) for row in rng.normal(0, 1, (400, 40)) @ mixing])
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)
    assert np.mean(shares >= 0.99) < 0.05
    # A scan of the reference is measured as a new one is.
    scans = rng.normal(0, 1, (80, 40)) @ mixing
    assert np.mean([Reference(scans).farther_than(row) for row in scans]) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("away", [(3.0, -3.0, 5.0, 3.0), (0.0, 0.0, 7.0, 3.0), (0.0, 0.0, 5.0, 4.0)])
def test_what_breaks_the_pattern_is_far_though_each_number_alone_may_occur(away: tuple[float, ...]) -> None:
    assert Reference(cloud(1)).farther_than(np.array(away)) == 1.0


def test_the_middle_is_nearest_of_all_and_a_member_is_its_own_nearest() -> None:
    values = cloud(1)
    reference = Reference(values)
    assert reference.farther_than(values.mean(axis=0)) == 0.0
    assert reference.nearest(values[17])[0] == 17
    assert len(set(reference.nearest(values[17], 4).tolist())) == 4


def contents(n: int) -> BundleContents:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NetworkConfig(widths=(8, 8, 8), feature_width=8, attention_width=4).build()
    table = pd.DataFrame(
        {"scan_id": [f"S{i}" for i in range(n)], "ht": np.arange(n) % 2, "probability": np.linspace(0.1, 0.9, n)}
    )
    curve = Calibration(1.0, 0.0, (), 0.5, 0.5, 4, 4)
    embedding = cloud(3, n).astype(np.float32)
    return BundleContents((network,), curve, table, "", "epoch\n", "none", True, embedding=embedding)


def test_a_bundle_names_its_nearest_cases(tmp_path: Path) -> None:
    given = contents(50)
    bundle = save_bundle(tmp_path / "m", given)
    assert given.embedding is not None
    found = familiarity(bundle, given.embedding[7])
    assert found is not None and len(found.nearest) == 5
    # Not the validation scan itself, but one a little off it in what varies most.
    off = familiarity(bundle, given.embedding[7] + np.array([1.0, 1.0, 0.0, 0.0], np.float32))
    assert off is not None and off.itself is None
    near = found.nearest[0]
    assert near.ht == (int(near.scan_id[1:]) % 2 == 1)
    assert near.probability == pytest.approx(0.1 + 0.8 * int(near.scan_id[1:]) / 49)


@pytest.mark.parametrize("noise", [0.0, 1e-5])
def test_a_validation_scan_is_compared_with_other_patients_scans_alone(tmp_path: Path, noise: float) -> None:
    given = contents(50)
    assert given.embedding is not None
    farthest = int(np.argmax([Reference(given.embedding).farther_than(row) for row in given.embedding]))
    own = [farthest, (farthest + 1) % 50, (farthest + 2) % 50]
    patients = [f"P{'x' if k in own else k}" for k in range(50)]
    embedding = given.embedding.copy()
    # Its patient's other scans are the most alike of all.
    embedding[own[1:]] = embedding[own[0]] + np.array([[0.1, 0.0, 0.0, 0.0], [0.0, 0.1, 0.0, 0.0]], np.float32)
    table = given.validation.assign(patient_id=patients)
    bundle = save_bundle(tmp_path / "m", replace(given, validation=table, embedding=embedding))
    found = familiarity(bundle, embedding[farthest] + np.float32(noise) * np.array([1, -1, 0, 0], np.float32))
    assert found is not None and found.itself == f"S{farthest}"
    assert len(found.nearest) == 5 and not {f"S{k}" for k in own} & {case.scan_id for case in found.nearest}
    assert found.farther_than == 1.0
    stranger = familiarity(bundle, embedding[farthest] + np.array([0.9, 0.9, 0.0, 0.0], np.float32))
    assert stranger is not None and stranger.itself is None
    assert {f"S{k}" for k in own} & {case.scan_id for case in stranger.nearest}


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (1.0, "all of"),
        (612 / 613, "more than 99% of"),
        (0.995, "more than 99% of"),
        (0.99, "99% of"),
        (0.42, "42% of"),
        (0.001, "less than 1% of"),
        (0.0, "none of"),
    ],
)
def test_no_share_is_rounded_to_all_or_none(share: float, words: str) -> None:
    assert Familiarity(share, ()).less_usual_than == words


def test_without_enough_scans_nothing_is_said(tmp_path: Path) -> None:
    few = save_bundle(tmp_path / "few", contents(20))
    assert few.embedding is not None and familiarity(few, few.embedding[0]) is None
    # Many scans of a few patients are no more than these.
    one = save_bundle(
        tmp_path / "one", replace(contents(50), validation=contents(50).validation.assign(patient_id="P"))
    )
    assert few.embedding is not None and familiarity(one, few.embedding[0]) is None
    none = save_bundle(tmp_path / "none", replace(contents(50), embedding=None))
    assert familiarity(load_bundle(none.path), np.zeros(4, np.float32)) is None
