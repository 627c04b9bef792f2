"""Augmentation on arrays small enough to read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from htcore.channels import CHANNELS, MIRRORED
from htcore.errors import UsageError
from htcore.training.batches import Augmentation, Batch, ScanArrays, _vary_intensity, _vary_rim, epoch_order, n_batches
from tests.training.blobs import BlobSource

NONE = Augmentation(
    flip=False,
    shift_pixels=0,
    shift_slices=0,
    offset_hu=0.0,
    gain=0.0,
    noise_hu=0.0,
    rim_erosion=0.0,
    rim_hu=0.0,
)


def test_every_scan_once_and_no_batch_of_one() -> None:
    for n, size, sizes in ((17, 8, [8, 9]), (16, 8, [8, 8]), (18, 8, [8, 8, 2]), (3, 8, [3]), (1, 8, [1])):
        batches = list(epoch_order(n, size, np.random.default_rng(0)))
        assert [len(batch) for batch in batches] == sizes
        assert sorted(np.concatenate(batches)) == list(range(n))
        assert n_batches(n, size) == len(sizes)


def test_no_augmentation_changes_nothing() -> None:
    source = BlobSource(3)
    for scan in source.scans:
        np.clip(scan.channels, 0.0, 1.0, out=scan.channels)
    batch = Batch(source, np.arange(3))
    before = batch.channels.clone()
    batch.augment(NONE, (0,))
    torch.testing.assert_close(batch.channels, before)


def test_flip_mirrors_lesion_and_image_alike_and_negates_the_difference() -> None:
    source = BlobSource(1)
    settings = replace(NONE, flip=True)
    flipped = 0
    for seed in range(6):
        batch = Batch(source, np.arange(1))
        lesion, difference = batch.lesion.clone(), batch.channels[:, :, 4].clone()
        batch.augment(settings, (seed,))
        if not torch.equal(batch.lesion, lesion):
            flipped += 1
            torch.testing.assert_close(batch.lesion, lesion.flip(-1))
            where = lesion > 0
            # At the old lesion's place there is now its healthy mirror: brighter than the other side.
            assert float(difference[where].mean()) < 0 < float(batch.channels[:, :, 4][where].mean())
    assert 0 < flipped < 6


def test_offset_moves_each_window_by_its_own_unit() -> None:
    source = BlobSource(1)
    channels = np.zeros((2, len(CHANNELS), 8, 8), dtype=np.float32)
    channels[:, 5, 2:6, 2:6] = 1.0
    for channel in (0, 1, 2, 3):
        channels[:, channel, 2:6, 2:6] = 0.5
    source.scans[0] = ScanArrays(channels, None)
    batch = Batch(source, np.arange(1))
    settings = replace(NONE, offset_hu=3.0)
    offset = float(np.random.default_rng(7).normal(0.0, 3.0))
    _vary_intensity(batch.channels[0], settings, np.random.default_rng(7))
    inside = batch.channels[0, 0, :6, 3, 3].numpy()
    expected = [0.5 + offset / 40, 0.5 + offset / 80, 0.5, 0.5 + offset / 10, 0.0, 1.0]
    np.testing.assert_allclose(inside, expected, atol=1e-6)
    assert float(batch.channels[0, :, :5, 0].abs().max()) == 0.0


def test_trim_leaves_out_slices_without_brain() -> None:
    source = BlobSource(2, slices=5)
    for scan in source.scans:
        scan.channels[[0, 4], 5] = 0.0
    batch = Batch(source, np.arange(2))
    batch.trim()
    assert batch.channels.shape[1] == 3 and batch.lesion.shape[1] == 3


def test_source_is_not_changed_by_augmentation() -> None:
    source = BlobSource(2)
    before = source.scans[0].channels.copy()
    Batch(source, np.arange(2)).augment(Augmentation(), (0,))
    np.testing.assert_array_equal(source.scans[0].channels, before)


def square() -> torch.Tensor:
    """One slice, channels (1, C, 9, 9): a brain of 5 x 5 pixels in columns 3 to 7, half a unit everywhere in it."""
    channels = torch.zeros(1, len(CHANNELS), 9, 9)
    channels[:, :, 2:7, 3:8] = 0.5
    channels[:, 5, 2:7, 3:8] = 1.0
    return channels


def test_an_eroded_mask_takes_every_channel_with_it_and_the_difference_on_both_sides() -> None:
    channels = square()
    _vary_rim(channels, replace(NONE, rim_erosion=1.0), np.random.default_rng(0))
    inner = torch.zeros(9, 9)
    inner[3:6, 4:7] = 1.0
    for channel in (0, 1, 2, 3):
        torch.testing.assert_close(channels[0, channel], 0.5 * inner)
    torch.testing.assert_close(channels[0, 5], inner)
    # Columns 4 to 6 mirror to 4 to 2: of the inner three, 4 alone has its partner inside.
    assert torch.nonzero(channels[0, 4].sum(dim=0)).flatten().tolist() == [4]


def test_a_brightened_rim_is_one_pixel_wide_and_each_channel_has_its_unit() -> None:
    channels, before = square(), square()
    _vary_rim(channels, replace(NONE, rim_hu=8.0), np.random.default_rng(3))
    rng = np.random.default_rng(3)
    rng.random()
    brighter = float(rng.uniform(0.0, 8.0))
    change = channels - before
    for channel, unit in ((0, 40.0), (1, 80.0), (3, 20.0)):
        assert float(change[0, channel, 2, 5]) == pytest.approx(brighter / unit, abs=1e-6)
        assert int((change[0, channel] > 0).sum()) == 16  # 25 pixels less 9 inner ones
    assert float(change[:, [2, 4, 5, *MIRRORED]].abs().max()) == 0.0


def test_the_default_varies_the_rim_of_some_scans_only() -> None:
    eroded = 0
    for seed in range(40):
        channels = square()
        _vary_rim(channels, replace(NONE, rim_erosion=Augmentation().rim_erosion), np.random.default_rng(seed))
        eroded += int(channels[:, 5].sum() == 9)
    assert 5 < eroded < 20


def test_what_a_scan_meets_does_not_depend_on_its_batch() -> None:
    source = BlobSource(4)
    whole, part = Batch(source, np.array([3, 0, 2, 1])), Batch(source, np.array([2]))
    whole.augment(Augmentation(), (1, 5))
    part.augment(Augmentation(), (1, 5))
    torch.testing.assert_close(part.channels[0], whole.channels[2])


@pytest.mark.parametrize("change", [{"offset_hu": -1.0}, {"rim_erosion": 1.5}, {"shift_pixels": -1}])
def test_impossible_variations_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        replace(NONE, **change)  # type: ignore[arg-type]
