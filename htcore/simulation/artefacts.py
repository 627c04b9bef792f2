"""What a scanner adds to the picture of a head: blur, noise, beam hardening, metal, motion and the headrest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from htcore.types import FloatArray

Image = NDArray[np.float32]
_BODY_HU = -500.0
_BONE_HU = 300.0
_METAL_HU = 3071.0


@dataclass(frozen=True)
class Motion:
    """The patient moved: from ``first`` (share of the slices) on the head lies elsewhere, or slices show both places.

    ``doubled`` slices, from ``first`` to ``last``, average the head before and after ``shift_mm``; a jump lasts.
    """

    doubled: bool
    first: float
    last: float
    shift_mm: tuple[float, float, float]
    turn_deg: float


@dataclass(frozen=True)
class Metal:
    """Pieces of metal in MNI millimetres (RAS), their radius, and the HU of their streaks at 10 mm."""

    positions_mm: tuple[tuple[float, float, float], ...]
    radius_mm: float
    streak_hu: float


@dataclass(frozen=True)
class Headrest:
    """A shallow cradle behind the occiput: a shell of ``shell_hu`` on foam of ``foam_hu``.

    ``radius_mm`` is the shell's, ``half_width_deg`` how far it reaches to each side, ``pad_mm`` the foam between head
    and shell; a ``core_mm`` above 0 makes two skins with foam between them.
    """

    radius_mm: float
    half_width_deg: float
    pad_mm: float
    core_mm: float
    shell_mm: float
    shell_hu: float
    foam_hu: float


@dataclass(frozen=True)
class BeamHardening:
    """Dark streaks between the petrous bones, cupping, and brightness towards the skull base, in HU."""

    streak_hu: float
    cupping_hu: float
    base_hu: float


def draw_motion(rng: np.random.Generator) -> Motion | None:
    """One scan in thirty moved."""
    if rng.random() >= 0.033:
        return None
    doubled, first = bool(rng.random() < 0.5), float(rng.uniform(0.1, 0.8))
    reach = rng.uniform(1.5, 5.0) / np.sqrt(3)
    x, y, z = (float(v) for v in reach * rng.standard_normal(3))
    shift = (x, y, 0.0 if doubled else z)
    return Motion(doubled, first, first + float(rng.uniform(0.05, 0.2)), shift, float(rng.normal(0, 2)))


def draw_metal(rng: np.random.Generator) -> Metal | None:
    """One scan in forty holds metal: fillings in the jaw, or a clip at the circle of Willis."""
    chance = rng.random()
    if chance >= 0.025:
        return None
    if chance < 0.006:
        side = float(rng.choice([-1.0, 1.0]))
        return Metal(((side * 10.0, 4.0, -14.0),), float(rng.uniform(1.0, 2.0)), float(rng.uniform(30, 80)))
    angles = rng.uniform(np.radians(15), np.radians(165), int(rng.integers(2, 6)))
    teeth = tuple((float(24 * np.cos(a)), float(36 + 26 * np.sin(a)), -76.0 + float(rng.normal(0, 3))) for a in angles)
    return Metal(teeth, float(rng.uniform(1.5, 3.0)), float(rng.uniform(30, 90)))


def draw_headrest(rng: np.random.Generator) -> Headrest | None:
    """Most heads lie in a cradle; some on a flat table out of view."""
    if rng.random() >= 0.85:
        return None
    return Headrest(
        radius_mm=float(rng.uniform(105, 150)),
        half_width_deg=float(rng.uniform(28, 55)),
        pad_mm=float(rng.uniform(3, 14)),
        core_mm=float(rng.choice([0.0, rng.uniform(5, 10)])),
        shell_mm=float(rng.uniform(1.2, 2.5)),
        shell_hu=float(rng.uniform(-150, 180)),
        foam_hu=float(rng.uniform(-985, -900)),
    )


def poses(motion: Motion | None, positions_mm: FloatArray, pivot_mm: FloatArray) -> FloatArray:
    """Where the scanner finds the head in each slice: room → room of the head at rest, (slices, 4, 4)."""
    out = np.tile(np.eye(4), (positions_mm.size, 1, 1))
    if motion is None or motion.doubled:
        return out
    moved = np.eye(4)
    moved[:3, :3] = Rotation.from_euler("z", motion.turn_deg, degrees=True).as_matrix()
    moved[:3, 3] = pivot_mm - moved[:3, :3] @ pivot_mm + np.array(motion.shift_mm)
    share = (positions_mm - positions_mm[0]) / max(float(np.ptp(positions_mm)), 1.0)
    out[share >= motion.first] = moved
    return out


def double_edges(hu: Image, motion: Motion, spacing_mm: float) -> None:
    """Average the slices of the motion with their shifted selves, in place."""
    n = hu.shape[0]
    for k in range(round(motion.first * n), min(n, round(motion.last * n) + 1)):
        shift = (motion.shift_mm[1] / spacing_mm, motion.shift_mm[0] / spacing_mm)
        hu[k] = 0.5 * hu[k] + 0.5 * ndimage.shift(hu[k], shift, order=1, mode="nearest")


@njit(cache=True, nogil=True)
def _harden(
    hu: Any, to_mm: Any, lines: Any, streak_hu: float, cupping_hu: float, base_hu: float
) -> None:  # pragma: no cover - compiled
    for k in range(hu.shape[0]):
        m = to_mm[k]
        for r in range(hu.shape[1]):
            for c in range(hu.shape[2]):
                if hu[k, r, c] < -200.0 or hu[k, r, c] > 200.0:
                    continue
                x = m[0, 0] * c + m[0, 1] * r + m[0, 3]
                y = m[1, 0] * c + m[1, 1] * r + m[1, 3]
                z = m[2, 0] * c + m[2, 1] * r + m[2, 3]
                change = min(((x / 65.0) ** 2 + ((y + 18.0) / 85.0) ** 2) * cupping_hu, 4.0)
                change += base_hu * min(max((-24.0 - z) / 25.0, 0.0), 1.0)
                if abs(x) < 45.0 and abs(y + 24.0) < 20.0 and abs(z + 36.0) < 25.0:
                    at = y + 24.0 + lines.shape[1] // 2
                    low = int(at)
                    line = lines[k, low] * (1.0 - at + low) + lines[k, low + 1] * (at - low)
                    band = np.exp(-(((y + 24.0) / 7.0) ** 2) - ((z + 36.0) / 9.0) ** 2)
                    change -= streak_hu * band * (1.0 + line) * min(1.0, (45.0 - abs(x)) / 6.0)
                hu[k, r, c] += change


def harden(rng: np.random.Generator, hu: Image, to_mm: FloatArray, beam: BeamHardening) -> None:
    """Add what a polychromatic beam does, in place; ``to_mm`` (slices, 3, 4) takes pixels to MNI millimetres.

    The dark band between the petrous bones is made of streaks along it, that differ from slice to slice.
    """
    lines = ndimage.gaussian_filter1d(rng.standard_normal((hu.shape[0], 64)), 1.0, axis=1)
    _harden(hu, to_mm, 1.1 * lines, beam.streak_hu, beam.cupping_hu, beam.base_hu)


def add_metal(
    rng: np.random.Generator, hu: Image, to_mm: FloatArray, thickness: FloatArray, spacing_mm: float, metal: Metal
) -> None:
    """Pieces of metal with their star of bright and dark rays in the slices that they touch, in place."""
    rows, columns = np.indices(hu.shape[1:], dtype=np.float64)
    for position in metal.positions_mm:
        for k in range(hu.shape[0]):
            axes, origin = to_mm[k, :, :3], to_mm[k, :, 3]
            column, row, off_mm = np.linalg.solve(axes, np.array(position) - origin)
            if abs(off_mm) > metal.radius_mm + thickness[k] / 2:
                continue
            dx, dy = (columns - column) * spacing_mm, (rows - row) * spacing_mm
            distance = np.maximum(np.hypot(dx, dy), 1.0)
            angle = np.arctan2(dy, dx)
            rays = sum(rng.normal() * np.cos(2 * (n * angle + rng.uniform(0, np.pi))) for n in range(2, 14)) / 2.5
            body = hu[k] > _BODY_HU
            hu[k] += (metal.streak_hu * rays * np.minimum(10.0 / distance, 4.0)).astype(np.float32) * body
            # a part of the slice's thickness is enough: metal is ten times as dense as the scale reaches
            hu[k][(distance <= metal.radius_mm) | (distance <= 1.0)] = _METAL_HU


def blur(hu: Image, kernel_per_mm: float, spacing_mm: float) -> None:
    """Convolve each slice with the kernel's own window exp(-(f / kernel)²), in place."""
    sigma = 1.0 / (np.sqrt(2.0) * np.pi * kernel_per_mm * spacing_mm)
    for k in range(hu.shape[0]):
        hu[k] = ndimage.gaussian_filter(hu[k], sigma, mode="nearest", truncate=3.0)


