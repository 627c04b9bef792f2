"""Prepared scans: a real pass over a phantom, once; refusals listed; masks in any orientation."""

from __future__ import annotations

import errno
from pathlib import Path

import nibabel
import numpy as np
import pytest

from htcore.channels import CHANNELS
from htcore.errors import CohortError
from htcore.simulation.writer import write_mask, write_nifti
from htcore.training.cache import prepare_scans, read_mask
from htcore.training.cohort import CohortScan
from htcore.types import Volume
from tests.phantom import head_volume


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Volume, np.ndarray]:
    folder = tmp_path_factory.mktemp("cohort")
    volume = head_volume()
    mask = (volume.hu > 17) & (volume.hu < 27)
    mask[:12] = False
    write_nifti(folder / "ct.nii.gz", volume)
    write_mask(folder / "mask.nii.gz", mask, volume)
    (folder / "text.txt").write_text("no scan")
    return folder, volume, mask


def test_prepared_once_and_refused_listed(cohort: tuple[Path, Volume, np.ndarray], tmp_path: Path) -> None:
    folder, _, _ = cohort
    good = CohortScan("a", "a1", folder / "ct.nii.gz", True, mask_path=folder / "mask.nii.gz")
    bad = CohortScan("b", "b1", folder / "text.txt", False)
    told: list[tuple[str, int, int]] = []
    prepared, refused = prepare_scans((good, bad), tmp_path, progress=lambda *args: told.append(args))
    assert [entry.scan.scan_id for entry in prepared] == ["a1"] and told[-1] == ("prepare", 2, 2)
    assert [entry.row for entry in refused] == [2] and "text.txt" not in refused[0].message
    arrays = prepared[0].arrays()
    assert arrays.channels.shape == (30, len(CHANNELS), 48, 40) and arrays.channels.dtype == np.float16
    assert arrays.lesion is not None and 20 < float(arrays.lesion.astype(np.float64).sum()) * 0.08 < 60
    assert float(arrays.lesion[:, :, 20:].sum()) > 0.9 * float(arrays.lesion.sum())  # the blob lies on the left
    assert prepared[0].model_input().channels.dtype == np.float32
    stamp = prepared[0].file.stat().st_mtime_ns
    again, _ = prepare_scans((good,), tmp_path)
    assert again[0].file == prepared[0].file and again[0].file.stat().st_mtime_ns == stamp


def test_damaged_cache_and_no_usable_scan(cohort: tuple[Path, Volume, np.ndarray], tmp_path: Path) -> None:
    folder, _, _ = cohort
    with pytest.raises(CohortError, match="No scan"):
        prepare_scans((CohortScan("b", "b1", folder / "text.txt", False),), tmp_path)
    good = CohortScan("a", "a1", folder / "ct.nii.gz", True)
    prepared, _ = prepare_scans((good,), tmp_path)
    assert prepared[0].arrays().lesion is None
    prepared[0].file.write_bytes(b"damaged")
    with pytest.raises(CohortError, match="delete its folder"):
        prepare_scans((good,), tmp_path)


def test_mask_read_in_either_orientation(cohort: tuple[Path, Volume, np.ndarray], tmp_path: Path) -> None:
    folder, volume, mask = cohort
    np.testing.assert_array_equal(read_mask(folder / "mask.nii.gz", volume), mask)
    image = nibabel.load(folder / "mask.nii.gz")
    flip = np.diag([-1.0, 1.0, -1.0, 1.0])
    flip[:3, 3] = [image.shape[0] - 1, 0, image.shape[2] - 1]
    turned = nibabel.Nifti1Image(np.asarray(image.dataobj)[::-1, :, ::-1], image.affine @ flip)
    nibabel.save(turned, tmp_path / "turned.nii.gz")
    np.testing.assert_array_equal(read_mask(tmp_path / "turned.nii.gz", volume), mask)


def test_mask_of_another_shape_or_no_image(cohort: tuple[Path, Volume, np.ndarray], tmp_path: Path) -> None:
    _, volume, mask = cohort
    write_mask(tmp_path / "small.nii.gz", mask[:-1], volume)
    with pytest.raises(CohortError, match=r"another|has"):
        read_mask(tmp_path / "small.nii.gz", volume)
    for shape in ((*mask.shape, 2), mask.shape[:2]):
        nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), tmp_path / "other.nii.gz")
        with pytest.raises(CohortError, match="no single volume"):
            read_mask(tmp_path / "other.nii.gz", volume)
    (tmp_path / "text.nii.gz").write_text("no image")
    with pytest.raises(CohortError, match="could not be read"):
        read_mask(tmp_path / "text.nii.gz", volume)


def test_a_mask_that_does_not_fit_leaves_its_scan_out_and_names_the_row(
    cohort: tuple[Path, Volume, np.ndarray], tmp_path: Path
) -> None:
    folder, volume, mask = cohort
    write_mask(tmp_path / "small.nii.gz", mask[:-1], volume)
    good = CohortScan("a", "a1", folder / "ct.nii.gz", True)
    wrong = CohortScan("b", "b1", folder / "ct.nii.gz", True, mask_path=tmp_path / "small.nii.gz")
    prepared, refused = prepare_scans((good, wrong), tmp_path / "cache")
    assert len(prepared) == 1 and [(entry.row, entry.code) for entry in refused] == [(2, "mask")]


def test_one_image_is_known_again_with_and_without_a_mask(
    cohort: tuple[Path, Volume, np.ndarray], tmp_path: Path
) -> None:
    folder, _, _ = cohort
    bare = CohortScan("a", "a1", folder / "ct.nii.gz", True)
    masked = CohortScan("b", "b1", folder / "ct.nii.gz", True, mask_path=folder / "mask.nii.gz")
    (one, other), _ = prepare_scans((bare, masked), tmp_path)
    assert one.file != other.file and one.image == other.image


def test_a_gate_that_changed_checks_prepared_scans_anew(
    cohort: tuple[Path, Volume, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, _ = cohort
    good = CohortScan("a", "a1", folder / "ct.nii.gz", True)
    (before,), _ = prepare_scans((good,), tmp_path)
    monkeypatch.setattr("htcore.quality.VERSION", "another")
    (after,), _ = prepare_scans((good,), tmp_path)
    assert before.file != after.file


def test_a_cache_taken_away_or_damaged_in_mid_training_is_told(
    cohort: tuple[Path, Volume, np.ndarray], tmp_path: Path
) -> None:
    folder, _, _ = cohort
    (entry,), _ = prepare_scans((CohortScan("a", "a1", folder / "ct.nii.gz", True),), tmp_path)
    entry.file.write_bytes(b"damaged")
    with pytest.raises(CohortError, match="damaged"):
        entry.arrays()
    entry.file.unlink()
    with pytest.raises(CohortError, match="no longer be read"):
        entry.model_input()


def test_a_full_disk_and_a_scan_that_may_not_be_read(
    cohort: tuple[Path, Volume, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, _ = cohort
    good = CohortScan("a", "a1", folder / "ct.nii.gz", True)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(CohortError, match="free disk space"):
            prepare_scans((good,), tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "taken").write_text("")
    with pytest.raises(CohortError, match="free disk space or choose another"):
        prepare_scans((good,), tmp_path / "taken")
    gone = CohortScan("b", "b1", folder / "vanished.nii.gz", False)
    prepared, refused = prepare_scans((good, gone), tmp_path)
    assert len(prepared) == 1 and [(entry.row, entry.code) for entry in refused] == [(2, "unreadable")]
    assert "vanished" not in refused[0].message
