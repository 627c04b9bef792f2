"""Assessments of the written-down phantom, for tests of what the pages show. The numbers are made for the test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from htcore.types import (
    Assessment,
    CanonicalGrid,
    Evidence,
    Finding,
    LesionMeasure,
    ModelIdentity,
    QualityReport,
    RegionContribution,
    RiskEstimate,
    SliceContribution,
    StudyReceipt,
    Volume,
)
from tests.phantom import head_volume


def small_volume(flip_columns: bool = False) -> Volume:
    """Ten slices of the phantom."""
    return head_volume(spacing_mm=6.0, gaps_mm=(12.0,) * 9, flip_columns=flip_columns)


def receipt() -> StudyReceipt:
    """A receipt with nothing in it but counts."""
    return StudyReceipt("dicom", 10, (), (), "c0ffee" * 10, simulated=True)


def scored() -> Assessment:
    """A scored study: slice 7 moves the logit most (down), then 3, then 5."""
    volume = small_volume()
    affine = np.diag([20.0, 20.0, 20.0, 1.0])
    affine[:3, 3] = -60.0
    shape = (7, 7, 7)
    evidence_map = np.zeros(shape, dtype=np.float32)
    evidence_map[3, 4, 5], evidence_map[2, 2, 2] = 0.25, -0.5
    contributions = {3: 0.4, 5: 0.3, 7: -0.9}
    evidence = Evidence(
        CanonicalGrid(shape, affine),
        evidence_map,
        np.abs(evidence_map),
        tuple(SliceContribution(k, float(volume.centres_mm[k, 2]), contributions.get(k, 0.0)) for k in range(10)),
        (RegionContribution("insula", "left", 0.31),),
        LesionMeasure(42.0, "left", (40.0, 20.0, 0.0)),
        bias=0.1,
    )
    risk = RiskEstimate(0.62, (0.48, 0.74), "made for this test", 0.5, 0.49, -0.1)
    model = ModelIdentity("test-model", "ab" * 32, "simulated cohort", simulated=True)
    quality = QualityReport((Finding("thick_slices", "warn", "Slices are thick."),))
    return Assessment(volume, receipt(), quality, risk, evidence, model, "cpu", {"total": 1234.0})


def refused() -> Assessment:
    """The same scan, refused."""
    finding = Finding("too_few_slices", "refuse", "10 slices are too few: give the whole series.")
    return replace(scored(), quality=QualityReport((finding,)), risk=None, evidence=None, model=None)
