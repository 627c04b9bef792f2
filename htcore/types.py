"""The values that travel through the system, frozen. numpy only.

Volumes are indexed (slice, row, column). Millimetres are DICOM's patient coordinates (LPS: +x is the
patient's left, +y posterior, +z head). Unknown is ``None``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Severity = Literal["info", "warn", "refuse"]
Verdict = Literal["ok", "warn", "refuse"]
Side = Literal["left", "right", "midline"]

SURE = 0.99
"""No calibration set of some hundred scans tells a risk beyond this, or below 1 - SURE, from certainty."""

Limits = tuple[float, float]
"""The lowest and the highest probability that is shown as such."""


def as_shown(probability: float, limits: Limits = (1.0 - SURE, SURE)) -> tuple[float, Literal["", "<", ">"]]:
    """``probability`` as it may be shown: a limit and its sign where it lies beyond one, or beyond `SURE`."""
    low, high = max(limits[0], 1.0 - SURE), min(limits[1], SURE)
    if probability < low:
        return low, "<"
    return (high, ">") if probability > high else (probability, "")


def _frozen(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    """A read-only view of ``array`` as ``dtype`` (copied only where the type differs)."""
    out: NDArray[Any] = np.asarray(array, dtype=dtype).view()
    out.flags.writeable = False
    return out


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT scan as acquired: nothing resampled.

    Attributes
    ----------
    hu : int16, shape (slices, rows, columns)
        Hounsfield units, slices ordered from the feet to the head.
    affines : float64, shape (slices, 4, 4)
        ``affines[k] @ (column, row, w, 1)`` is the LPS position in mm of a pixel of slice ``k``, ``w`` mm off its
        plane along the slice normal (DICOM PS3.3 C.7.6.2.1.1; the third column is the unit normal, towards the head).
    thickness_mm : float64, shape (slices,)
        Nominal slice thickness; the reader puts the spacing where the file is silent.

    Raises
    ------
    ValueError
        If shapes disagree, an affine is not finite, or its in-plane axes are not orthogonal.
    """

    hu: NDArray[np.int16]
    affines: FloatArray
    thickness_mm: FloatArray

    def __post_init__(self) -> None:
        if self.hu.ndim != 3 or 0 in self.hu.shape:
            raise ValueError(f"hu must be (slices, rows, columns), got shape {self.hu.shape}")
        if self.hu.dtype != np.int16:
            raise ValueError(f"hu must be int16, got {self.hu.dtype}")
        n = self.hu.shape[0]
        if self.affines.shape != (n, 4, 4) or self.thickness_mm.shape != (n,):
            raise ValueError("one 4 x 4 affine and one thickness a slice are needed")
        if not np.isfinite(self.affines).all():
            raise ValueError("affines must be finite")
        columns, rows = self.affines[:, :3, 0], self.affines[:, :3, 1]
        lengths = np.linalg.norm(columns, axis=1) * np.linalg.norm(rows, axis=1)
        if (lengths <= 0).any() or (np.abs((columns * rows).sum(axis=1)) > 1e-3 * lengths).any():
            raise ValueError("in-plane axes must be orthogonal and not empty")
        object.__setattr__(self, "hu", _frozen(self.hu, np.int16))
        object.__setattr__(self, "affines", _frozen(self.affines, np.float64))
        object.__setattr__(self, "thickness_mm", _frozen(self.thickness_mm, np.float64))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        slices, rows, columns = self.hu.shape
        return slices, rows, columns

    @property
    def pixel_spacing_mm(self) -> tuple[float, float]:
        """Distance between (rows, columns) of the first slice, as DICOM's Pixel Spacing."""
        first = self.affines[0]
        return float(np.linalg.norm(first[:3, 1])), float(np.linalg.norm(first[:3, 0]))

    @property
    def normal(self) -> FloatArray:
        """Unit normal of the first slice, towards the head; shape (3,)."""
        return np.asarray(self.affines[0, :3, 2])

    @cached_property
    def centres_mm(self) -> FloatArray:
        """LPS position of each slice's centre; shape (slices, 3)."""
        _, rows, columns = self.hu.shape
        centre = np.array([(columns - 1) / 2, (rows - 1) / 2, 0.0, 1.0])
        return np.asarray((self.affines @ centre)[:, :3])

    @property
    def positions_mm(self) -> FloatArray:
        """Position of each slice along the normal, ascending; shape (slices,)."""
        return np.asarray(self.affines[:, :3, 3] @ self.normal)

    def nearest_slice(self, place_mm: tuple[float, float, float]) -> int:
        """Index of the slice whose plane lies nearest to an LPS place."""
        return int(np.abs(self.positions_mm - np.asarray(place_mm) @ self.normal).argmin())

    @property
    def tilt_deg(self) -> float:
        """Angle in degrees between the slice planes and the axial plane, from the geometry, signed.

        Positive when the plane falls towards the patient's back.
        """
        normal = self.normal
        return float(np.degrees(np.arctan2(normal[1], normal[2])))


