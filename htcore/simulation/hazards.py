"""What the quality gate must catch, added to a simulated head on purpose: never part of a cohort.

Blood, contrast agent and metal go into the tissue before the acquisition, so that partial volume, kernel and noise
treat them as the scanner would; streaks and a cut field of view are made in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.simulation.anatomy import Head
from htcore.simulation.atlas import STEP_MM, Atlas, Field, smooth_noise
from htcore.types import Volume

BloodKind = Literal["parenchymal", "subdural", "subarachnoid", "intraventricular"]
MetalKind = Literal["clip", "coil"]
BLOOD_KINDS: tuple[BloodKind, ...] = get_args(BloodKind)
METAL_KINDS: tuple[MetalKind, ...] = get_args(MetalKind)
# Clotted blood by haematocrit, from anaemia to a retracted clot (New & Aronow, Radiology 1976, 121:635).
BLOOD_HU = (50.0, 80.0)


@dataclass(frozen=True)
class Blood:
    """Fresh blood: ``side`` -1 is the patient's right, +1 the left; ``edge_mm`` is the width of its border.

    ``lens_slope`` is how fast a subdural lens thins out, mm of thickness a mm away from its middle: 0.1 is a film of
    2 mL that is 2.5 mm thick and 50 mm wide, 0.3 a lens 5 mm thick and 35 mm wide.

    Raises
    ------
    ValueError
        If the volume or the edge is not positive or the side is neither -1 nor +1.
    """

    kind: BloodKind
    side: int
    volume_ml: float
    hu: float
    edge_mm: float = 2.0
    lens_slope: float = 0.2

    def __post_init__(self) -> None:
        if not self.volume_ml > 0 or not self.edge_mm > 0 or self.side not in (-1, 1):
            raise ValueError("blood needs a positive volume and edge, and -1 or +1 for its side")


@dataclass(frozen=True)
class Contrast:
    """Contrast agent: HU of arteries and sinuses, and HU added to the cortex by its capillaries."""

    vessel_hu: float
    cortex_hu: float = 3.0


@dataclass(frozen=True)
class Metal:
    """An aneurysm clip or a nest of coils near the circle of Willis, with its streaks."""

    kind: MetalKind
    side: int
    radius_mm: float
    streak_hu: float = 40.0


@dataclass(frozen=True)
class Crop:
    """The picture ends ``cut_mm`` inside the skin at one border: 0 left, 1 right, 2 top, 3 bottom."""

    border: int
    cut_mm: float


@dataclass(frozen=True)
class Hazards:
    """What to add to one scan."""

    blood: Blood | None = None
    contrast: Contrast | None = None
    metal: Metal | None = None
    crop: Crop | None = None


@dataclass(frozen=True, eq=False)
class BloodTruth:
    """Blood as it was added: ``volume_ml`` in the person's size, ``mask`` bool on the scan's own grid."""

    blood: Blood
    volume_ml: float
    mask: NDArray[np.bool_]


def draw_blood(rng: np.random.Generator, kind: BloodKind, volume_ml: float) -> Blood:
    """Blood of a wanted kind and volume with a side, a haematocrit and an edge."""
    return Blood(
        kind,
        int(rng.choice([-1, 1])),
        volume_ml,
        float(rng.uniform(*BLOOD_HU)),
        float(rng.uniform(1.0, 4.0)),
        float(rng.uniform(0.1, 0.3)),
    )


def draw_contrast(rng: np.random.Generator) -> Contrast:
    """From a late venous phase (110 HU) to an angiography (350 HU)."""
    return Contrast(float(rng.uniform(110, 350)), float(rng.uniform(2, 6)))


def draw_metal(rng: np.random.Generator) -> Metal:
    """A clip or coils."""
    kind: MetalKind = "clip" if rng.random() < 0.5 else "coil"
    radius = rng.uniform(2.0, 3.0) if kind == "clip" else rng.uniform(3.0, 6.0)
    return Metal(kind, int(rng.choice([-1, 1])), float(radius), float(rng.uniform(15, 60)))


def draw_crop(rng: np.random.Generator) -> Crop:
    """A border of the picture that cuts through scalp and skull."""
    return Crop(int(rng.integers(4)), float(rng.uniform(4, 14)))


@dataclass(frozen=True, eq=False)
class Added:
    """Tissue with hazards in it, the blood's share 0–1, both (x, y, z), and its volume in mL."""

    tissue: Field
    share: Field
    blood_ml: float


