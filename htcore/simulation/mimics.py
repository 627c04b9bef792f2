"""What has no bearing on the outcome: old damage, cysts, tumours, calcium, uneven ventricles.

Everything here is drawn apart from the image factors that decide the outcome, with the chances of
:class:`MimicChances`, and so is independent of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.simulation.atlas import STEP_MM, Atlas, Field, Point, soft_edge

_CYST_SITES: tuple[tuple[Point, tuple[float, float], float], ...] = (
    ((40.0, 14.0, -30.0), (10.0, 21.0), 0.55),
    ((0.0, -86.0, -38.0), (10.0, 20.0), 0.25),
    ((46.0, 10.0, 42.0), (8.0, 16.0), 0.20),
)
"""Place (the side is drawn), radii in mm and share: middle fossa, behind the cerebellum, convexity."""


@dataclass(frozen=True)
class MimicChances:
    """How often each is drawn: shares of people, mean numbers for lacunes and old infarcts; mm for the asymmetry.

    Chosen so that each is met often enough to be learnt as harmless; they are not claimed to be epidemiology.
    """

    old_infarcts: float = 0.14
    lacunes: float = 0.8
    arachnoid_cyst: float = 0.02
    tumour: float = 0.03
    calcified_pineal: float = 0.65
    calcified_choroid: float = 0.55
    calcified_ganglia: float = 0.12
    calcified_arteries: float = 0.30
    ventricle_asymmetry_mm: float = 0.9


@dataclass(frozen=True)
class Mimics:
    """What one person has."""

    old_infarcts: int
    lacunes: int
    arachnoid_cyst: bool
    tumour: bool
    calcified_pineal: bool
    calcified_choroid: bool
    calcified_ganglia: bool
    calcified_arteries: bool
    ventricle_asymmetry_mm: float


CHANCES = MimicChances()


def draw_mimics(rng: np.random.Generator, chances: MimicChances = CHANCES) -> Mimics:
    """Draw one person's, independently of everything else."""
    return Mimics(
        old_infarcts=int(rng.poisson(chances.old_infarcts)),
        lacunes=int(rng.poisson(chances.lacunes)),
        arachnoid_cyst=bool(rng.random() < chances.arachnoid_cyst),
        tumour=bool(rng.random() < chances.tumour),
        calcified_pineal=bool(rng.random() < chances.calcified_pineal),
        calcified_choroid=bool(rng.random() < chances.calcified_choroid),
        calcified_ganglia=bool(rng.random() < chances.calcified_ganglia),
        calcified_arteries=bool(rng.random() < chances.calcified_arteries),
        ventricle_asymmetry_mm=float(rng.normal(0, chances.ventricle_asymmetry_mm)),
    )


def _window(atlas: Atlas, centre: Point, reach_mm: float) -> tuple[tuple[slice, slice, slice], Field]:
    """The block of voxels within ``reach_mm`` of ``centre`` and the distance in mm from it."""
    middle = [round((c - o) / STEP_MM) for c, o in zip(centre, atlas.origin, strict=True)]
    reach = int(reach_mm / STEP_MM) + 2
    block = tuple(slice(max(0, m - reach), max(0, m + reach + 1)) for m in middle)
    x, y, z = atlas.axes()
    dx, dy, dz = x[block[0]] - centre[0], y[:, block[1]] - centre[1], z[:, :, block[2]] - centre[2]
    return (block[0], block[1], block[2]), np.sqrt(dx**2 + dy**2 + dz**2)


def _ball(rng: np.random.Generator, atlas: Atlas, centre: Point, radius_mm: float, rough: float = 0.2) -> Field:
    """A soft-edged ball whose surface is rough by ``rough`` of its radius, 0–1 on the whole grid."""
    block, distance = _window(atlas, centre, 2.2 * radius_mm)
    noise = ndimage.gaussian_filter(rng.standard_normal(distance.shape, dtype=np.float32), 2.0) * 12
    out = np.zeros(atlas.shape, dtype=np.float32)
    out[block] = soft_edge((radius_mm - distance + rough * radius_mm * noise) / 1.5)
    return out


