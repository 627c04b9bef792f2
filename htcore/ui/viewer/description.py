"""What the viewer must know of a study besides its pixels: geometry, marks, contributions, one scale for each map."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from htcore.types import EVIDENCE_TOP, Assessment, Evidence, FloatArray, Volume
from htcore.ui.notice import RESEARCH_USE, notice_for
from htcore.ui.server import MAP_STEP
from htcore.ui.viewer.head import head_box

# How many slices the strip marks, and from where one looks first.
N_TELLING = 3
# Letters for the patient's directions along -x, +x, -y, +y, -z, +z (LPS).
_LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))


@dataclass(frozen=True)
class SliceMarks:
    """The patient's directions at the four borders of one image."""

    left: str
    right: str
    top: str
    bottom: str


def marks(affine: FloatArray) -> SliceMarks:
    """Directions at an image's borders, from the slice's affine (DICOM PS3.3 C.7.6.2.1.1); the patient's sides."""
    left, right = _ends(affine[:3, 0])
    top, bottom = _ends(affine[:3, 1])
    return SliceMarks(left, right, top, bottom)


def _ends(direction: FloatArray) -> tuple[str, str]:
    """Letters where an axis of the image starts and where it ends."""
    axis = int(np.argmax(np.abs(direction)))
    low, high = _LETTERS[axis]
    return (low, high) if direction[axis] > 0 else (high, low)


def telling_slices(evidence: Evidence | None) -> tuple[int, ...]:
    """Indices of the slices that move the logit most in either direction, the strongest first."""
    if evidence is None:
        return ()
    ranked = sorted(evidence.slices, key=lambda item: -abs(item.contribution))
    return tuple(item.index for item in ranked[:N_TELLING] if item.contribution != 0)


def describe(assessment: Assessment) -> dict[str, Any]:
    """The description the viewer's script reads, ready for JSON.

    ``scale.evidence`` is where the colour scale of the evidence map ends to both sides, the same for every study.
    """
    volume, evidence = assessment.volume, assessment.evidence
    slices, rows, columns = volume.shape
    rows_mm, columns_mm = volume.pixel_spacing_mm
    telling = telling_slices(evidence)
    return {
        "shape": [slices, rows, columns],
        "pixel_mm": [rows_mm, columns_mm],
        "tilt_deg": round(volume.tilt_deg, 1),
        "slices": _slices(volume, evidence),
        "telling": list(telling),
        "start": telling[0] if telling else _first_look(assessment),
        "head": list(head_box(volume)),
        "notice": _notice(assessment),
        "map_step": MAP_STEP,
        "scale": None if evidence is None else {"evidence": EVIDENCE_TOP},
    }


def _notice(assessment: Assessment) -> str:
    """What a picture that fills the screen must say itself; of weights only once some have scored it."""
    model = assessment.model
    return RESEARCH_USE if model is None else notice_for(simulated=model.simulated, training_data=model.training_data)


def _first_look(assessment: Assessment) -> int:
    """The slice of what the quality check points at, the severest first; else the middle one."""
    order = {"refuse": 0, "warn": 1, "info": 2}
    for finding in sorted(assessment.quality.findings, key=lambda one: order[one.severity]):
        if finding.place_mm is not None:
            return assessment.volume.nearest_slice(finding.place_mm)
    return assessment.volume.shape[0] // 2


def _slices(volume: Volume, evidence: Evidence | None) -> list[dict[str, Any]]:
    contributions = {item.index: item.contribution for item in evidence.slices} if evidence else {}
    return [
        {
            "z_mm": round(float(volume.centres_mm[k, 2]), 1),
            "thickness_mm": round(float(volume.thickness_mm[k]), 2),
            "marks": asdict(marks(volume.affines[k])),
            "contribution": contributions.get(k),
        }
        for k in range(volume.shape[0])
    ]
