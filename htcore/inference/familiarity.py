"""How like the validation scans a scan looks to the network, and which of them it looks like most."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from htcore.bundle import Bundle
from htcore.types import Familiarity, NearCase

UNFAMILIAR = 0.99
"""Farther from the middle than this share of the validation scans: a warning."""
N_NEAREST = 5
_MINIMUM = 30  # scans; fewer say nothing about what is usual
_SHRINKAGE = 0.1  # of the covariance towards its diagonal: features are nearly as many as some hospitals' scans

Array = NDArray[np.float64]


class Reference:
    """The validation scans' place in the network's eyes.

    Distances are Mahalanobis (Lee et al. 2018, for networks), with the covariance shrunk towards its diagonal.
    """

    def __init__(self, embedding: NDArray[np.floating]) -> None:
        values = np.asarray(embedding, dtype=np.float64)  # (scans, features)
        self._middle: Array = values.mean(axis=0)
        covariance = np.cov(values, rowvar=False)
        spread = np.diag(covariance)
        floor = 1e-6 * max(float(spread.max()), 1e-12)  # a feature that never varies
        shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * np.diag(spread) + floor * np.eye(len(spread))
        scale, axes = np.linalg.eigh(shrunk)
        self._whiten: Array = axes / np.sqrt(np.maximum(scale, floor))  # (features, features)
        self._places: Array = (values - self._middle) @ self._whiten
        self._sorted: Array = np.sort(np.linalg.norm(self._places, axis=1))

    def farther_than(self, embedding: NDArray[np.floating]) -> float:
        """Share of the reference that lies closer to its middle."""
        distance = float(np.linalg.norm((embedding - self._middle) @ self._whiten))
        return float(np.searchsorted(self._sorted, distance) / len(self._sorted))

    def nearest(self, embedding: NDArray[np.floating], count: int = N_NEAREST) -> NDArray[np.intp]:
        """Rows of the reference that lie nearest, nearest first."""
        place = (embedding - self._middle) @ self._whiten
        return np.argsort(np.linalg.norm(self._places - place, axis=1), kind="stable")[:count]


def familiarity(bundle: Bundle, embedding: NDArray[np.float32]) -> Familiarity | None:
    """The scan against the bundle's validation scans; ``None`` where the bundle holds too few of their embeddings."""
    known = _reference(bundle)
    if known is None:
        return None
    reference, cases = known
    nearest = tuple(cases[index] for index in reference.nearest(embedding))
    return Familiarity(reference.farther_than(embedding), nearest)


@lru_cache(maxsize=4)
def _reference(bundle: Bundle) -> tuple[Reference, tuple[NearCase, ...]] | None:
    embedding = bundle.embedding
    if embedding is None or len(embedding) < _MINIMUM:
        return None
    table = bundle.validation
    cases = tuple(
        NearCase(str(scan), bool(ht), float(probability))
        for scan, ht, probability in zip(table["scan_id"], table["ht"], table["probability"], strict=True)
    )
    return Reference(embedding), cases