def add_noise(
    rng: np.random.Generator, hu: Image, noise_hu: float, kernel_per_mm: float, spacing_mm: float, thickness: FloatArray
) -> None:
    """Noise with the spectrum of filtered back projection, in place: |f| times the square of the kernel's window.

    ``noise_hu`` is the SD in 0.5 mm pixels of a 5 mm slice through the vault. Larger pixels average, so theirs is
    smaller, as in a real resampled image; thinner slices and more bone in the plane see fewer photons.
    """
    rows, columns = hu.shape[1:]
    amplitude = _amplitude(rows, columns, kernel_per_mm, spacing_mm)
    for k in range(hu.shape[0]):
        white = rng.standard_normal((rows, columns), dtype=np.float32)
        noise = fft.irfft2(fft.rfft2(white) * amplitude, s=(rows, columns))
        body = hu[k] > _BODY_HU
        bone = float((hu[k] > _BONE_HU).sum()) / max(float(body.sum()), 1.0)
        level = noise_hu * np.sqrt(5.0 / thickness[k]) * (1.0 + min(max(bone - 0.15, 0.0), 0.25))
        noise *= np.float32(level)
        noise[~body] *= np.float32(0.6)
        hu[k] += noise


def _amplitude(rows: int, columns: int, kernel_per_mm: float, spacing_mm: float) -> NDArray[np.float32]:
    fy, fx = np.meshgrid(np.fft.fftfreq(rows, spacing_mm), np.fft.rfftfreq(columns, spacing_mm), indexing="ij")
    f = np.hypot(fx, fy)
    fine = np.linspace(0, 4 * kernel_per_mm, 400)
    power = float(np.sum((fine + 0.03) * np.exp(-2 * (fine / kernel_per_mm) ** 2) * 2 * np.pi * fine) * fine[1])
    amplitude = np.sqrt(f + 0.03) * np.exp(-((f / kernel_per_mm) ** 2))
    amplitude *= np.sinc(fx * spacing_mm) * np.sinc(fy * spacing_mm) / (spacing_mm * np.sqrt(power))
    return np.asarray(amplitude, dtype=np.float32)