@dataclass(frozen=True)
class SeriesRecord:
    """One series that was found. Carries no identifier: ``number`` counts series within this study."""

    number: int
    modality: str
    n_images: int
    chosen: bool
    reason: str
    description: str | None = None


@dataclass(frozen=True)
class LeftOut:
    """Files that were not used: how many, and why. File names can name a patient and are not kept."""

    reason: str
    count: int


@dataclass(frozen=True)
class StudyReceipt:
    """What was found in the source and what was used.

    ``inferred_intercept`` is ``None`` unless the files were silent on how stored values become HU.
    """

    source_kind: Literal["dicom", "nifti"]
    n_files: int
    series: tuple[SeriesRecord, ...]
    left_out: tuple[LeftOut, ...]
    content_sha256: str
    simulated: bool = False
    manufacturer: str | None = None
    kernel: str | None = None
    kvp: float | None = None
    age_years: float | None = None
    sex: str | None = None
    contrast_agent: str | None = None
    inferred_intercept: float | None = None


@dataclass(frozen=True)
class Finding:
    """One observation about fitness for scoring; ``code`` is stable, ``message`` is for people.

    ``place_mm`` is where to look, in LPS mm, if it has one place.
    """

    code: str
    severity: Severity
    message: str
    place_mm: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class QualityReport:
    """May this scan be scored?"""

    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The severest finding: ``refuse``, ``warn`` or ``ok``."""
        severities = {finding.severity for finding in self.findings}
        if "refuse" in severities:
            return "refuse"
        return "warn" if "warn" in severities else "ok"


@dataclass(frozen=True, eq=False)
class CanonicalGrid:
    """The network's grid in the patient's space.

    ``affine @ (column, row, slice, 1)`` is an LPS position in mm. Columns run to the patient's left, rows to the back,
    slices to the head; the columns' middle is the mid-sagittal plane, so a flip of the last axis mirrors the head.
    """

    shape: tuple[int, int, int]
    affine: FloatArray

    def to_grid(self, points_mm: FloatArray) -> FloatArray:
        """LPS millimetres, shape (..., 3) → (column, row, slice) grid coordinates of the same shape."""
        inverse = np.linalg.inv(self.affine)
        return np.asarray(points_mm @ inverse[:3, :3].T + inverse[:3, 3])

    def to_mm(self, indices: FloatArray) -> FloatArray:
        """(column, row, slice) grid coordinates, shape (..., 3) → LPS millimetres of the same shape."""
        return np.asarray(indices @ self.affine[:3, :3].T + self.affine[:3, 3])

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0


@dataclass(frozen=True, eq=False)
class ModelInput:
    """What the network sees: canonical slices with their channels, and how they were made.

    Attributes
    ----------
    channels : float32, shape (slices, channels, rows, columns)
    brain : bool, shape (slices, rows, columns)
        Brain inside the skull on the same grid.
    grid : CanonicalGrid
    steps : tuple of str
        Each transform with its parameters, in order, for the record.
    """

    channels: NDArray[np.float32]
    brain: NDArray[np.bool_]
    grid: CanonicalGrid
    steps: tuple[str, ...]


@dataclass(frozen=True)
class RiskEstimate:
    """A calibrated probability of hemorrhagic transformation with its interval.

    Attributes
    ----------
    limits : (float, float)
        Beyond these the calibration patients are too few to tell a risk from 0 and from 1: it is shown as under the
        one or over the other. The other values are as computed.
    """

    probability: float
    interval: tuple[float, float]
    interval_method: str
    threshold: float
    prevalence: float
    logit: float
    limits: Limits = (1.0 - SURE, SURE)

    @property
    def shown_interval(self) -> tuple[float, float]:
        """The interval as it may be drawn: an end beyond the limits reaches to 0 or to 1."""
        (low, below), (high, above) = (as_shown(bound, self.limits) for bound in self.interval)
        return 0.0 if below == "<" else low, 1.0 if above == ">" else high

    @property
    def category(self) -> Literal["above threshold", "below threshold"]:
        """On which side of the decision threshold the probability lies."""
        return "above threshold" if self.probability >= self.threshold else "below threshold"


@dataclass(frozen=True)
class SliceContribution:
    """What one original slice adds to the logit; ``z_mm`` is the LPS z of the slice's centre."""

    index: int
    z_mm: float
    contribution: float


@dataclass(frozen=True)
class RegionContribution:
    """What one side's brain region adds to the logit, against the tissue of its mirror image.

    ``probability_if_mirrored`` is the calibrated risk of the same scan where this region alone looks like its
    counterpart on the other side.
    """

    name: str
    side: Side
    contribution: float
    probability_if_mirrored: float | None = None


