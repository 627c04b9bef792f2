"""Value objects as the JSON that other people's scripts rely on, and maps as NIfTI."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htcore.errors import HtcoreError, UsageError
from htcore.types import Assessment, Evidence, FloatArray, QualityReport, StudyReceipt, Volume

RESULTS = ("volume.nii.gz", "saliency.nii.gz", "lesion.nii.gz", "prediction.json")
"""What ``write_prediction`` leaves, the last written last."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def error_json(error: HtcoreError) -> dict[str, Any]:
    """``htcore.error/1``."""
    return {"schema": "htcore.error/1", "error": {"code": error.code, "message": str(error)}}


def inspection_json(volume: Volume, receipt: StudyReceipt, quality: QualityReport) -> dict[str, Any]:
    """``htcore.inspection/1``."""
    return {
        "schema": "htcore.inspection/1",
        "receipt": receipt_json(receipt),
        "volume": volume_json(volume),
        "quality": quality_json(quality),
    }


def prediction_json(assessment: Assessment) -> dict[str, Any]:
    """``htcore.prediction/1``; ``risk``, ``evidence`` and ``model`` are null for a refused scan."""
    risk, model = assessment.risk, assessment.model
    return {
        "schema": "htcore.prediction/1",
        "receipt": receipt_json(assessment.receipt),
        "volume": volume_json(assessment.volume),
        "quality": quality_json(assessment.quality),
        "risk": None
        if risk is None
        else {
            "probability": risk.probability,
            "interval": list(risk.interval),
            "interval_method": risk.interval_method,
            "threshold": risk.threshold,
            "category": risk.category,
            "prevalence": risk.prevalence,
            "logit": risk.logit,
        },
        "evidence": None if assessment.evidence is None else evidence_json(assessment.evidence),
        "model": None if model is None else asdict(model),
        "clinical": None
        if assessment.clinical is None or risk is None
        else {**asdict(assessment.clinical), "interval": list(assessment.clinical.interval(risk))},
        "familiarity": None if assessment.familiarity is None else asdict(assessment.familiarity),
        "device": assessment.device,
        "timing_ms": {key: round(value, 1) for key, value in assessment.timing_ms.items()},
    }


def prediction_bytes(assessment: Assessment) -> bytes:
    """``htcore.prediction/1`` as a file's content, UTF-8."""
    text = json.dumps(json_safe(prediction_json(assessment)), indent=2, ensure_ascii=False)
    return (text + "\n").encode()


# Wide bands, halfway between one kind of matter and the next; padding lies below the first.
_MATTER_HU = {"air": (-1200, -500), "soft_tissue": (-30, 100), "bone": (300, 3071)}


def receipt_json(receipt: StudyReceipt) -> dict[str, Any]:
    """Every field, plain."""
    return asdict(receipt)


def quality_json(quality: QualityReport) -> dict[str, Any]:
    """Verdict and findings."""
    return {"verdict": quality.verdict, "findings": [asdict(finding) for finding in quality.findings]}


def volume_json(volume: Volume) -> dict[str, Any]:
    """Geometry, rounded to a hundredth of a millimetre, and where air, soft tissue and bone lie."""
    return {
        "shape": list(volume.shape),
        "pixel_spacing_mm": [round(value, 4) for value in volume.pixel_spacing_mm],
        "slice_positions_mm": _rounded(volume.positions_mm),
        "slice_spacings_mm": _rounded(np.diff(volume.positions_mm)),
        "thickness_mm": _rounded(volume.thickness_mm),
        "tilt_deg": round(volume.tilt_deg, 2),
        "hu": {name: _median_within(volume.hu[:, ::4, ::4], low, high) for name, (low, high) in _MATTER_HU.items()},
    }


def _median_within(hu: NDArray[np.int16], low: int, high: int) -> float | None:
    values = hu[(hu >= low) & (hu <= high)]
    return float(np.median(values)) if values.size else None


def evidence_json(evidence: Evidence) -> dict[str, Any]:
    """Summaries of the evidence; the maps themselves travel as NIfTI."""
    return {
        "slices": [asdict(entry) for entry in evidence.slices],
        "regions": [asdict(entry) for entry in evidence.regions],
        "lesion": asdict(evidence.lesion),
        "bias": evidence.bias,
        "sides_disagree": evidence.sides_disagree,
    }


def write_prediction(assessment: Assessment, out: Path) -> None:
    """Write ``prediction.json`` and, for a scored scan, the scan and its maps on one uniform grid in world millimetres.

    Everything is written beside its place first: nothing half-written passes for whole. Results of an earlier call in
    the same folder are replaced, all of them.

    Raises
    ------
    UsageError
        If the folder holds anything else or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(path.name not in RESULTS for path in out.iterdir())):
        raise UsageError("The output folder holds something else already: give the name of a new or an empty folder.")
    made: Path | None = None
    try:
        out.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".htcore-", dir=out.parent))
        (made / "prediction.json").write_bytes(prediction_bytes(assessment))
        if assessment.evidence is not None:
            _write_maps(assessment.volume, assessment.evidence, made)
        for name in RESULTS:
            if (made / name).exists():
                os.replace(made / name, out / name)
            else:
                (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError("The output folder could not be written: free disk space or choose another place.") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _write_maps(volume: Volume, evidence: Evidence, folder: Path) -> None:
    from htcore.transforms.reproject import map_on, uniform_grid, volume_on

    grid = uniform_grid(volume)
    _write_nifti(folder / "volume.nii.gz", volume_on(volume, grid), grid.affine)
    for name, values in (("saliency", evidence.evidence_map), ("lesion", evidence.lesion_map)):
        _write_nifti(folder / f"{name}.nii.gz", map_on(values, evidence.grid, grid), grid.affine)


def _write_nifti(path: Path, values: NDArray[Any], affine_lps: FloatArray) -> None:
    """``values`` (slice, row, column) as NIfTI (column, row, slice), RAS millimetres."""
    import nibabel

    image: Any = nibabel.Nifti1Image(  # type: ignore[no-untyped-call]
        np.ascontiguousarray(values.transpose(2, 1, 0)), _LPS_TO_RAS @ affine_lps
    )
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"htcore, research use only"
    nibabel.save(image, path)


def json_safe(value: Any) -> Any:
    """The same with numbers that JSON lacks (NaN, infinities) as null, tuples as lists, paths as text."""
    if isinstance(value, dict):
        return {str(key): json_safe(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(entry) for entry in value]
    if isinstance(value, np.generic):
        return json_safe(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _rounded(values: FloatArray) -> list[float]:
    return [round(float(value), 2) for value in values]
