"""Value objects drawn as plotly figures; nothing here computes a result."""

from __future__ import annotations

from htcore.plots.gauge import gauge

__all__ = ["gauge"]
