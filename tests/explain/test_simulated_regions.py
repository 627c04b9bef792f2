"""The shipped network on simulated scans: the region that holds the infarct is named, on the right side."""

from __future__ import annotations

import numpy as np
import pytest

from htcore import services
from htcore.explain import region_contributions
from htcore.explain.regions import REGIONS, region_labels
from htcore.networks import LesionGatedResNet
from htcore.settings import Settings
from htcore.simulation.outcome import TERRITORIES
from htcore.transforms import mask_to_grid, prepare
from htcore.types import ModelInput, RegionContribution
from tests.simulation.test_scan import factors, render

INFARCTS = (("MCA superior division", 1), ("MCA inferior division", -1), ("PCA", 1))


@pytest.fixture(scope="module")
def explained() -> list[tuple[ModelInput, np.ndarray, tuple[RegionContribution, ...]]]:
    import torch

    bundle = services.load_bundle_by_id(Settings().default_model, Settings())
    networks: tuple[LesionGatedResNet, ...] = bundle.networks(torch.device("cpu"))
    made = []
    for number, (territory, side) in enumerate(INFARCTS):
        volume, mask, _ = render(factors(territory=TERRITORIES.index(territory), side=side), seed=number)
        scan = prepare(volume)
        regions = region_contributions(networks, scan, bundle.calibration, pairs=1)
        made.append((scan, mask_to_grid(mask, volume, scan.grid), regions))
    return made


def infarcted(scan: ModelInput, lesion: np.ndarray, entry: RegionContribution) -> float:
    """Millilitres of infarct in that region."""
    own = region_labels(scan.brain, scan.grid) == REGIONS.index(entry.name)
    own[..., slice(None, 20) if entry.side == "left" else slice(20, None)] = False
    return float(lesion[own].sum()) * scan.grid.voxel_ml


def test_the_region_with_most_of_the_infarct_is_among_the_first_three(explained: list) -> None:
    hits = []
    for scan, lesion, regions in explained:
        truth = max(regions, key=lambda entry: infarcted(scan, lesion, entry))
        hits.append(truth in sorted(regions, key=lambda entry: -entry.contribution)[:3])
    assert sum(hits) >= 2, hits


def test_the_infarcts_side_adds_more(explained: list) -> None:
    for (_, _, regions), (territory, side) in zip(explained, INFARCTS, strict=True):
        total = {each: sum(r.contribution for r in regions if r.side == each) for each in ("left", "right")}
        assert (total["left"] > total["right"]) == (side > 0), territory


def test_the_risk_falls_where_the_infarct_is_taken_away(explained: list) -> None:
    falls = []
    for scan, lesion, regions in explained:
        truth = max(regions, key=lambda entry: infarcted(scan, lesion, entry))
        usual = np.median([entry.probability_if_mirrored for entry in regions])
        falls.append(truth.probability_if_mirrored is not None and truth.probability_if_mirrored < usual)
    assert sum(falls) >= 2, falls
