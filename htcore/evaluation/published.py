"""Figures of the paper whose approach this project follows, as its abstract gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from htcore.evaluation.values import Interval


@dataclass(frozen=True)
class PublishedFigures:
    """What a publication reports.

    Attributes
    ----------
    n_patients, n_scans, n_patients_with_ht : int
        The whole cohort, training and validation together.
    metrics : name → Interval
        On its own validation patients, as shares in [0, 1].
    implied_prevalence : float
        Share of events among the validation scans that fits its figures: our arithmetic, not the paper's.
    """

    citation: str
    doi: str
    n_patients: int
    n_scans: int
    n_patients_with_ht: int
    metrics: Mapping[str, Interval]
    implied_prevalence: float


PAPER = PublishedFigures(
    citation="Zhang et al., Frontiers in Neuroscience 2026 (abstract)",
    doi="10.3389/fnins.2025.1753071",
    n_patients=474,
    n_scans=613,
    n_patients_with_ht=231,
    metrics=MappingProxyType(
        {
            "auc": Interval(0.842, 0.758, 0.921),
            "f1": Interval(0.7894, 0.677, 0.864),
            "sensitivity": Interval(0.7155, 0.606, 0.850),
            "accuracy": Interval(0.7452, 0.639, 0.832),
        }
    ),
    implied_prevalence=0.67,
)


@dataclass(frozen=True)
class PublishedModel:
    """A published model of hemorrhagic transformation, as its abstract gives it; ``None`` where it gives nothing."""

    year: int
    doi: str
    n_patients: int
    n_with_ht: int | None
    inputs: str
    internal_auc: float
    external_auc: float | None


PUBLISHED_MODELS = (
    PublishedModel(
        2023, "10.1186/s12938-023-01193-w", 828, 69, "plain CT, weakly supervised, and clinical data", 0.799, None
    ),
    PublishedModel(2023, "10.1186/s13244-023-01399-5", 517, 249, "plain CT radiomics", 0.922, 0.883),
    PublishedModel(2023, "10.1186/s13244-023-01399-5", 517, 249, "plain CT radiomics and clinical data", 0.950, 0.942),
    PublishedModel(2023, "10.1186/s13244-023-01399-5", 517, 249, "clinical data alone", 0.898, 0.911),
    PublishedModel(2022, "10.3389/fnins.2022.1002717", 118, 52, "plain CT radiomics", 0.750, None),
    PublishedModel(2021, "10.1111/bpa.13023", 392, None, "diffusion and perfusion MRI and clinical data", 0.948, None),
)
"""Models that start from a CT taken after thrombectomy answer an easier question and are not listed."""
