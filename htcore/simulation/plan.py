"""Which patients a simulated cohort has, decided before any image is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.special import expit

from htcore.errors import UsageError
from htcore.simulation.outcome import (
    ClinicalFactors,
    EffectSizes,
    ImageFactors,
    clinical_parts,
    draw_clinical_factors,
    draw_grade,
    draw_image_factors,
    image_parts,
    later_scan,
    p_given_image,
    solve_intercept,
)

PRESET_PATIENTS, PRESET_EVENTS, PRESET_SCANS = 474, 231, 613
"""Zhang et al., Front Neurosci 2026, 10.3389/fnins.2025.1753071."""
MAX_SEED = 10**18
"""The seed stands in every patient's id, and a DICOM short string (SH) and a file name have to hold it."""
_PRESET_TWICE, _PRESET_THRICE = 119, 10


@dataclass(frozen=True)
class CohortParameters:
    """What to simulate.

    Attributes
    ----------
    patients : number of patients; 474 with the preset.
    seed : the same seed gives the same bytes.
    preset : ``zhang2026`` mirrors that paper's counts: 474 patients, 231 events, 613 scans.
    format : ``nifti`` (one affine, so no two slabs) or ``dicom``.
    matrix : pixels along each side of a slice; ``None`` takes 512 for DICOM and 160 for NIfTI.
    prevalence : share of patients with hemorrhagic transformation, 0–1 exclusive.
    repeat_share : share of patients who are scanned twice (0 with ``preset``, which sets its own).

    Raises
    ------
    UsageError
        If a value is impossible.
    """

    patients: int = PRESET_PATIENTS
    seed: int = 1
    preset: Literal["zhang2026"] | None = None
    format: Literal["nifti", "dicom"] = "nifti"
    matrix: int | None = None
    prevalence: float = PRESET_EVENTS / PRESET_PATIENTS
    repeat_share: float = 0.0
    effects: EffectSizes = field(default_factory=EffectSizes)

    def __post_init__(self) -> None:
        if self.preset not in (None, "zhang2026"):
            raise UsageError(f"There is no preset of that name, only zhang2026 (got {self.preset!r}).")
        if self.patients < 1:
            raise UsageError(f"The number of patients must be at least 1, got {self.patients}.")
        if self.preset is not None and self.patients != PRESET_PATIENTS:
            raise UsageError(f"The preset zhang2026 has {PRESET_PATIENTS} patients: leave the number out.")
        if not 0 <= self.seed < MAX_SEED:
            raise UsageError(f"The seed must lie between 0 and {MAX_SEED - 1}, got {self.seed}.")
        if self.format not in ("nifti", "dicom"):
            raise UsageError(f"The format must be nifti or dicom, got {self.format!r}.")
        if self.matrix is not None and not 64 <= self.matrix <= 1024:
            raise UsageError(f"The matrix must lie between 64 and 1024 pixels, got {self.matrix}.")
        if not 0.0 < self.prevalence < 1.0:
            raise UsageError(f"The prevalence must lie strictly between 0 and 1, got {self.prevalence}.")
        if not 0.0 <= self.repeat_share <= 1.0:
            raise UsageError(f"The share of repeated scans must lie between 0 and 1, got {self.repeat_share}.")

    @property
    def pixels(self) -> int:
        """Pixels along each side of a slice."""
        return self.matrix or (512 if self.format == "dicom" else 160)


@dataclass(frozen=True, eq=False)
class PlannedScan:
    """One scan: what it shows (one row), when, and its place in the seed's tree."""

    scan_id: str
    image: ImageFactors
    onset_to_ct_h: float
    spawn_key: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PlannedPatient:
    """One patient: chart (one row), outcome, true probabilities, scans; ``spawn_key`` leads to the person's seed.

    The probabilities belong to the patient's first scan: the outcome was drawn from it. ``parts`` are the terms of the
    log odds by name, ``intercept`` among them; their sum is the logit of ``p_ht``.
    ``patient_id`` holds the seed and the person's branch of it: no other seed gives it, and the same seed gives it
    to the same person in any cohort.
    """

    patient_id: str
    clinical: ClinicalFactors
    ht: bool
    grade: str
    p_ht: float
    p_ht_image: float
    parts: dict[str, float]
    scans: tuple[PlannedScan, ...]
    spawn_key: tuple[int, ...]


def plan_cohort(parameters: CohortParameters) -> tuple[PlannedPatient, ...]:
    """Draw the patients, each from its own branch of the seed; the preset keeps drawing until its counts are met."""
    intercept = solve_intercept(parameters.prevalence, parameters.effects)
    scans = _scan_counts(parameters)
    wanted = {True: PRESET_EVENTS, False: PRESET_PATIENTS - PRESET_EVENTS} if parameters.preset else None
    chosen: list[PlannedPatient] = []
    branch = 0
    while len(chosen) < parameters.patients:
        patient = _draw_patient(parameters, branch, scans[len(chosen)], intercept)
        branch += 1
        if wanted is not None:
            if wanted[patient.ht] == 0:
                continue
            wanted[patient.ht] -= 1
        chosen.append(patient)
    return tuple(chosen)


def plan_person(parameters: CohortParameters, branch: int, n_scans: int) -> PlannedPatient:
    """The person on that branch of the seed, from 0, with the first ``n_scans`` scans, in or out of a cohort."""
    return _draw_patient(parameters, branch, n_scans, solve_intercept(parameters.prevalence, parameters.effects))


def _scan_counts(parameters: CohortParameters) -> list[int]:
    counts = np.ones(parameters.patients, dtype=np.int64)
    rng = np.random.default_rng(np.random.SeedSequence(parameters.seed, spawn_key=(1,)))
    order = rng.permutation(parameters.patients)
    if parameters.preset:
        counts[order[:_PRESET_TWICE]] = 2
        counts[order[_PRESET_TWICE : _PRESET_TWICE + _PRESET_THRICE]] = 3
    else:
        counts[order[: round(parameters.repeat_share * parameters.patients)]] = 2
    return [int(c) for c in counts]


def _draw_patient(parameters: CohortParameters, branch: int, n_scans: int, intercept: float) -> PlannedPatient:
    key = (0, branch)
    rng = np.random.default_rng(np.random.SeedSequence(parameters.seed, spawn_key=(*key, 0)))
    image = draw_image_factors(rng, 1)
    clinical = draw_clinical_factors(rng, image)
    known = {**image_parts(image, parameters.effects), **clinical_parts(clinical, parameters.effects)}
    parts = {"intercept": intercept, **{name: float(part[0]) for name, part in known.items()}}
    p = float(expit(sum(parts.values())))
    ht = bool(rng.random() < p)
    grade = draw_grade(rng, float(image.volume_ml[0])) if ht else ""
    seen = float(p_given_image(rng, image, parameters.effects, intercept)[0])
    patient_id = f"SIM-{parameters.seed}-{branch + 1:05d}"
    shows, hours, scans = image, float(clinical.onset_to_ct_h[0]), []
    for k in range(n_scans):
        if k:
            shows, hours = later_scan(rng, shows, hours)
        scans.append(PlannedScan(f"{patient_id}-{k + 1}", shows, hours, (*key, 2 + k)))
    return PlannedPatient(patient_id, clinical, ht, grade, p, seen, parts, tuple(scans), (*key, 1))