def add_headrest(hu: Image, affines: FloatArray, headrest: Headrest) -> None:
    """The cradle under the head, a cylinder along the table, painted where there is air; in place."""
    behind = np.flatnonzero((hu > _BODY_HU).any(axis=(0, 2)))
    if behind.size == 0:
        return
    rows, columns = np.arange(hu.shape[1]), np.arange(hu.shape[2])
    x = affines[0, 0, 3] + affines[0, 0, 0] * columns
    y = affines[0, 1, 3] + affines[0, 1, 1] * rows
    middle_y = float(y[behind[-1]]) + headrest.pad_mm - headrest.radius_mm
    distance = np.hypot(x[None, :], y[:, None] - middle_y) - headrest.radius_mm
    reach = np.abs(np.degrees(np.arctan2(x[None, :], y[:, None] - middle_y))) < headrest.half_width_deg
    pixel = float(abs(affines[0, 0, 0]))
    shell = _band(distance, 0.0, headrest.shell_mm, pixel)
    if headrest.core_mm > 0:
        far = headrest.shell_mm + headrest.core_mm
        shell = np.maximum(shell, _band(distance, far, far + headrest.shell_mm, pixel))
    foam = (distance > -headrest.pad_mm) & (distance < headrest.shell_mm + headrest.core_mm)
    plate = np.where(foam, headrest.foam_hu, -1000.0)
    plate = np.where(reach, plate + shell * (headrest.shell_hu - plate), -1000.0).astype(np.float32)
    for k in range(hu.shape[0]):
        air = hu[k] < -900.0
        hu[k][air] = np.maximum(hu[k], plate)[air]


def _band(distance: FloatArray, start: float, stop: float, pixel: float) -> FloatArray:
    """Share of each pixel that lies between two distances, 0–1."""
    upper = np.clip((stop - distance) / pixel + 0.5, 0, 1)
    return np.asarray(np.minimum(upper, np.clip((distance - start) / pixel + 0.5, 0, 1)))
