"""What each region adds to the logit: Shapley values of a game in which an absent region looks like its mirror image.

Two games, one a side. Players are the regions of that side; the value of a coalition is the logit of the scan in which
the regions outside it carry the tissue of the other side, mirrored. The other side stays as it was scanned, with its
differences from this one. So a side's contributions add up to the logit of the scan less that of the scan in which this
whole side looks like the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from htcore.bundle import Calibration
from htcore.channels import MIRRORED
from htcore.explain.regions import REGIONS, region_labels
from htcore.limits import checkpoint
from htcore.networks import LesionGatedResNet
from htcore.types import FloatArray, ModelInput, RegionContribution

Masks = NDArray[np.bool_]
Value = Callable[[Masks], FloatArray]
"""Coalitions, bool (n, players), to their values (n,)."""

_MARGIN = 3
"""Slices beyond the brain that its features see: three mixings, each of the slices next to one."""
_SEED = 5  # the same scan gives the same contributions
_GLOBAL_RANDOM = threading.Lock()


def region_contributions(
    networks: Sequence[LesionGatedResNet], model_input: ModelInput, calibration: Calibration, pairs: int = 1
) -> tuple[RegionContribution, ...]:
    """Both sides' regions that hold brain, in the order of ``REGIONS``, left before right.

    Parameters
    ----------
    networks
        On their device, in evaluation mode; the game is played with their mean logit.
    pairs : int
        Orders of the players drawn a side, each played forwards and backwards. The contributions add up with any.
    """
    labels = region_labels(model_input.brain, model_input.grid)
    found: dict[tuple[int, str], RegionContribution] = {}
    sides: tuple[Literal["left", "right"], ...] = ("left", "right")
    for side in sides:
        game = MirrorGame.of(networks, model_input, labels, side)
        values = _Remembered(game.value)
        contributions = shapley_values(values, len(game.players), pairs)
        alone = values(~np.eye(len(game.players), dtype=np.bool_))
        risks = calibration.probability(alone)
        for player, contribution, risk in zip(game.players, contributions, risks, strict=True):
            found[player, side] = RegionContribution(REGIONS[player], side, float(contribution), float(risk))
    return tuple(found[key] for key in sorted(found))


def shapley_values(value: Value, players: int, pairs: int) -> FloatArray:
    """Shapley values by ``pairs`` random orders, each played forwards and backwards (shap's permutation explainer).

    They add up to ``value(all) - value(none)`` up to rounding, whatever the number of pairs; one pair is exact where
    players interact by twos at most (Mitchell et al., JMLR 2022, arXiv 2104.12199).

    Returns
    -------
    float64, shape (players,)
    """
    if players == 0:
        return np.zeros(0)
    wanted: list[Masks] = []

    def listen(masks: Masks) -> FloatArray:
        wanted.append(np.array(masks, dtype=np.bool_))
        return np.zeros(len(masks))

    # The orders do not depend on the values: first listen which coalitions are asked for, then run them together.
    _permutation(listen, players, pairs)
    asked = np.unique(np.concatenate(wanted), axis=0)
    known = dict(zip((row.tobytes() for row in asked), value(asked), strict=True))
    return _permutation(
        lambda masks: np.array([known[np.array(row, dtype=np.bool_).tobytes()] for row in masks]), players, pairs
    )


def _permutation(value: Value, players: int, pairs: int) -> FloatArray:
    shap = _shap()
    # shap seeds numpy's global generator: it is put back, and no two threads of ours may draw from it at once.
    with _GLOBAL_RANDOM:
        state = np.random.get_state()
        try:
            explainer: Any = shap.explainers.Permutation(value, _keep_mask, seed=_SEED)
            found = explainer(np.ones((1, players)), max_evals=pairs * (2 * players + 1), silent=True)
        finally:
            np.random.set_state(state)
    return np.asarray(found.values[0], dtype=np.float64)


@lru_cache(maxsize=1)
def _shap() -> Any:
    """The package, imported where needed: it takes seconds.

    It compiles one loop over the coalitions anew in every process, three seconds for a millisecond's work: that loop
    runs as plain Python here.
    """
    import shap
    from shap.utils import _masked_model

    loop = _masked_model._build_fixed_single_output
    _masked_model._build_fixed_single_output = getattr(loop, "py_func", loop)
    return shap


def _keep_mask(mask: Masks, row: FloatArray) -> tuple[Masks]:
    """The coalition itself is what the game sees."""
    return (np.asarray(mask, dtype=np.bool_)[None],)


@dataclass(frozen=True, eq=False)
class MirrorGame:
    """One side's game.

    Attributes
    ----------
    networks : their mean logit is the value.
    own, mirrored : (slices, channels, rows, columns) the scan and its mirror image.
    place : int64 (slices, rows, columns), the player that holds a voxel; the number of players where none does.
    players : indices in ``REGIONS``
    """

    networks: Sequence[LesionGatedResNet]
    own: Tensor
    mirrored: Tensor
    place: Tensor
    players: tuple[int, ...]

    @classmethod
    def of(
        cls,
        networks: Sequence[LesionGatedResNet],
        model_input: ModelInput,
        labels: NDArray[np.int8],
        side: Literal["left", "right"],
    ) -> MirrorGame:
        """The game of ``side``, on the slices with brain and those its features see."""
        half = labels.shape[2] // 2
        on_side = np.zeros(labels.shape, dtype=np.bool_)
        on_side[..., half:] = side == "left"  # columns run to the patient's left
        on_side[..., :half] = side == "right"
        players = tuple(int(index) for index in np.unique(labels[on_side & (labels >= 0)]))
        place = np.full(labels.shape, len(players), dtype=np.int64)
        for number, index in enumerate(players):
            place[on_side & (labels == index)] = number
        kept = _slices_with(labels >= 0)
        device = next(iter(networks[0].parameters())).device
        own = torch.from_numpy(np.ascontiguousarray(model_input.channels[kept])).to(device)
        return cls(networks, own, own.flip(-1), torch.from_numpy(place[kept]).to(device), players)

    def value(self, masks: Masks) -> FloatArray:
        """Mean logit of each coalition and its mirror image, as a scan's own; (n, players) → (n,)."""
        slices, place = self.scans(masks)
        logits = []
        with torch.inference_mode():
            for network in self.networks:
                for way in (slices, slices.flip(-1)):
                    checkpoint()
                    # On the CPU first: Apple's cards have no float64.
                    logits.append(network.shared_logit(way, place).cpu().double().numpy())
        return np.asarray(np.mean(logits, axis=0))

    def scans(self, masks: Masks) -> tuple[Tensor, Tensor]:
        """The scans with the regions outside each coalition mirrored, as distinct slices.

        A voxel that takes its counterpart's tissue differs from it by 0. The counterpart keeps its own difference,
        though a scanner would show none there either: else what marks an infarct would count for both sides alike,
        and half of what it adds would stand at the healthy one.

        Returns
        -------
        slices : (N, channels, rows, columns)
            Coalitions that differ by regions elsewhere have a slice in common.
        place : int64 (n, S)
            Which of them each coalition's are.
        """
        players = len(self.players)
        holds = torch.stack([torch.isin(torch.arange(players), entry) for entry in self.place.cpu()])  # (S, players)
        absent = ~torch.from_numpy(masks)[:, None, :] & holds  # (n, S, players)
        number = torch.arange(len(holds)).expand(len(masks), -1).unsqueeze(2)  # (n, S, 1)
        told = torch.cat([number, absent.long()], dim=2).flatten(0, 1)
        distinct, place = torch.unique(told, dim=0, return_inverse=True)
        distinct = distinct.to(self.own.device)
        index, missing = distinct[:, 0], functional.pad(distinct[:, 1:], (0, 1)).bool()
        where = self.place[index]  # (N, rows, columns)
        mirrored = torch.gather(missing, 1, where.flatten(1)).reshape(where.shape).unsqueeze(1)
        made = torch.where(mirrored, self.mirrored[index], self.own[index])
        made[:, list(MIRRORED)] *= ~mirrored
        return made, place.reshape(len(masks), -1).to(self.own.device)


class _Remembered:
    """A value function that asks for no coalition twice."""

    def __init__(self, value: Value) -> None:
        self._value = value
        self._known: dict[bytes, float] = {}

    def __call__(self, masks: Masks) -> FloatArray:
        keys = [np.ascontiguousarray(mask, dtype=np.bool_).tobytes() for mask in masks]
        new = {key: mask for key, mask in zip(keys, masks, strict=True) if key not in self._known}
        if new:
            values = self._value(np.stack(list(new.values())))
            self._known.update(zip(new, values.tolist(), strict=True))
        return np.array([self._known[key] for key in keys])


def _slices_with(brain: NDArray[np.bool_]) -> slice:
    found = np.flatnonzero(brain.any(axis=(1, 2)))
    if not len(found):
        return slice(0, brain.shape[0])
    return slice(max(0, int(found[0]) - _MARGIN), int(found[-1]) + _MARGIN + 1)
