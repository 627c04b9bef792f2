"""Why a scan scored as it did."""

from htcore.explain.evidence import explain
from htcore.explain.shapley import region_contributions

__all__ = ["explain", "region_contributions"]