def add_to_tissue(rng: np.random.Generator, hazards: Hazards, head: Head, tissue: Field, atlas: Atlas) -> Added:
    """Put blood, contrast agent and metal into ``tissue``, (x, y, z)."""
    out, share = tissue, np.zeros(atlas.shape, dtype=np.float32)
    if hazards.contrast is not None:
        out = _enhanced(hazards.contrast, head, out, atlas)
    if hazards.blood is not None:
        share = blood_share(rng, hazards.blood, head, atlas)
        # Blood settles and clots unevenly: a few HU of texture.
        clot = np.float32(hazards.blood.hu) + 2.0 * smooth_noise(rng, 3.0)
        replaced = out if hazards.blood.kind in ("parenchymal", "subdural") else _fluid_hu(head)
        out = out + share * (clot - replaced)
    if hazards.metal is not None:
        out = np.where(_distance(atlas, _metal_place(hazards.metal)) < hazards.metal.radius_mm, np.float32(9000), out)
    return Added(np.asarray(out, dtype=np.float32), share, blood_ml(share, head))


def blood_share(rng: np.random.Generator, blood: Blood, head: Head, atlas: Atlas) -> Field:
    """Share of blood a voxel, 0–1, (x, y, z): the places nearest to a seed by a rough cost, until the volume is full.

    The cost decides the form: a rough ball in the brain, a lens under the skull, the fluid of cisterns and sulci, or
    the ventricles, in which blood settles towards the back.
    """
    allowed, cost = _place(rng, blood, head, atlas)
    capacity = allowed * np.float32(STEP_MM**3 * float(np.prod(head.scale)) / 1000)
    low, high = float(cost.min()), float(cost[allowed > 0].max())
    for _ in range(24):
        middle = (low + high) / 2
        full = float((np.clip((middle - cost) / blood.edge_mm + 0.5, 0, 1) * capacity).sum())
        low, high = (middle, high) if full < blood.volume_ml else (low, middle)
    return np.asarray(np.clip((high - cost) / blood.edge_mm + 0.5, 0, 1) * allowed, dtype=np.float32)


def _fluid_hu(head: Head) -> np.float32:
    """HU of this person's cerebrospinal fluid, which is what blood in cisterns and ventricles replaces."""
    return np.float32(np.median(head.tissue[head.csf > 0.9]))


def blood_ml(share: Field, head: Head) -> float:
    """Millilitres of a share on the atlas grid in the person's own size."""
    return float(share.sum(dtype=np.float64)) * STEP_MM**3 * float(np.prod(head.scale)) / 1000


def _place(rng: np.random.Generator, blood: Blood, head: Head, atlas: Atlas) -> tuple[Field, Field]:
    """Where blood may be, 0–1, and the cost in mm by which it fills."""
    x, y, z = atlas.axes()
    own = x * -blood.side
    brain = (atlas.gm + atlas.wm > 0.5) & (z > -45)
    rough = np.float32(2.0) * smooth_noise(rng, 4.0) + smooth_noise(rng, 2.0)
    if blood.kind == "parenchymal":
        seat = brain & (atlas.envelope < -10) & (own > 8) & (head.csf < 0.4)
        cost = _distance(atlas, _seed(rng, seat, atlas), tuple(rng.uniform(0.75, 1.3, 3))) + rough
        return np.asarray((atlas.envelope < -2) & (own > 0), dtype=np.float32), cost
    if blood.kind == "subdural":
        # A lens: the depth under the skull costs more than the way along it.
        seat = (np.abs(atlas.envelope + 1) < 1.5) & (own > 30) & (z > -5) & (z < 50)
        along = _distance(atlas, _seed(rng, seat, atlas))
        cost = np.float32(blood.lens_slope) * along + np.clip(-atlas.envelope, 0, None) + np.float32(0.3) * rough
        return np.asarray((atlas.envelope < head.rim_mm) & (own > 3) & (along < 75), dtype=np.float32), cost
    if blood.kind == "subarachnoid":
        fluid = np.clip(head.csf * 1.2, 0, 1) * (atlas.ventricle > 3) * (atlas.envelope < -1) * (own > -4)
        seat = (fluid > 0.7) & (atlas.envelope < -5) & (z > -35) & (own > 2)
        return fluid.astype(np.float32), _distance(atlas, _seed(rng, seat, atlas)) + rough
    # Blood settles in the occipital horns, and crosses to the other side when its own is full.
    inside = np.clip(head.csf * 1.1, 0, 1) * (atlas.ventricle < 5) * (z > -10)
    return inside.astype(np.float32), np.asarray(y + 60 + rough + 40 * (own < -2), dtype=np.float32)


def _seed(rng: np.random.Generator, seat: NDArray[np.bool_], atlas: Atlas) -> tuple[float, float, float]:
    flat = np.flatnonzero(np.broadcast_to(seat, atlas.shape))
    i, j, k = np.unravel_index(int(flat[rng.integers(flat.size)]), atlas.shape)
    ox, oy, oz = atlas.origin
    return ox + STEP_MM * int(i), oy + STEP_MM * int(j), oz + STEP_MM * int(k)


