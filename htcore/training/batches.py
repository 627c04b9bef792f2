"""Batches of prepared scans, and how they are varied in training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from htcore.channels import BRAIN, CHANNELS, MIRRORED
from htcore.errors import UsageError

_RIM_IN_TISSUE = 0.5  # an edge pixel weighs 0.4 of some 0.7 under the averages' width of one pixel


@dataclass(frozen=True, eq=False)
class ScanArrays:
    """One prepared scan.

    Attributes
    ----------
    channels : float16 or float32, shape (slices, channels, rows, columns)
    lesion : same float types, shape (slices, rows, columns), or None
        Share of each voxel that is acute infarct, 0–1; ``None`` where nobody drew it.
    """

    channels: NDArray[np.floating]
    lesion: NDArray[np.floating] | None


class ScanSource(Protocol):
    """Labelled scans that can be fetched one at a time.

    ``labels`` float32 (N,) holds 0 or 1, or a known risk between them; ``factors`` float32 (N, F) holds standardised
    causes, NaN where unknown. ``content`` tells these scans and masks from any others.
    """

    labels: NDArray[np.float32]
    factors: NDArray[np.float32]
    content: str

    def load(self, index: int) -> ScanArrays:
        """The scan at ``index``."""


@dataclass(frozen=True)
class Augmentation:
    """How far a scan is varied; zeros switch a variation off.

    An earlier trial failed on real scans where HU lay some units off, and where bright cortex or a cut mask lined the
    brain's edge: what these settings imitate, moderately, since much of it dulls small infarcts.

    Attributes
    ----------
    offset_hu : float
        Standard deviation of a shift of the whole brain, HU; windowed and smoothed channels move together.
    gain : float
        Standard deviation of the contrast's logarithm.
    noise_hu : float
        Highest standard deviation of added noise, HU.
    rim_erosion : float
        Share of scans whose brain mask loses its outermost pixel in every channel.
    rim_hu : float
        Highest brightening of the outermost pixel that is left, HU.
    """

    flip: bool = True
    shift_pixels: int = 2
    shift_slices: int = 2
    offset_hu: float = 2.5
    gain: float = 0.05
    noise_hu: float = 2.0
    rim_erosion: float = 0.3
    rim_hu: float = 4.0

    def __post_init__(self) -> None:
        if not all(0 <= value < math.inf for value in vars(self).values()) or self.rim_erosion > 1:
            raise UsageError("variations of the scans must be 0 or more, the share of eroded rims 1 at most")


class Batch:
    """A few scans: channels (B, S, C, H, W), lesion (B, S, H, W), has_lesion and labels (B,), factors (B, F)."""

    def __init__(self, source: ScanSource, indices: NDArray[np.int64]) -> None:
        self.indices: Tensor = torch.from_numpy(np.asarray(indices, dtype=np.int64))
        scans = [source.load(int(index)) for index in indices]
        channels = np.stack([scan.channels.astype(np.float32) for scan in scans])
        empty = np.zeros_like(channels[0, :, 0])
        lesions = np.stack([empty if scan.lesion is None else scan.lesion.astype(np.float32) for scan in scans])
        self.channels: Tensor = torch.from_numpy(channels)
        self.lesion: Tensor = torch.from_numpy(lesions)
        self.has_lesion: Tensor = torch.tensor([scan.lesion is not None for scan in scans])
        self.labels: Tensor = torch.from_numpy(source.labels[indices])
        self.factors: Tensor = torch.from_numpy(source.factors[indices])

    def augment(self, settings: Augmentation, seed: tuple[int, ...]) -> None:
        """Vary each scan by itself, in place; what a scan meets depends on ``seed`` and the scan, not on its batch."""
        for place, index in enumerate(self.indices.tolist()):
            rng = np.random.default_rng((*seed, index))
            self._move(place, settings, rng)
            _vary_intensity(self.channels[place], settings, rng)
            _vary_rim(self.channels[place], settings, rng)

    def _move(self, index: int, settings: Augmentation, rng: np.random.Generator) -> None:
        reach, slices = settings.shift_pixels, settings.shift_slices
        shifts = (int(rng.integers(-slices, slices + 1)), *(int(v) for v in rng.integers(-reach, reach + 1, size=2)))
        flip = settings.flip and rng.random() < 0.5
        # A difference between a pixel and its mirror image changes its sign when the array is flipped.
        for tensor, axes in ((self.channels, (0, 2, 3)), (self.lesion, (0, 1, 2))):
            moved = _shift(tensor[index], shifts, axes)
            tensor[index] = moved.flip(-1) if flip else moved

    def trim(self, widen: Callable[[int, int], tuple[int, int]] = lambda first, last: (first, last)) -> None:
        """Leave out slices at the ends that hold no brain in any scan of the batch.

        ``widen`` gets this batch's first and last slice with brain and gives those to keep: batches that belong
        together keep the same.
        """
        slices = self.channels.shape[1]
        present = torch.nonzero(self.channels[:, :, BRAIN].amax(dim=(0, 2, 3)) > 0).flatten()
        first, last = widen(int(present[0]), int(present[-1])) if len(present) else widen(slices, -1)
        if last >= first:
            self.channels, self.lesion = self.channels[:, first : last + 1], self.lesion[:, first : last + 1]

    def to(self, device: torch.device) -> None:
        """Move every tensor to ``device``."""
        for name, tensor in list(vars(self).items()):
            setattr(self, name, tensor.to(device, non_blocking=True))


def epoch_order(
    n_scans: int, batch_size: int, rng: np.random.Generator, smallest: int = 2
) -> Iterator[NDArray[np.int64]]:
    """Every scan once, in batches; a last batch of fewer than ``smallest`` joins the batch before it."""
    order = rng.permutation(n_scans)
    ends = [*range(batch_size, n_batches(n_scans, batch_size, smallest) * batch_size, batch_size), n_scans]
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        yield order[start:end]


def n_batches(n_scans: int, batch_size: int, smallest: int = 2) -> int:
    """How many batches `epoch_order` gives."""
    full, rest = divmod(n_scans, batch_size)
    return max(1, full + (rest >= smallest))


def _shift(tensor: Tensor, shifts: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Shift with zeros coming in from the edge."""
    out = torch.zeros_like(tensor)
    source: list[slice] = [slice(None)] * tensor.ndim
    target: list[slice] = [slice(None)] * tensor.ndim
    for shift, axis in zip(shifts, axes, strict=True):
        length = tensor.shape[axis]
        source[axis] = slice(max(0, -shift), length - max(0, shift))
        target[axis] = slice(max(0, shift), length - max(0, -shift))
    out[tuple(target)] = tensor[tuple(source)]
    return out


