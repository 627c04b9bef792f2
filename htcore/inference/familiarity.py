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
_SAME = 0.1
"""So near to a scan it is that scan: the shipped model has one simulated again at 0.001, any other beyond 1.6."""
_SHRINKAGE = 0.1  # of the covariance towards its diagonal: features are nearly as many as some hospitals' scans

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


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
        self._off: Array = np.linalg.norm(self._places, axis=1)

    def farther_than(self, embedding: NDArray[np.floating], among: Mask | None = None) -> float:
        """Share of the reference, or of those of its rows, that lies closer to its middle."""
        distance = float(np.linalg.norm((embedding - self._middle) @ self._whiten))
        off = self._off if among is None else self._off[among]
        return float(np.mean(off < distance))

    def nearest(
        self, embedding: NDArray[np.floating], count: int = N_NEAREST, among: Mask | None = None
    ) -> NDArray[np.intp]:
        """Rows of the reference, or among these, that lie nearest, nearest first."""
        order = np.argsort(self._distances(embedding), kind="stable")
        return order[:count] if among is None else order[among[order]][:count]

    def same(self, embedding: NDArray[np.floating]) -> Mask:
        """Rows of the reference that are this very scan; shape (scans,)."""
        return np.asarray(self._distances(embedding) < _SAME)

    def _distances(self, embedding: NDArray[np.floating]) -> Array:
        place = (embedding - self._middle) @ self._whiten
        return np.asarray(np.linalg.norm(self._places - place, axis=1))


def familiarity(bundle: Bundle, embedding: NDArray[np.float32]) -> Familiarity | None:
    """The scan against the bundle's validation scans; ``None`` where the bundle holds too few of their embeddings.

    One that is itself a validation scan is compared with those of other patients.
    """
    known = _reference(bundle)
    if known is None:
        return None
    reference, cases, patients = known
    same = reference.same(embedding)
    others = ~np.isin(patients, patients[same])
    if not others.any():
        return None
    nearest = tuple(cases[index] for index in reference.nearest(embedding, among=others))
    itself = cases[int(same.argmax())].scan_id if same.any() else None
    return Familiarity(reference.farther_than(embedding, others), nearest, itself)


@lru_cache(maxsize=4)
def _reference(bundle: Bundle) -> tuple[Reference, tuple[NearCase, ...], NDArray[np.str_]] | None:
    """The reference, and of each of its rows the case and the patient."""
    embedding = bundle.embedding
    if embedding is None or len(embedding) < _MINIMUM:
        return None
    table = bundle.validation
    cases = tuple(
        NearCase(str(scan), bool(ht), float(probability))
        for scan, ht, probability in zip(table["scan_id"], table["ht"], table["probability"], strict=True)
    )
    patient = table["patient_id" if "patient_id" in table.columns else "scan_id"]
    return Reference(embedding), cases, patient.to_numpy(dtype=str)
