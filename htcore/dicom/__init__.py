"""From whatever a hospital sends to one exact volume in Hounsfield units."""

from __future__ import annotations

from htcore.dicom.read import read_study

__all__ = ["read_study"]