def _distance(atlas: Atlas, place: tuple[float, float, float], stretch: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Field:
    """Distance in mm from a place, the axes stretched, (x, y, z)."""
    square = sum(
        ((axis - np.float32(at)) * np.float32(by)) ** 2
        for axis, at, by in zip(atlas.axes(), place, stretch, strict=True)
    )
    return np.sqrt(np.asarray(square, dtype=np.float32))


def _metal_place(metal: Metal) -> tuple[float, float, float]:
    """The bifurcation of the middle cerebral artery, where clips and coils sit."""
    return (-30.0 * metal.side, 2.0, -14.0)


def _enhanced(contrast: Contrast, head: Head, tissue: Field, atlas: Atlas) -> Field:
    """Enhanced vessels (arteries of the circle of Willis, sinuses, deep veins) and cortex."""
    x, y, z = atlas.axes()
    lateral = np.abs(x)
    trunk = (np.hypot(z + 16 - 0.1 * lateral, y - 2 - 0.15 * lateral) < 1.8) & (lateral > 6) & (lateral < 36)
    carotid = (np.hypot(lateral - 9, y - 4) < 2.2) & (z > -34) & (z < -15)
    basilar = (np.hypot(x, y + 17) < 1.8) & (z > -36) & (z < -16)
    anterior = (np.hypot(lateral - 1.5, y - 22 - 0.35 * (z + 12)) < 1.4) & (z > -14) & (z < 40) & (atlas.envelope < -4)
    sagittal = (lateral < 4) & (np.abs(atlas.envelope + 2.5) < 2.5) & (z > -5) & ((y < 20) | (z > 50))
    transverse = (np.abs(atlas.envelope + 2.5) < 3) & (np.abs(z + 22) < 4) & (y < -45)
    straight = (lateral < 2) & (np.abs(z - 8 - 0.6 * (y + 45)) < 2.5) & (y < -42) & (y > -85)
    vessels = trunk | carotid | basilar | anterior | sagittal | transverse | straight
    cortex = np.float32(contrast.cortex_hu) * atlas.gm * (1 - head.csf)
    return np.asarray(np.where(vessels, np.float32(contrast.vessel_hu), tissue + cortex), dtype=np.float32)


def spoil_picture(
    hazards: Hazards, volume: Volume, mask: NDArray[np.bool_], added: Added, blood_mask: NDArray[np.bool_]
) -> tuple[Volume, NDArray[np.bool_], BloodTruth | None]:
    """The scan with metal's streaks and the cut field of view, its masks cut alike, and what is true of the blood."""
    if hazards.metal is not None:
        volume = _streaked(hazards.metal, volume)
    if hazards.crop is not None:
        rows, columns = window_of(hazards.crop, volume)
        affines = volume.affines.copy()
        affines[:, :3, 3] += columns.start * affines[:, :3, 0] + rows.start * affines[:, :3, 1]
        volume = Volume(np.ascontiguousarray(volume.hu[:, rows, columns]), affines, volume.thickness_mm)
        mask, blood_mask = mask[:, rows, columns], blood_mask[:, rows, columns]
    blood = None if hazards.blood is None else BloodTruth(hazards.blood, added.blood_ml, blood_mask)
    return volume, mask, blood


def _streaked(metal: Metal, volume: Volume) -> Volume:
    """Rays of alternating sign from the metal, fading with the distance, in the slices that hold it."""
    hu = volume.hu.astype(np.float32)
    rows_mm, columns_mm = volume.pixel_spacing_mm
    for k in np.flatnonzero((volume.hu > 2500).sum(axis=(1, 2)) > 0):
        row, column = (float(index.mean()) for index in np.nonzero(volume.hu[k] > 2500))
        dy = (np.arange(hu.shape[1])[:, None] - row) * rows_mm
        dx = (np.arange(hu.shape[2])[None, :] - column) * columns_mm
        distance = np.hypot(dx, dy)
        rays = np.cos(7 * np.arctan2(dy, dx)) * metal.streak_hu * np.exp(-distance / 35)
        hu[k] += rays * (volume.hu[k] > -300) * (distance > metal.radius_mm)
    # What lies below any matter is padding and stays.
    out = np.where(volume.hu < -1024, volume.hu, np.clip(np.rint(hu), -1024, 3071)).astype(np.int16)
    return Volume(out, volume.affines, volume.thickness_mm)


def window_of(crop: Crop, volume: Volume) -> tuple[slice, slice]:
    """Rows and columns that are left when one border lies ``cut_mm`` inside the head's widest outline."""
    # Opened, so that the headrest's thin shell is not the outline.
    thick = round(8.0 / min(volume.pixel_spacing_mm))
    body = ndimage.binary_opening((volume.hu > -300).mean(axis=0) > 0.25, iterations=thick)
    across = crop.border < 2
    held = np.flatnonzero(body.any(axis=0 if across else 1))
    cut = max(1, round(crop.cut_mm / volume.pixel_spacing_mm[1 if across else 0]))
    size = body.shape[1 if across else 0]
    kept = slice(int(held[0]) + cut, size) if crop.border in (0, 2) else slice(0, int(held[-1]) + 1 - cut)
    whole = slice(0, body.shape[0 if across else 1])
    return (whole, kept) if across else (kept, whole)