@dataclass(frozen=True)
class LesionMeasure:
    """The lesion head's finding at its own cut-off.

    Attributes
    ----------
    side : the patient's, that which holds most of it; ``None`` where nothing was found
    left_ml, right_ml : the patient's sides, together ``volume_ml``; ``None`` where they were not measured
    """

    volume_ml: float
    side: Side | None
    peak_mm: tuple[float, float, float] | None
    left_ml: float | None = None
    right_ml: float | None = None


EVIDENCE_TOP = 0.05
"""Where the colours of the evidence map end, in log-odds per millilitre and the same for every scan.

At this, 14 mL of tissue double the odds of bleeding. In scans with much evidence the maximum is 0.07 to 0.13, so that
strong evidence has the full colour; in scans that score low, 99% of the head stay below a fifth of it.
"""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Why: maps on the canonical grid (bring them back with ``transforms.reproject``) and summaries.

    Attributes
    ----------
    evidence_map : float32, shape of the grid
        HiResCAM: each voxel's signed share of the logit, per millilitre of tissue.
    lesion_map : float32, shape of the grid
        Probability of acute infarct, 0–1.
    slices : contributions of the original slices; with ``bias`` they add up to the logit.
    regions : those of a side add up to the logit less that of a head whose side looks like the other one.
    sides_disagree : the map's evidence and the lesion lie on different sides of the head.
    """

    grid: CanonicalGrid
    evidence_map: NDArray[np.float32]
    lesion_map: NDArray[np.float32]
    slices: tuple[SliceContribution, ...]
    regions: tuple[RegionContribution, ...]
    lesion: LesionMeasure
    bias: float
    sides_disagree: bool = False


@dataclass(frozen=True)
class NearCase:
    """A scan of the validation set that the network sees as like this one; ``scan_id`` is the bundle's own number."""

    scan_id: str
    ht: bool
    probability: float


@dataclass(frozen=True)
class Familiarity:
    """How this scan compares with the validation set in the network's eyes.

    Attributes
    ----------
    farther_than : float
        Share of the validation scans, 0–1, that lie closer to the middle of them all than this scan.
    nearest : the most alike, nearest first.
    itself : the validation scan that this scan is; then the others of its patient are not compared with either.
    """

    farther_than: float
    nearest: tuple[NearCase, ...]
    itself: str | None = None

    @property
    def less_usual_than(self) -> str:
        """``farther_than`` in words; no share below 1 rounds up to all, and none above 0 down to none."""
        whole = round(100 * self.farther_than)
        if whole == 100:
            return "all of" if self.farther_than == 1 else "more than 99% of"
        if whole == 0:
            return "none of" if self.farther_than == 0 else "less than 1% of"
        return f"{whole}% of"


@dataclass(frozen=True)
class CovariateContribution:
    """What the image or one covariate adds to the log-odds of the joint risk, against the average patient."""

    name: str
    value: float
    contribution: float


@dataclass(frozen=True)
class ClinicalRisk:
    """The risk from the image and what is known of the patient.

    Attributes
    ----------
    probability, base : float
        The risk, and that of an average patient with an average image.
    parts : the image first; their contributions add up to the difference of the two in log-odds.
    """

    probability: float
    base: float
    parts: tuple[CovariateContribution, ...]

    def interval(self, risk: RiskEstimate) -> tuple[float, float]:
        """That of the scan's own ``risk`` at the same prevalence, moved along with it in log-odds.

        That the weights of the clinical data are estimates too is not in it.
        """
        odds = self.probability / (1 - self.probability) * (1 - risk.probability) / risk.probability
        low, high = (bound * odds / (1 - bound + bound * odds) for bound in risk.interval)
        return low, high


@dataclass(frozen=True)
class ModelIdentity:
    """Which model spoke.

    Attributes
    ----------
    simulated : bool
        Whether its weights come from simulated scans, or some of what they come from.
    calibrated_on_patients : bool
        Whether its calibration was fitted on scans of patients alone.
    """

    id: str
    weights_sha256: str
    training_data: str
    simulated: bool
    calibrated_on_patients: bool = False

    @property
    def score_simulated(self) -> bool:
        """Whether what its score means is known of simulated scans alone."""
        return self.simulated and not self.calibrated_on_patients


@dataclass(frozen=True, eq=False)
class Assessment:
    """Everything known about one study: the one value that page, command line and report take.

    ``risk``, ``evidence`` and ``model`` are ``None`` when quality refused the scan; ``familiarity`` also where the
    model brings no embedding of its validation scans.
    """

    volume: Volume
    receipt: StudyReceipt
    quality: QualityReport
    risk: RiskEstimate | None = None
    evidence: Evidence | None = None
    model: ModelIdentity | None = None
    device: str = "cpu"
    timing_ms: dict[str, float] = field(default_factory=dict)
    familiarity: Familiarity | None = None
    clinical: ClinicalRisk | None = None