def _vary_intensity(channels: Tensor, settings: Augmentation, rng: np.random.Generator) -> None:
    """HU offset, gain about the brain's reference, and noise, on the channels of one scan that would show them."""
    slices, _, rows, columns = channels.shape  # (S, C, H, W)
    offset = float(rng.normal(0.0, settings.offset_hu))
    gain = float(np.exp(rng.normal(0.0, settings.gain)))
    strength = np.float32(rng.uniform(0.0, settings.noise_hu))
    noise = torch.from_numpy(strength * rng.standard_normal((slices, rows, columns), dtype=np.float32))
    inside = channels[:, BRAIN] > 0.5
    for place, channel in enumerate(CHANNELS):
        if channel.kind in ("tissue", "difference"):
            channels[:, place] *= gain
        # A tissue channel averages some forty pixels of noise away, and is 0 where no tissue is known.
        if channel.kind == "tissue":
            _brighten(channels, place, (channels[:, place] != 0) * offset)
        elif channel.kind == "pixel":
            _brighten(channels, place, inside * (offset + noise))


def _vary_rim(channels: Tensor, settings: Augmentation, rng: np.random.Generator) -> None:
    """Take the brain mask's outermost pixel away from one scan, or brighten it, or both; in place."""
    erode, brighter = rng.random() < settings.rim_erosion, float(rng.uniform(0.0, settings.rim_hu))
    if erode:
        kept = _eroded(channels[:, BRAIN] > 0.5)
        channels *= kept[:, None]
        # A difference needs both sides.
        channels[:, list(MIRRORED)] *= kept.flip(-1)[:, None]
    if brighter > 0:
        inside = channels[:, BRAIN] > 0.5
        rim = inside & ~_eroded(inside)
        for place, channel in enumerate(CHANNELS):
            if channel.kind == "tissue":
                _brighten(channels, place, (rim & (channels[:, place] != 0)) * (_RIM_IN_TISSUE * brighter))
            elif channel.kind == "pixel":
                _brighten(channels, place, rim * brighter)


def _brighten(channels: Tensor, place: int, by_hu: Tensor) -> None:
    channel = CHANNELS[place]
    channels[:, place] = (channels[:, place] + by_hu / channel.hu).clamp(channel.low, channel.high)


def _eroded(mask: Tensor) -> Tensor:
    """The mask without pixels that touch its outside in their slice, corners too; bool (S, H, W)."""
    outside = functional.pad(1.0 - mask.float(), (1, 1, 1, 1), value=1.0)
    return functional.max_pool2d(outside, 3, 1) < 0.5
