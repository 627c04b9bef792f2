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
    assert (found.nearest[0].scan_id, found.nearest[0].ht) == ("S7", True)
    assert found.nearest[0].probability == pytest.approx(0.1 + 0.8 * 7 / 49)


def test_without_enough_scans_nothing_is_said(tmp_path: Path) -> None:
    few = save_bundle(tmp_path / "few", contents(20))
    assert few.embedding is not None and familiarity(few, few.embedding[0]) is None
    none = save_bundle(tmp_path / "none", replace(contents(50), embedding=None))
    assert familiarity(load_bundle(none.path), np.zeros(4, np.float32)) is None
