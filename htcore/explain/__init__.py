"""Why a scan scored as it did."""

from htcore.explain.evidence import explain

__all__ = ["explain"]
