from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from htcore.training.features import lesion_factors, radiomics

SHAPE = (8, 16, 12)
VOXEL_ML = 0.08


def scan(depth_hu: float = 6.0, side: int = -1) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Channels, brain and a 2 x 4 x 3 voxel infarct that is darker than its mirror image by ``depth_hu``."""
    brain = np.zeros(SHAPE, dtype=bool)
    brain[1:7, 2:14, 1:11] = True
    lesion = np.zeros(SHAPE, dtype=bool)
    lesion[3:5, 5:9, 2:5] = True
    lesion = lesion if side < 0 else lesion[..., ::-1]
    smooth = np.where(lesion, -depth_hu, 0.5) / 10 * brain
    difference = smooth - smooth[..., ::-1]
    channels = np.stack([brain * 0.4, brain * 0.4, brain * 0.0, smooth, difference, brain * 1.0], axis=1)
    return channels.astype(np.float32), brain, lesion


def test_factors_of_a_known_infarct() -> None:
    channels, brain, lesion = scan(depth_hu=6.0)
    found = lesion_factors(channels, brain, lesion.astype(np.float32), VOXEL_ML)
    assert found["log_volume"] == pytest.approx(np.log1p(24 * VOXEL_ML))
    assert found["depth_hu"] == pytest.approx(6.5, abs=0.01)
    assert found["darkness_hu"] == pytest.approx(6.0, abs=0.01)
    # The infarct lies in columns 2 to 4 of a brain that starts at column 1: one of three columns is in the rim.
    assert found["cortical_share"] == pytest.approx(1 / 3)


def test_no_lesion_gives_numbers() -> None:
    channels, brain, lesion = scan()
    found = lesion_factors(channels, brain, np.zeros_like(lesion, dtype=np.float32), VOXEL_ML)
    assert np.isfinite(list(found.values())).all()
    assert found["log_volume"] == found["depth_hu"] == 0.0


def test_radiomics_sees_size_and_depth_and_no_side() -> None:
    left = radiomics(*scan(side=-1)[:2], VOXEL_ML)
    right = radiomics(*scan(side=1)[:2], VOXEL_ML)
    assert left == pytest.approx(right)
    assert left["largest_below_6_ml"] == pytest.approx(24 * VOXEL_ML)
    assert left["largest_below_6_hu"] == pytest.approx(-6.5, abs=0.01)
    shallow = radiomics(*scan(depth_hu=2.0)[:2], VOXEL_ML)
    assert shallow["below_4_ml"] == 0.0 < left["below_4_ml"]
    assert 40 <= len(left) <= 60


def test_radiomics_of_an_empty_brain_is_finite() -> None:
    channels, brain, _ = scan()
    assert np.isfinite(list(radiomics(channels * 0, brain & False, VOXEL_ML).values())).all()
