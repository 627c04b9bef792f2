"""What the network is given: the channels that ``htcore.transforms`` makes of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

REFERENCE_HU = 33.0  # the brain's median is moved here: scanners differ by several HU

Kind = Literal["pixel", "tissue", "difference", "other"]


@dataclass(frozen=True)
class Channel:
    """One of the network's inputs.

    Attributes
    ----------
    name : str
    kind : Kind
        ``pixel``: HU of each voxel in a window, 0–1; ``tissue``: HU of tissue about ``REFERENCE_HU``, averaged over
        some 8 mm, 0 where too little of it is there; ``difference``: of a tissue channel from its mirror image;
        ``other``: no HU.
    hu : float
        HU of one unit; 1 where ``kind`` is ``other``.
    low, high : float
    """

    name: str
    kind: Kind
    hu: float
    low: float
    high: float


CHANNELS = (
    Channel("stroke window", "pixel", 40.0, 0.0, 1.0),
    Channel("brain window", "pixel", 80.0, 0.0, 1.0),
    Channel("dense artery", "other", 1.0, 0.0, 1.0),
    Channel("smoothed tissue", "tissue", 10.0, -2.0, 2.0),
    Channel("mirrored difference", "difference", 10.0, -2.0, 2.0),
    Channel("brain", "other", 1.0, 0.0, 1.0),
    Channel("bright tissue", "tissue", 10.0, -2.0, 2.0),
    Channel("mirrored difference of bright tissue", "difference", 10.0, -2.0, 2.0),
    Channel("mirrored difference of dark tissue", "difference", 10.0, -2.0, 2.0),
    Channel("fluid", "other", 1.0, 0.0, 1.0),
    Channel("mirrored difference of fluid", "other", 1.0, -1.0, 1.0),
)
"""In the order of the network's input. Bright tissue is mostly grey matter, dark tissue white: each beside its mirror
image shows an infarct that the mean of both hides where gyri differ; so does a mean whose share of fluid is known."""


def channel(name: str) -> int:
    """Place of a channel by its name."""
    return [entry.name for entry in CHANNELS].index(name)


BRAIN = channel("brain")
MIRRORED = tuple(place for place, entry in enumerate(CHANNELS) if entry.name.startswith("mirrored difference"))
"""Channels that compare the two sides: 0 where they are alike."""