def _place(rng: np.random.Generator, atlas: Atlas, allowed: NDArray[np.bool_]) -> Point:
    """A random allowed voxel, RAS mm."""
    seeds = np.flatnonzero(allowed)
    voxel = np.unravel_index(int(seeds[rng.integers(seeds.size)]), atlas.shape)
    x, y, z = (o + STEP_MM * float(v) for o, v in zip(atlas.origin, voxel, strict=True))
    return x, y, z


def old_damage(rng: np.random.Generator, mimics: Mimics, atlas: Atlas) -> tuple[Field, Field]:
    """What old infarcts, lacunes and cysts leave: the share of fluid, and mm by which ventricles nearby are wider."""
    fluid = np.zeros(atlas.shape, dtype=np.float32)
    ex_vacuo = np.zeros(atlas.shape, dtype=np.float32)
    brain = atlas.gm + atlas.wm > 0.6
    for _ in range(mimics.old_infarcts):
        radius = float(rng.uniform(6, 20))
        centre = _place(rng, atlas, brain & (atlas.envelope > -16))
        share = np.float32(rng.uniform(0.55, 0.95))
        np.maximum(fluid, share * _ball(rng, atlas, centre, radius, 0.35), out=fluid)
        block, distance = _window(atlas, centre, 60.0)
        ex_vacuo[block] += 0.22 * radius * np.exp(-((distance / (radius + 18.0)) ** 2))
    deep = brain & (atlas.ventricle < 18) & (atlas.ventricle > 2) & (atlas.axes()[2] > -12)
    for _ in range(mimics.lacunes):
        ball = _ball(rng, atlas, _place(rng, atlas, deep), float(rng.uniform(2.0, 5.0)))
        np.maximum(fluid, np.float32(rng.uniform(0.4, 0.9)) * ball, out=fluid)
    if mimics.arachnoid_cyst:
        site = int(rng.choice(len(_CYST_SITES), p=[share for _, _, share in _CYST_SITES]))
        (x, y, z), radii, _ = _CYST_SITES[site]
        side = 1 if rng.random() < 0.5 else -1
        np.maximum(fluid, _ball(rng, atlas, (side * x, y, z), float(rng.uniform(*radii)), 0.06), out=fluid)
    return fluid, ex_vacuo


def tumour(rng: np.random.Generator, atlas: Atlas, white: Field) -> Field:
    """HU added by a dense mass, at times with a dead core, in oedema like fingers that spares the cortex."""
    centre = _place(rng, atlas, (atlas.wm > 0.5) & (atlas.envelope < -10) & (atlas.axes()[2] > -10))
    radius = float(rng.uniform(6, 13))
    mass = _ball(rng, atlas, centre, radius, 0.15)
    lake = _ball(rng, atlas, centre, radius + float(rng.uniform(12, 22)), 0.5)
    out = float(rng.uniform(5, 13)) * mass
    out -= float(rng.uniform(8, 12)) * lake * (1 - mass) * np.clip(1.5 * white - 0.35, 0, 1)
    if rng.random() < 0.5:
        out -= 22.0 * _ball(rng, atlas, centre, 0.55 * radius, 0.25)
    return np.asarray(out, dtype=np.float32)


def calcify(tissue: Field, rng: np.random.Generator, mimics: Mimics, atlas: Atlas) -> None:
    """Calcium of the pineal, the choroid plexus, the pallidum and the carotid siphons, in place."""
    spots: list[tuple[Point, float]] = []
    if mimics.calcified_pineal:
        spots.append(((0.0, -30.0, 2.0), float(rng.uniform(1.6, 3.0))))
    if mimics.calcified_choroid:
        spots += [((s * 23.0, -42.0, 10.0), float(rng.uniform(1.8, 4.0))) for s in (-1, 1)]
    if mimics.calcified_ganglia:
        spots += [((s * 19.0, 0.0, 0.0), float(rng.uniform(2.0, 5.0))) for s in (-1, 1)]
    if mimics.calcified_arteries:
        spots += [((s * 12.0, 4.0, -20.0), float(rng.uniform(1.5, 2.4))) for s in (-1, 1)]
    for centre, radius in spots:
        block, distance = _window(atlas, centre, radius + 2)
        speckle = rng.uniform(0.55, 1.0, distance.shape)
        share = np.clip((radius - distance) / 1.5 + 0.5, 0, 1) * speckle
        tissue[block] += share * (rng.uniform(75, 220) - tissue[block])
