"""How makers of scanners write their files: names, signs, offsets, order. A simulated scan follows one of them.

The habits are those seen in public data sets and conformance statements; whatever the maker, Image Type and model name
say SIMULATED.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Packing = Literal["explicit", "implicit", "rle", "jpeg-ls"]


@dataclass(frozen=True)
class Vendor:
    """One maker's habits.

    Attributes
    ----------
    key : short name for tables.
    image_type : (0008,0008) before the word SIMULATED.
    kernels : soft-tissue kernels with the spatial frequency per mm at which each falls off.
    signed, bits, intercept : how HU are stored.
    padding : stored value outside the round field of view, ``None`` where the square is filled.
    tilt_sign : sign of (0018,1120) where the plane falls towards the back.
    head_first : instance 1 is the slice nearest the vertex.
    file_name : pattern with ``number``.
    """

    key: str
    manufacturer: str
    model: str
    image_type: tuple[str, ...]
    kernels: tuple[tuple[str, float], ...]
    signed: bool
    bits: int
    intercept: int
    padding: int | None
    tilt_sign: int
    head_first: bool
    file_name: str

    @property
    def padding_hu(self) -> int | None:
        """What padding reads as HU: below any matter."""
        return None if self.padding is None else self.padding + self.intercept

    @property
    def limits_hu(self) -> tuple[int, int]:
        """Least and greatest HU that the stored type holds and ``Volume`` too."""
        low = -(1 << (self.bits - 1)) if self.signed else 0
        return max(low + self.intercept, -32768), min(low + (1 << self.bits) - 1 + self.intercept, 32767)


_AXIAL = ("ORIGINAL", "PRIMARY", "AXIAL")
VENDORS = (
    Vendor(
        key="GE",
        manufacturer="GE MEDICAL SYSTEMS",
        model="SIMULATED LightSpeed",
        image_type=_AXIAL,
        kernels=(("SOFT", 0.33), ("STANDARD", 0.40)),
        signed=True,
        bits=16,
        intercept=-1024,
        padding=-2000,
        tilt_sign=1,
        head_first=False,
        file_name="i{number:07d}.dcm",
    ),
    Vendor(
        key="GE, older",
        manufacturer="GE MEDICAL SYSTEMS",
        model="SIMULATED HiSpeed",
        image_type=(*_AXIAL, "ADD"),
        kernels=(("SOFT", 0.32), ("STD+", 0.42)),
        signed=True,
        bits=16,
        intercept=0,
        padding=-1500,
        tilt_sign=1,
        head_first=False,
        file_name="{number:04d}.dcm",
    ),
    Vendor(
        key="Siemens",
        manufacturer="SIEMENS",
        model="SIMULATED SOMATOM",
        image_type=(*_AXIAL, "CT_SOM5 SEQ"),
        kernels=(("H20s", 0.31), ("H31s", 0.37), ("H40s", 0.45)),
        signed=False,
        bits=12,
        intercept=-1024,
        padding=None,
        tilt_sign=-1,
        head_first=False,
        file_name="IM{number:04d}",
    ),
    Vendor(
        key="Siemens, 16 bits",
        manufacturer="Siemens Healthineers",
        model="SIMULATED SOMATOM 16 bit",
        image_type=(*_AXIAL, "CT_SOM5 SPI"),
        kernels=(("Hr36f", 0.36), ("Hr40f", 0.42)),
        signed=False,
        bits=16,
        intercept=-8192,
        padding=None,
        tilt_sign=-1,
        head_first=True,
        file_name="{number:08d}.ima",
    ),
    Vendor(
        key="Philips",
        manufacturer="Philips",
        model="SIMULATED Brilliance",
        image_type=(*_AXIAL, "HELIX"),
        kernels=(("UA", 0.34), ("UB", 0.40)),
        signed=False,
        bits=12,
        intercept=-1024,
        padding=None,
        tilt_sign=1,
        head_first=True,
        file_name="CT.{number}.dcm",
    ),
    Vendor(
        key="Canon",
        manufacturer="TOSHIBA",
        model="SIMULATED Aquilion",
        image_type=_AXIAL,
        kernels=(("FC21", 0.33), ("FC26", 0.39), ("FC68", 0.46)),
        signed=True,
        bits=16,
        intercept=0,
        padding=None,
        tilt_sign=-1,
        head_first=True,
        file_name="{number:03d}.dcm",
    ),
)


@dataclass(frozen=True)
class FileStyle:
    """How one scan is written: maker, kernel's name and how the pixels are packed."""

    vendor: Vendor
    kernel: str
    kernel_per_mm: float
    packing: Packing = "explicit"


PLAIN = FileStyle(VENDORS[0], *VENDORS[0].kernels[1])


def draw_style(rng: np.random.Generator) -> FileStyle:
    """Draw a maker, one of its kernels and a packing; one file in seven is compressed."""
    vendor = VENDORS[int(rng.choice(len(VENDORS), p=(0.22, 0.12, 0.2, 0.1, 0.18, 0.18)))]
    name, per_mm = vendor.kernels[int(rng.integers(len(vendor.kernels)))]
    packings: tuple[Packing, ...] = ("explicit", "implicit", "rle", "jpeg-ls")
    packing = packings[int(rng.choice(4, p=(0.7, 0.16, 0.07, 0.07)))]
    return FileStyle(vendor, name, per_mm * float(rng.uniform(0.93, 1.07)), packing)
