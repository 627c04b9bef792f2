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
_MINIMUM = 30  # patients; fewer say nothing about what is usual
_SAME = 0.1
"""So near to a scan it is that scan: the shipped model has one simulated again at 0.001, any other beyond 1.6."""
_SHRINKAGE = 0.1  # of the covariance towards its diagonal: features are nearly as many as some hospitals' scans

_FOLDS = 10

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Reference:
    """The validation scans' place in the network's eyes.

    Distances are Mahalanobis (Lee et al. 2018, for networks), with the covariance shrunk towards its diagonal. How far
    a scan of the reference lies off its middle is measured on the other scans alone: among few scans in many features
    each would lie too near a middle and a spread that it had part in, and every new scan would seem far.

    Parameters
    ----------
    embedding : (scans, features)
    patients : (scans,), whose scans are measured on those of the others; each scan its own by default.
    """

    def __init__(self, embedding: NDArray[np.floating], patients: NDArray[np.str_] | None = None) -> None:
        values = np.asarray(embedding, dtype=np.float64)
        self._middle, self._whiten = _middle_and_axes(values)
        self._places: Array = (values - self._middle) @ self._whiten
        self._off: Array = np.empty(len(values))
        whose = np.arange(len(values)) if patients is None else np.unique(patients, return_inverse=True)[1]
        for fold in range(_FOLDS):
            own = whose % _FOLDS == fold
            if own.any():
                middle, whiten = _middle_and_axes(values[~own])
                self._off[own] = np.linalg.norm((values[own] - middle) @ whiten, axis=1)

    def farther_than(self, embedding: NDArray[np.floating], among: Mask | None = None) -> float:
        """Share of the reference, or of those of its rows, that lies closer to its middle."""
        itself = self.same(embedding)
        distance = float(np.linalg.norm((embedding - self._middle) @ self._whiten))
        distance = float(self._off[itself].max()) if itself.any() else distance
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


def _middle_and_axes(values: Array) -> tuple[Array, Array]:
    """The scans' middle, (features,), and what makes their spread the same all round, (features, features)."""
    covariance = np.cov(values, rowvar=False)
    spread = np.diag(covariance)
    floor = 1e-6 * max(float(spread.max()), 1e-12)  # a feature that never varies
    shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * np.diag(spread) + floor * np.eye(len(spread))
    scale, axes = np.linalg.eigh(shrunk)
    return values.mean(axis=0), axes / np.sqrt(np.maximum(scale, floor))


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
    if embedding is None:
        return None
    table = bundle.validation
    patient = table["patient_id" if "patient_id" in table.columns else "scan_id"]
    if patient.nunique() < _MINIMUM:
        return None
    cases = tuple(
        NearCase(str(scan), bool(ht), float(probability))
        for scan, ht, probability in zip(table["scan_id"], table["ht"], table["probability"], strict=True)
    )
    patients = patient.to_numpy(dtype=str)
    return Reference(embedding, patients), cases, patients
