"""One person: how their head differs from the average one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.simulation.atlas import STEP_MM, Atlas, Field, smooth_noise

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
    ventricle_asymmetry_mm: float
    grey_hu: float
    white_hu: float
    csf_hu: float
    skull_mm: float
    calcified_choroid: bool
    calcified_ganglia: bool
    old_infarcts: int
    lacunes: int
    tumour: bool


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
    sx, sy, sz = (float(np.clip(size + rng.normal(0, 0.02), 0.84, 1.02)) for _ in range(3))
    white = float(rng.normal(29.4, 1.4))
    return PersonParameters(
        scale=(sx, sy, sz),
        warp_mm=float(rng.uniform(2.0, 4.2)),
        atrophy=atrophy,
        leukoaraiosis=leukoaraiosis,
        ventricle_asymmetry_mm=float(rng.normal(0, 0.8)),
        grey_hu=white + float(rng.normal(8.4, 0.9)),
        white_hu=white,
        csf_hu=float(rng.uniform(4, 11)),
        skull_mm=float(rng.uniform(5.0, 8.0)),
        calcified_choroid=bool(rng.random() < 0.5),
        calcified_ganglia=bool(rng.random() < 0.12),
        old_infarcts=int(rng.random() < 0.12),
        lacunes=int(rng.poisson(0.3 + 1.2 * leukoaraiosis)),
        tumour=bool(rng.random() < 0.02),
    )


def build_head(rng: np.random.Generator, person: PersonParameters, atlas: Atlas) -> Head:
    """Turn parameters into tissue: sulci, ventricles, white-matter change, distractors, skull and warp."""
    x, y, z = atlas.axes()
    csf, white = _cortex(rng, person, atlas)
    side = np.where(x < 0, 1.0, -1.0).astype(np.float32) * np.float32(person.ventricle_asymmetry_mm)
    widen = np.float32(-0.6 + 8.5 * person.atrophy**1.4) + side
    csf = np.maximum(csf, _soft((widen + 0.25 * smooth_noise(rng, 4.0) - atlas.ventricle) / 1.0))
    tissue = person.grey_hu + (person.white_hu - person.grey_hu) * white
    tissue -= _leukoaraiosis(rng, person, atlas, white)
    tissue += 0.9 * smooth_noise(rng, 2.0)
    csf = np.maximum(csf, _old_damage(rng, person, atlas, csf))
    if person.tumour:
        tissue += _tumour(rng, atlas)
    tissue = tissue * (1 - csf) + person.csf_hu * csf
    _midline_and_sinuses(tissue, csf, atlas, rng)
    _calcify(tissue, rng, person, atlas)
    skull = np.clip(person.skull_mm + 1.4 * smooth_noise(rng, 8.0) + 0.5 * smooth_noise(rng, 3.0), 2.5, 12)
    skull = np.where((z < -20) & (y < 30), skull + 1.5 * np.abs(smooth_noise(rng, 3.0)), skull)
    return Head(
        person.scale,
        tissue.astype(np.float32),
        white,
        csf.astype(np.float32),
        float(0.3 + 2.2 * person.atrophy),
        skull.astype(np.float32),
        _face(rng, atlas),
        _warp(rng, person, atlas),
    )


def _soft(value: Field) -> Field:
    return np.asarray(np.clip(value * 0.5 + 0.5, 0, 1), dtype=np.float32)


def _cortex(rng: np.random.Generator, person: PersonParameters, atlas: Atlas) -> tuple[Field, Field]:
    """Shares of fluid and of white matter: the average brain sharpened by this person's own gyri.

    Sulci are the zero sheets of noise that is constant along the way to the skull, so that they cut inwards; the
    cortex is a ribbon of ``_RIBBON_MM`` beside them and under the skull.
    """
    pattern = smooth_noise(rng, _GYRUS_VOXELS).ravel()[atlas.nearest]
    sheet_mm = np.abs(pattern + 0.3 * smooth_noise(rng, 2.0)) * np.float32(2.3 * _GYRUS_VOXELS)
    depth = -atlas.envelope
    varied = smooth_noise(rng, 6.0)
    reach = 15.0 + 4.5 * varied
    cerebrum = atlas.axes()[2] > -22
    in_shell = _soft((reach - depth) / 3.0) * cerebrum
    width = np.float32(0.15 + 1.7 * person.atrophy) + np.float32(0.5) * varied
    own = _soft((width - sheet_mm + 0.5) / 1.1) * in_shell
    average = np.clip((atlas.csf - 0.1) * (1.1 + 1.2 * person.atrophy), 0, 1)
    csf = np.maximum(average, 0.95 * own)
    ribbon = 1 - _soft((np.minimum(sheet_mm - np.maximum(width, 0), depth - 1.0) - _RIBBON_MM) / 1.3)
    gyral = np.clip(2.6 * atlas.wm, 0, 1) * (1 - ribbon)
    deep = np.clip((atlas.wm - 0.5) * 2.0 + 0.5, 0, 1)
    white = deep + (gyral - deep) * in_shell
    return csf.astype(np.float32), white.astype(np.float32)


def _leukoaraiosis(rng: np.random.Generator, person: PersonParameters, atlas: Atlas, white: Field) -> Field:
    near = np.exp(-np.clip(atlas.ventricle, 0, 60) / np.float32(4 + 9 * person.leukoaraiosis))
    patchy = np.clip(0.75 + 0.4 * smooth_noise(rng, 3.0), 0, 1.6)
    return np.asarray(8.0 * person.leukoaraiosis * near * patchy * white * (atlas.axes()[2] > -15), dtype=np.float32)


def _ball(rng: np.random.Generator, atlas: Atlas, allowed: NDArray[np.bool_], radius_mm: float) -> Field:
    """A rough soft-edged ball around a random allowed voxel, 0–1."""
    seeds = np.flatnonzero(allowed)
    sx, sy, sz = np.unravel_index(int(seeds[rng.integers(seeds.size)]), atlas.shape)
    reach = int(radius_mm * 2.2 / STEP_MM) + 2
    window = tuple(slice(max(0, int(s) - reach), int(s) + reach) for s in (sx, sy, sz))
    x, y, z = (axis * 1.0 for axis in atlas.axes())
    x, y, z = x[window[0]], y[:, window[1]], z[:, :, window[2]]
    cx, cy, cz = (o + STEP_MM * int(s) for o, s in zip(atlas.origin, (sx, sy, sz), strict=True))
    distance = np.sqrt((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2)
    rough = ndimage.gaussian_filter(rng.standard_normal(distance.shape), 2.0) * 12
    out = np.zeros(atlas.shape, dtype=np.float32)
    out[window] = _soft(((radius_mm - distance) + 0.2 * radius_mm * rough) / 1.5)
    return out


def _old_damage(rng: np.random.Generator, person: PersonParameters, atlas: Atlas, csf: Field) -> Field:
    """Share of fluid left by old infarcts (wedges at the surface) and lacunes (deep)."""
    out = np.zeros(atlas.shape, dtype=np.float32)
    inside = (atlas.gm + atlas.wm > 0.6) & (csf < 0.5)
    for _ in range(person.old_infarcts):
        out = np.maximum(
            out,
            np.float32(rng.uniform(0.5, 0.9))
            * _ball(rng, atlas, inside & (atlas.envelope > -14), float(rng.uniform(6, 17))),
        )
    deep = inside & (atlas.ventricle < 18) & (atlas.ventricle > 2) & (atlas.axes()[2] > -12)
    for _ in range(person.lacunes):
        out = np.maximum(out, np.float32(rng.uniform(0.4, 0.9)) * _ball(rng, atlas, deep, float(rng.uniform(2.0, 5.0))))
    return out


def _tumour(rng: np.random.Generator, atlas: Atlas) -> Field:
    """HU added by a slightly dense mass in a lake of oedema that keeps to the white matter."""
    seat = (atlas.wm > 0.7) & (atlas.envelope < -12) & (atlas.axes()[2] > -10)
    state = rng.bit_generator.state
    mass = _ball(rng, atlas, seat, float(rng.uniform(6, 13)))
    rng.bit_generator.state = state
    lake = _ball(rng, atlas, seat, float(rng.uniform(20, 32)))
    return np.asarray(12.0 * mass - 9.0 * lake * atlas.wm, dtype=np.float32)


def _midline_and_sinuses(tissue: Field, csf: Field, atlas: Atlas, rng: np.random.Generator) -> None:
    """Falx and sagittal sinus, in place: sheets and channels that are denser than brain."""
    x, y, z = atlas.axes()
    middle = np.abs(x - np.float32(rng.normal(0, 0.8)))
    fissure = (
        (middle < 1.6) & (z > 12) & (atlas.envelope < 2) & (atlas.envelope > -38) & ~((y < 38) & (z < 30) & (y > -45))
    )
    tissue[fissure] = np.maximum(tissue[fissure], 0.4 * tissue[fissure] + 0.6 * rng.uniform(40, 52))
    sinus = (np.abs(x) < 4) & (atlas.envelope > -5) & (atlas.envelope < 2) & (z > 5) & ((y < 0) | (z > 50))
    tissue[sinus] = rng.uniform(44, 54)


def _calcify(tissue: Field, rng: np.random.Generator, person: PersonParameters, atlas: Atlas) -> None:
    x, y, z = atlas.axes()
    spots = [((0.0, -30.0, 2.0), 2.6)] if rng.random() < 0.6 else []
    if person.calcified_choroid:
        spots += [((s * 23.0, -42.0, 10.0), float(rng.uniform(2.2, 4.0))) for s in (-1, 1)]
    if person.calcified_ganglia:
        spots += [((s * 19.0, 0.0, 0.0), float(rng.uniform(2.0, 4.0))) for s in (-1, 1)]
    for (cx, cy, cz), radius in spots:
        near = np.sqrt((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) < radius
        tissue[near] = rng.uniform(70, 170)


def _face(rng: np.random.Generator, atlas: Atlas) -> Field:
    """Soft tissue with fat streaks and, at the base, bone trabeculae with air cells."""
    z = atlas.axes()[2]
    texture = smooth_noise(rng, 1.5)
    soft = atlas.face == 50.0
    face = atlas.face.copy()
    face += np.where(soft & (texture < -0.3), -120.0, 0.0).astype(np.float32)
    bony = soft & (z < -28) & (atlas.envelope < 16) & (smooth_noise(rng, 2.0) > 0.1)
    face = np.where(bony, 500 + 350 * texture, face)
    mastoid = atlas.face == 300.0
    face = np.where(mastoid, np.where(texture > 0.2, 900.0, -500.0), face)
    scalp = atlas.face == 25.0
    return np.where(scalp, -70 + 30 * texture, face).astype(np.float32)


def _warp(rng: np.random.Generator, person: PersonParameters, atlas: Atlas) -> Field:
    """Smooth displacement in mm at the nodes, shape (nx, ny, nz, 3)."""
    nodes = tuple(-(-n // WARP_STEP) + 1 for n in atlas.shape)
    noise = rng.standard_normal((*nodes, 3))
    smooth = ndimage.gaussian_filter(noise, (2.6, 2.6, 2.6, 0), mode="nearest")
    return np.asarray(person.warp_mm * smooth / smooth.std(), dtype=np.float32)
