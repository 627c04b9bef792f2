"""Evidence adds up, knows left from right, and finds the nearest slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from htcore.channels import CHANNELS
from htcore.errors import BundleError
from htcore.explain import explain
from htcore.explain.evidence import measure_lesion, slice_contributions, voxel_contributions
from htcore.inference.predict import NetworkResult
from htcore.types import CanonicalGrid, ModelInput
from tests.phantom import head_volume

SHAPE = (30, 48, 40)


def grid(shape: tuple[int, int, int] = SHAPE) -> CanonicalGrid:
    slices, rows, columns = shape
    affine = np.diag([4.0, 4.0, 5.0, 1.0])
    affine[:3, 3] = [-(columns - 1) * 2.0, -(rows - 1) * 2.0, -(slices - 1) * 2.5]
    return CanonicalGrid(shape, affine)


def example(seed: int = 0) -> tuple[NetworkResult, ModelInput]:
    rng = np.random.default_rng(seed)
    brain = np.zeros(SHAPE, dtype=np.bool_)
    brain[3:27, 6:42, 5:35] = True
    contributions = rng.normal(0, 0.01, (30, 24, 20)).astype(np.float32)
    lesion = np.zeros(SHAPE, dtype=np.float32)
    lesion[15:18, 20:24, 28:32] = 0.9
    logit = float(contributions.astype(np.float64).sum()) - 0.3
    result = NetworkResult(logit, lesion, contributions, -0.3, np.zeros(0, np.float32))
    return result, ModelInput(np.zeros((30, len(CHANNELS), 48, 40), np.float32), brain, grid(), ())


@pytest.mark.parametrize("tilt_deg", [0.0, 18.0])
def test_slices_map_and_bias_add_up_to_the_logit(tilt_deg: float) -> None:
    result, model_input = example()
    volume = head_volume(tilt_deg=tilt_deg, gaps_mm=(2.5,) * 10 + (8.0,) * 12)
    evidence = explain(result, model_input, volume)
    assert len(evidence.slices) == volume.shape[0]
    assert sum(entry.contribution for entry in evidence.slices) + evidence.bias == pytest.approx(result.logit, abs=1e-4)
    mapped = float(evidence.evidence_map.astype(np.float64).sum()) * 0.08  # 4 · 4 · 5 mm³ = 0.08 mL
    assert mapped + evidence.bias == pytest.approx(result.logit, abs=1e-4)


def test_contributions_that_do_not_add_up_are_refused() -> None:
    result, model_input = example()
    with pytest.raises(BundleError, match="add up"):
        explain(replace(result, logit=result.logit + 0.5), model_input, head_volume())


def test_a_block_is_shared_among_its_brain_voxels() -> None:
    brain = np.zeros((1, 2, 4), dtype=np.bool_)
    brain[0, 0, 0] = brain[0, 1, 0] = True
    share = voxel_contributions(np.array([[[1.0, 2.0]]], dtype=np.float32), grid((1, 2, 4)), brain)
    np.testing.assert_allclose(share[0], [[0.5, 0.0, 0.5, 0.5], [0.5, 0.0, 0.5, 0.5]])


def test_each_voxel_goes_to_the_nearest_plane() -> None:
    volume = head_volume(gaps_mm=(5.0,) * 10)  # planes at z = −25, −20 … 25
    share = np.zeros(SHAPE)
    at = grid()
    k = int(np.argmin(np.abs(at.to_mm(np.array([[0.0, 0.0, float(n)] for n in range(30)]))[:, 2] - 12.5)))
    share[k, 10, 10] = 1.5  # z = 12.5 or the nearest slice of the grid, −72.5 + 5 k = 12.5
    share[0, 10, 10] = -0.5  # z = −72.5, below every plane: the lowest one takes it
    found = {entry.index: entry for entry in slice_contributions(share, at, volume) if entry.contribution}
    assert found[0].contribution == -0.5 and found[0].z_mm == pytest.approx(-25.0)
    other = next(entry for index, entry in found.items() if index)
    assert other.contribution == 1.5 and abs(other.z_mm - 12.5) <= 2.5 + 1e-9


def test_lesion_volume_side_and_peak_by_hand() -> None:
    result, model_input = example()
    measure = measure_lesion(result.lesion, model_input.brain, model_input.grid)
    assert measure.volume_ml == pytest.approx(3 * 4 * 4 * 0.08)
    assert measure.side == "left"  # columns 28–31 of 40
    assert measure.peak_mm is not None and measure.peak_mm[0] > 0
    mirrored = measure_lesion(result.lesion[..., ::-1].copy(), model_input.brain, model_input.grid)
    assert mirrored.side == "right"
    both = np.maximum(result.lesion, result.lesion[..., ::-1])
    halved = measure_lesion(both, model_input.brain, model_input.grid)
    assert halved.side == "midline" and halved.left_ml == halved.right_ml == pytest.approx(3.84)
    more = np.maximum(result.lesion, np.where(np.arange(40) < 10, both, 0.0))  # two columns of four on the right
    told = measure_lesion(more.astype(np.float32), model_input.brain, model_input.grid)
    assert told.side == "left"
    assert (told.left_ml, told.right_ml) == pytest.approx((3.84, 1.92))


def test_no_lesion_is_none_not_zero_degrees_of_something() -> None:
    _, model_input = example()
    measure = measure_lesion(np.full(SHAPE, 0.49, np.float32), model_input.brain, model_input.grid)
    assert measure.volume_ml == 0.0 and measure.side is None and measure.peak_mm is None


@pytest.mark.parametrize(
    ("right", "left", "against_left", "disagree"),
    [(1.0, 0.0, 0.0, True), (0.0, 1.0, 0.0, False), (1.0, 0.9, 0.0, False), (1.0, 2.0, 2.5, False)],
)
def test_maps_that_point_to_two_sides_are_told(right: float, left: float, against_left: float, disagree: bool) -> None:
    """The lesion lies on the left; evidence for the risk is what counts, not evidence against it."""
    _, model_input = example()
    contributions = np.zeros((30, 24, 20), dtype=np.float32)
    contributions[15, 10, 4], contributions[15, 10, 15] = right, left  # columns run to the patient's left
    contributions[20, 10, 15] = -against_left
    lesion = np.zeros(SHAPE, dtype=np.float32)
    lesion[15:18, 20:24, 28:32] = 0.9
    result = NetworkResult(right + left - against_left - 0.3, lesion, contributions, -0.3, np.zeros(0, np.float32))
    assert explain(result, model_input, head_volume()).sides_disagree is disagree


def test_no_lesion_no_disagreement() -> None:
    result, model_input = example()
    nothing = replace(result, lesion=np.zeros(SHAPE, dtype=np.float32))
    assert not explain(nothing, model_input, head_volume()).sides_disagree
