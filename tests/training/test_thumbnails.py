"""The picture of a scan shows the slice that weighs most; those of a bundle are made anew in its order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.thumbnails import thumbnails
from htcore.bundle import Bundle
from htcore.errors import CohortError
from htcore.inference.predict import NetworkResult, run_networks
from htcore.training.cache import PreparedScan, prepare_scans
from htcore.training.cohort import read_cohort
from htcore.training.predictions import Predictions, predict_scans
from htcore.training.thumbnails import thumbnail
from htcore.types import CanonicalGrid, ModelInput
from tests.small_bundle import small_contents, write_small_bundle
from tests.training.tiny import write_tiny_cohort


def weighed(*sums: float) -> NetworkResult:
    """A result whose slices add so much to the logit, half of it in each of two blocks."""
    contributions = np.zeros((len(sums), 2, 2), dtype=np.float32)
    contributions[:, 0, 1] = contributions[:, 1, 0] = np.array(sums) / 2
    return NetworkResult(0.0, np.zeros((len(sums), 4, 4), dtype=np.float32), contributions, 0.0, np.zeros(1))


def scan() -> ModelInput:
    """Three slices of 10, 20 and 40 HU; the patient's right half of each holds no brain."""
    channels = np.full((3, 6, 4, 4), 9.0, dtype=np.float32)
    channels[:, 1] = np.array([10.0, 20.0, 40.0])[:, None, None] / 80
    channels[:, 1, :, :2] = 0
    return ModelInput(channels, np.ones((3, 4, 4), dtype=np.bool_), CanonicalGrid((3, 4, 4), np.eye(4)), ())


@pytest.mark.parametrize(
    ("sums", "grey"), [((0.1, 0.3, -0.2), 64), ((0.1, 0.3, -0.4), 128), ((0.0, 0.0, 0.0), 32), ((-2.0, 1.0, 1.0), 32)]
)
def test_the_slice_that_moves_the_logit_most_in_the_brain_window(sums: tuple[float, ...], grey: int) -> None:
    picture = thumbnail(scan(), weighed(*sums))
    assert picture.dtype == np.uint8 and picture.shape == (4, 4)
    # 255 * 20 / 80 is 63.75; the patient's right stays on the left.
    assert (picture[:, 2:] == grey).all() and not picture[:, :2].any()


def cohort(folder: Path, simulated: int = 6) -> Path:
    """A tiny cohort whose first scans have a truth."""
    table = write_tiny_cohort(folder, 6)
    rows = [f"p{index},c{index},0.5" for index in range(simulated)]
    (folder / "truth.csv").write_text("\n".join(["patient_id,scan_id,p_ht", *rows]))
    return table


def predicted(table: Path) -> tuple[tuple[PreparedScan, ...], Predictions]:
    prepared, _ = prepare_scans(read_cohort(table).scans, table.parent / "prepared")
    return prepared, predict_scans(small_contents().networks, prepared, "validation")


def test_pictures_are_made_only_where_every_scan_is_simulated(tmp_path: Path) -> None:
    prepared, found = predicted(cohort(tmp_path / "a"))
    assert found.thumbnails is not None and found.thumbnails.shape == (6, 16, 16)
    own = prepared[4].model_input()
    np.testing.assert_array_equal(found.thumbnails[4], thumbnail(own, run_networks(small_contents().networks, own)))
    _, mixed = predicted(cohort(tmp_path / "b", simulated=5))
    assert mixed.thumbnails is None
    both = Predictions.joined([found, found])
    assert both.thumbnails is not None and len(both.thumbnails) == len(both.table) == 12
    assert Predictions.joined([found, mixed]).thumbnails is None


class TestOfABundle:
    """`benchmarks.thumbnails`: the cohort has to be the one that the bundle was validated on."""

    def bundle(self, folder: Path, table: pd.DataFrame) -> Bundle:
        rows = table.iloc[[3, 0, 5]].reset_index(drop=True)
        return write_small_bundle(folder / "m", validation=rows.assign(probability=0.5))

    def test_they_come_in_the_bundles_order(self, tmp_path: Path) -> None:
        table = cohort(tmp_path / "a")
        _, found = predicted(table)
        bundle = self.bundle(tmp_path, found.table)
        assert found.thumbnails is not None
        made = thumbnails(bundle, table, table.parent / "prepared")
        np.testing.assert_array_equal(made, found.thumbnails[[3, 0, 5]])

    def test_another_cohort_is_refused(self, tmp_path: Path) -> None:
        table = cohort(tmp_path / "a")
        _, found = predicted(table)
        other = found.table.assign(scan_id="x" + found.table["scan_id"])
        with pytest.raises(CohortError, match="3 of the model's 3 validation scans are not in the table"):
            thumbnails(self.bundle(tmp_path / "1", other), table, table.parent / "prepared")
        moved = found.table.assign(logit=found.table["logit"] + [0, 0, 0, 0, 0, 1.0])
        with pytest.raises(CohortError, match="1 scans have another logit"):
            thumbnails(self.bundle(tmp_path / "2", moved), table, table.parent / "prepared")
        truth = table.parent / "truth.csv"
        truth.write_text(truth.read_text().replace("p5,c5,0.5", ""))
        with pytest.raises(CohortError, match="no pictures of patients"):
            thumbnails(self.bundle(tmp_path / "3", found.table), table, table.parent / "prepared")
