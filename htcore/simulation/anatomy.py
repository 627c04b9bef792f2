"""One person: how their head differs from the average one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.simulation.atlas import STEP_MM, Atlas, Field, sheet_distance, smooth_noise, soft_edge
from htcore.simulation.mimics import Mimics, calcify, draw_mimics, old_damage, tumour

_GYRUS_VOXELS = 1.7
"""Correlation of the sulcal pattern: a sulcus about every 15 mm along the surface."""
_RIBBON_MM = 2.6
WARP_STEP = 5
"""Atlas voxels between the nodes of the warp."""


@dataclass(frozen=True)
class PersonParameters:
    """What makes a head: fractions 0–1 for age-related changes, HU for tissues, mm for lengths."""

    scale: tuple[float, float, float]
    warp_mm: float
    atrophy: float
    leukoaraiosis: float
    bend_mm: float
    grey_hu: float
    white_hu: float
    csf_hu: float
    skull_mm: float
    mimics: Mimics


@dataclass(frozen=True, eq=False)
class Head:
    """A person on the atlas grid; fields float32 (x, y, z).

    ``tissue`` HU inside the skull, ``white`` the share of white matter 0–1, ``rim_mm`` thickness of fluid under the
    skull, ``skull_mm`` thickness of the skull, ``face`` HU outside it; ``warp_mm`` (nodes, 3) moves a point of the
    person to the atlas.
    """

    scale: tuple[float, float, float]
    tissue: Field
    white: Field
    csf: Field
    rim_mm: float
    skull_mm: Field
    face: Field
    warp_mm: Field


def draw_person(rng: np.random.Generator, atrophy: float, leukoaraiosis: float) -> PersonParameters:
    """Draw a head that shows the given age-related changes."""
    size = rng.normal(0.925, 0.03)
    sx, sy, sz = (float(np.clip(size + more + rng.normal(0, 0.025), 0.84, 1.04)) for more in (0.02, 0.0, 0.0))
    white = float(rng.normal(29.4, 1.4))
    return PersonParameters(
        scale=(sx, sy, sz),
        warp_mm=float(rng.uniform(2.0, 4.2)),
        atrophy=atrophy,
        leukoaraiosis=leukoaraiosis,
        bend_mm=float(rng.normal(0, 1.5)),
        grey_hu=white + float(rng.normal(8.4, 0.9)),
        white_hu=white,
        csf_hu=float(rng.uniform(4, 11)),
        skull_mm=float(rng.uniform(4.3, 7.3)),
        mimics=draw_mimics(rng),
    )


def build_head(rng: np.random.Generator, person: PersonParameters, atlas: Atlas) -> Head:
    """Turn parameters into tissue: sulci, ventricles, white-matter change, distractors, skull and warp."""
    x, _, _ = atlas.axes()
    csf, white = _cortex(rng, person, atlas)
    fluid, widen = old_damage(rng, person.mimics, atlas)
    widen += np.where(x < 0, 1.0, -1.0).astype(np.float32) * np.float32(person.mimics.ventricle_asymmetry_mm)
    widen += np.float32(-0.6 + 8.5 * person.atrophy**1.4)
    csf = np.maximum(csf, soft_edge(widen + 0.4 * smooth_noise(rng, 4.0) - atlas.ventricle))
    tissue = person.grey_hu + (person.white_hu - person.grey_hu) * white
    tissue -= _leukoaraiosis(rng, person, atlas, white)
    tissue += patches(rng)
    if person.mimics.tumour:
        tissue += tumour(rng, atlas, white)
    csf = np.maximum(csf, fluid)
    tissue = tissue * (1 - csf) + person.csf_hu * csf
    _vessels(tissue, rng, atlas)
    _dura(tissue, atlas, rng)
    calcify(tissue, rng, person.mimics, atlas)
    sinus = _frontal_sinus(rng, atlas)
    skull = np.where(sinus, np.float32(2.2), _skull(rng, person, atlas))
    return Head(
        person.scale,
        tissue.astype(np.float32),
        white,
        csf.astype(np.float32),
        float(0.3 + 2.2 * person.atrophy),
        skull,
        _face(rng, atlas, sinus),
        _warp(rng, person, atlas),
    )


def patches(rng: np.random.Generator) -> Field:
    """HU by which tissue differs from place to place without disease."""
    return np.asarray(0.8 * smooth_noise(rng, 2.0) + 0.5 * smooth_noise(rng, 8.0), dtype=np.float32)


def _cortex(rng: np.random.Generator, person: PersonParameters, atlas: Atlas) -> tuple[Field, Field]:
    """Shares of fluid and of white matter: the average brain sharpened by this person's own gyri.

    Sulci are the zero sheets of noise that is constant along the way to the skull, so that they cut inwards; the
    cortex is a ribbon of ``_RIBBON_MM`` beside them and under the skull.
    """
    sheet_mm = sheet_distance(rng, _GYRUS_VOXELS).ravel()[atlas.nearest] + 0.6 * smooth_noise(rng, 2.0)
    depth = -atlas.envelope
    varied = smooth_noise(rng, 6.0)
    reach = 15.0 + 4.5 * varied
    cerebrum = atlas.axes()[2] > -22
    in_shell = soft_edge((reach - depth) / 3.0) * cerebrum
    width = np.float32(0.1 + 1.1 * person.atrophy) + np.float32(0.35) * varied
    own = soft_edge((width - sheet_mm + 0.6) / 0.9) * in_shell
    average = np.clip((atlas.csf - 0.1) * (1.1 + 1.2 * person.atrophy), 0, 1)
    csf = np.maximum(average, 0.95 * own)
    ribbon = 1 - soft_edge((np.minimum(sheet_mm - np.maximum(width, 0), depth - 1.0) - _RIBBON_MM) / 1.3)
    gyral = np.clip(2.6 * atlas.wm, 0, 1) * (1 - ribbon)
    deep = np.clip((atlas.wm - 0.5) * 2.6 + 0.5, 0, 1)
    white = deep + (gyral - deep) * in_shell
    return csf.astype(np.float32), white.astype(np.float32)


def _leukoaraiosis(rng: np.random.Generator, person: PersonParameters, atlas: Atlas, white: Field) -> Field:
    near = np.exp(-np.clip(atlas.ventricle, 0, 60) / np.float32(4 + 9 * person.leukoaraiosis))
    patchy = np.clip(0.75 + 0.4 * smooth_noise(rng, 3.0), 0, 1.6)
    return np.asarray(8.0 * person.leukoaraiosis * near * patchy * white * (atlas.axes()[2] > -15), dtype=np.float32)


def tentorium_height(x: Field, y: Field) -> Field:
    """MNI z in mm of the tentorium: highest at the midline, falling to the sides and the back."""
    lateral = np.abs(x)
    return np.asarray(-18 - 0.22 * np.maximum(0, -60 - y) + 0.1 * np.maximum(0, 30 - lateral), dtype=np.float32)


def _dura(tissue: Field, atlas: Atlas, rng: np.random.Generator) -> None:
    """Falx, tentorium and venous sinuses, in place: sheets and channels that are a little denser than brain."""
    x, y, z = atlas.axes()
    middle = np.abs(x - np.float32(rng.normal(0, 0.8)))
    near = (atlas.envelope < 2) & (atlas.envelope > -38)
    falx = (middle < 1.6) & (z > 12) & near & ~((y < 38) & (z < 30) & (y > -45))
    sheet = np.abs(z - tentorium_height(x, y)) < 1.3
    tent = sheet & (y < -34) & (np.hypot(x, y + 34) > 22) & (atlas.envelope < 0)
    for where, strength in ((falx, 0.6), (tent, 0.35)):
        tissue[where] += strength * np.maximum(rng.uniform(40, 54) - tissue[where], 0)
    blood = rng.uniform(40, 54)
    superior = (np.abs(x) < 4) & (atlas.envelope > -5) & (atlas.envelope < 2) & (z > 5) & ((y < 0) | (z > 50))
    straight = np.hypot(x, z - 2 - 0.36 * (y + 45)) < 2.2
    straight = straight & (y < -42) & (atlas.envelope < 0)
    transverse = (np.abs(z + 22) < 4.5) & (atlas.envelope > -5) & (atlas.envelope < 2) & (y < -50)
    dominance = float(rng.uniform(-1, 1))
    transverse = transverse & ((x * dominance > -20) | (np.abs(z + 22) < 2.0))
    tissue[superior | straight | transverse] = blood


def _vessels(tissue: Field, rng: np.random.Generator, atlas: Atlas) -> None:
    """Basilar and both middle cerebral arteries with ordinary blood, in place."""
    x, y, z = atlas.axes()
    along = np.abs(x)
    basilar = (np.hypot(x, y + 16) < 2.0) & (z > -36) & (z < -14)
    middle = np.sqrt((z + 16 - 0.1 * along) ** 2 + (y - 2 - 0.15 * along) ** 2) < 1.9
    tubes = basilar | (middle & (along > 8) & (along < 30))
    tissue[tubes] = np.maximum(tissue[tubes], rng.uniform(34, 43))


def _skull(rng: np.random.Generator, person: PersonParameters, atlas: Atlas) -> Field:
    """Thickness in mm: uneven, its outside round, thin over the orbits and round the sphenoid sinus."""
    x, y, z = atlas.axes()
    uneven = smooth_noise(rng, 3.0)
    skull = np.clip(person.skull_mm + 1.2 * smooth_noise(rng, 8.0) + 0.4 * uneven, 2.5, 12) + atlas.bulge
    base = (z < -20) & (y < 5)
    skull += np.where(base, 1.5 * np.abs(uneven), 0)
    thin = (z < -10) & (np.abs(x) < 52) & (y > 24) & (atlas.envelope < 30)
    sella = (z < -14) & (np.abs(x) < 16) & (y > -8) & (y < 34)
    return np.where((thin & (y < 78)) | sella, 2.2, skull).astype(np.float32)


def _frontal_sinus(rng: np.random.Generator, atlas: Atlas) -> NDArray[np.bool_]:
    """Where the frontal bone holds air: uneven on the two sides, small or missing in some."""
    x, y, z = atlas.axes()
    width = np.where(x < 0, rng.uniform(2, 22), rng.uniform(2, 22))
    return np.asarray((np.abs(x) < width) & (y > 55) & (z > -26) & (z < rng.uniform(-16, -2)))


def _face(rng: np.random.Generator, atlas: Atlas, sinus: NDArray[np.bool_]) -> Field:
    """HU outside the skull: scalp fat, muscle parted by planes of fat, trabeculae and air cells at the base."""
    x, y, z = atlas.axes()
    texture = smooth_noise(rng, 1.5)
    planes = sheet_distance(rng, 2.5)
    soft = atlas.face == 50.0
    fat = soft & ((planes < 1.5) | (atlas.skin > -7))
    face = np.where(fat, -95 + 12 * texture, atlas.face + 4 * texture)
    bony = soft & (z < -28) & (atlas.envelope < 14) & (y < 30) & (planes > 3.0)
    face = np.where(bony, 500 + 250 * texture, face)
    face = np.where(atlas.face == 300.0, np.where(texture > 0.2, 900.0, -500.0), face)
    scalp = atlas.face == 25.0
    face = np.where(scalp, rng.uniform(-85, -25) + 25 * texture, face)
    temporalis = scalp & (np.abs(x) > 48) & (y > -35) & (y < 52) & (z < 30) & (atlas.skin < -4)
    face = np.where(temporalis, 45 + 10 * texture, face)
    face = np.where(sinus & (atlas.envelope < 10), 1000.0, face)
    hollow = sinus & (atlas.envelope < 7.5) & (np.abs(x - 1) > 1.5)
    return np.where(hollow, -850.0, face).astype(np.float32)


def _warp(rng: np.random.Generator, person: PersonParameters, atlas: Atlas) -> Field:
    """Smooth displacement in mm at the nodes, shape (nx, ny, nz, 3)."""
    nodes = tuple(-(-n // WARP_STEP) + 1 for n in atlas.shape)
    noise = rng.standard_normal((*nodes, 3))
    smooth = ndimage.gaussian_filter(noise, (3.4, 3.4, 3.4, 0), mode="nearest")
    warp = person.warp_mm * smooth / smooth.std()
    front_to_back = (np.arange(nodes[1]) * WARP_STEP * STEP_MM + atlas.origin[1] + 18) / 85
    warp[..., 0] += person.bend_mm * (front_to_back**2 + front_to_back)[None, :, None]
    return np.asarray(warp, dtype=np.float32)
