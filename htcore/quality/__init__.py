"""May this scan be scored?"""

from htcore.quality.gate import check
from htcore.quality.thresholds import (
    ADULT_YEARS,
    MAX_BRAIN_HU,
    MAX_NOISE_HU,
    MAX_THICKNESS_MM,
    MIN_BRAIN_HU,
    MIN_COVERAGE_MM,
    MIN_SLICES,
    VERSION,
)

__all__ = [
    "ADULT_YEARS",
    "MAX_BRAIN_HU",
    "MAX_NOISE_HU",
    "MAX_THICKNESS_MM",
    "MIN_BRAIN_HU",
    "MIN_COVERAGE_MM",
    "MIN_SLICES",
    "VERSION",
    "check",
]
