"""How the slices that a network is given make up scans: which lies below and above which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

_PART = 80  # slices at once: more leave the processor's cache


class Layout(Protocol):
    """What a network asks that computes slice by slice and lets neighbours see each other now and then."""

    def run(self, block: Callable[..., Tensor], *slices: Tensor) -> Tensor:
        """``block`` of all slices, (N, …) each."""

    def around(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The slices below, the slices themselves and those above; zeros beyond the ends."""

    def keep(self, x: Tensor) -> Callable[[], Tensor]:
        """``x`` for later, when slices may have been told apart that are one now."""


class WholeScans:
    """``slices`` a scan, one scan after another."""

    def __init__(self, slices: int) -> None:
        self.slices = slices

    def run(self, block: Callable[..., Tensor], *slices: Tensor) -> Tensor:
        """``block`` of all at once: what batch normalisation learns from."""
        return block(*slices)

    def around(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B·S, H, W, C) → (B, S, H, W, C) each."""
        volume = x.reshape(-1, self.slices, *x.shape[1:])  # (B, S, H, W, C)
        padded = functional.pad(volume, (0, 0, 0, 0, 0, 0, 1, 1))  # (B, S + 2, H, W, C)
        return padded[:, :-2], volume, padded[:, 2:]

    def keep(self, x: Tensor) -> Callable[[], Tensor]:
        """The same."""
        return lambda: x


class SharedSlices:
    """Slices that several scans have in common: each is computed once for each of the surroundings that it is seen in.

    Attributes
    ----------
    place : int64 (B, S)
        Which slice, of those told apart so far, each scan's are.
    """

    def __init__(self, place: Tensor) -> None:
        self.place = place
        self._steps: list[Tensor] = []  # which slice of the step before each of a step was

    def run(self, block: Callable[..., Tensor], *slices: Tensor) -> Tensor:
        """``block`` of some at a time."""
        parts = zip(*(torch.split(x, _PART) for x in slices), strict=True)
        return torch.cat([block(*part) for part in parts])

    def around(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, H, W, C) → (M, H, W, C) each, M the number of different surroundings; ``place`` counts these then."""
        padded = functional.pad(self.place, (1, 1), value=len(x))
        three = torch.stack([padded[:, :-2], self.place, padded[:, 2:]], dim=2)  # (B, S, 3)
        distinct, place = torch.unique(three.flatten(0, 1), dim=0, return_inverse=True)
        self.place = place.reshape(self.place.shape)
        below, own, above = distinct.unbind(1)
        self._steps.append(own)
        with_none = torch.cat([x, x.new_zeros(1, *x.shape[1:])])
        return with_none[below], x[own], with_none[above]

    def keep(self, x: Tensor) -> Callable[[], Tensor]:
        """(N, …) now → (M, …) when it is called."""
        step = len(self._steps)

        def now() -> Tensor:
            kept = x
            for own in self._steps[step:]:
                kept = kept[own]
            return kept

        return now
