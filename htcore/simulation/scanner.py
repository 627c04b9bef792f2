"""The scanner: geometry, partial volume, beam hardening, noise whose texture follows the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from htcore.simulation.anatomy import WARP_STEP, Head
from htcore.simulation.atlas import STEP_MM, Atlas, Field
from htcore.simulation.render import render_slices
from htcore.types import FloatArray, Volume

_SUB_SLICE_MM = 2.5


@dataclass(frozen=True)
class ScannerParameters:
    """One acquisition.

    ``slabs`` lists (slices' thickness in mm, share of the way from the feet to the head); angles in degrees, lengths
    in mm; ``base_hu`` is added towards the skull base.
    ``noise_hu`` is the SD in a 0.5 mm pixel of a 5 mm slice, ``kernel_per_mm`` where the kernel's noise spectrum
    falls off.
    """

    slabs: tuple[tuple[float, float], ...]
    tilt_deg: float
    rotation_deg: tuple[float, float, float]
    centre_mm: tuple[float, float, float]
    start_mm: float
    stop_mm: float
    field_of_view_mm: float
    matrix: int
    offset_hu: float
    noise_hu: float
    kernel_per_mm: float
    rim_hu: float
    rim_mm: float
    streak_hu: float
    cupping_hu: float
    base_hu: float
    headrest: bool


def draw_scanner(rng: np.random.Generator, matrix: int, one_affine: bool) -> ScannerParameters:
    """Draw an acquisition; ``one_affine`` keeps to one slab, as NIfTI needs."""
    thickness = float(
        rng.choice([2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], p=[0.05, 0.07, 0.07, 0.53, 0.09, 0.06, 0.06, 0.07])
    )
    slabs: tuple[tuple[float, float], ...] = ((thickness, 1.0),)
    if not one_affine and rng.random() < 0.12:
        slabs = (
            (float(rng.choice([3.0, 4.0, 5.0])), float(rng.uniform(0.3, 0.45))),
            (float(rng.choice([7.0, 8.0, 9.0])), 1.0),
        )
    tilt = 0.0 if rng.random() < 0.35 else -float(rng.uniform(-20, 25))
    roll, yaw = (float(np.clip(rng.normal(0, 4.5), -12, 12)) for _ in range(2))
    return ScannerParameters(
        slabs=slabs,
        tilt_deg=tilt,
        rotation_deg=(float(np.clip(rng.normal(0, 7), -16, 16)), roll, yaw),
        centre_mm=(float(rng.normal(0, 7)), float(rng.normal(0, 9)), float(rng.normal(0, 40))),
        start_mm=float(rng.uniform(-86, -62)),
        stop_mm=float(rng.uniform(84, 98)),
        field_of_view_mm=float(rng.uniform(226, 256)),
        matrix=matrix,
        offset_hu=float(np.clip(rng.normal(0, 1.8), -4, 4)),
        noise_hu=float(rng.uniform(2.5, 5.5)),
        kernel_per_mm=float(rng.uniform(0.3, 0.5)),
        rim_hu=float(rng.uniform(1, 12)),
        rim_mm=float(rng.uniform(2.5, 7)),
        streak_hu=float(rng.uniform(0, 9)),
        cupping_hu=float(rng.normal(0, 1.2)),
        base_hu=float(rng.uniform(-2, 3)),
        headrest=bool(rng.random() < 0.8),
    )


def slice_geometry(scanner: ScannerParameters) -> tuple[FloatArray, FloatArray]:
    """Affines (slices, 4, 4) and thickness (slices,) in mm, feet to head; the table moves along z."""
    tilt = np.radians(0.0 - scanner.tilt_deg)  # positive where the plane falls towards the back; no -0.0
    spacing = scanner.field_of_view_mm / scanner.matrix
    span = scanner.stop_mm - scanner.start_mm
    z, positions, thickness = scanner.start_mm, [], []
    for mm, until in scanner.slabs:
        step = mm / np.cos(tilt)
        while z < scanner.start_mm + until * span:
            positions.append(z + step / 2)
            thickness.append(mm)
            z += step
    affines = np.tile(np.eye(4), (len(positions), 1, 1))
    column, row = np.array([1.0, 0, 0]), np.array([0, np.cos(tilt), np.sin(tilt)])
    middle = (scanner.matrix - 1) / 2 * spacing
    for affine, height in zip(affines, positions, strict=True):
        affine[:3, 0], affine[:3, 1], affine[:3, 2] = column * spacing, row * spacing, np.cross(column, row)
        affine[:3, 3] = np.array([0, 0, height + scanner.centre_mm[2]]) - middle * (column + row)
    return affines, np.array(thickness)


def scan(
    rng: np.random.Generator,
    scanner: ScannerParameters,
    head: Head,
    tissue: Field,
    lesion: Field,
    warp_mm: Field,
    atlas: Atlas,
) -> tuple[Volume, NDArray[np.bool_]]:
    """Acquire the head: the volume as it leaves the scanner, and the infarct's mask (slices, rows, columns)."""
    affines, thickness = slice_geometry(scanner)
    to_head = _world_to_atlas(scanner, head, atlas)
    to_grid = np.ascontiguousarray((to_head @ affines)[:, :3])
    samples = max(1, round(float(np.median(thickness)) / _SUB_SLICE_MM))
    offsets = ((np.arange(samples) + 0.5) / samples - 0.5)[None, :] * thickness[:, None]
    fields = np.empty((*atlas.shape, 6), dtype=np.float32)
    for channel, field in enumerate((atlas.envelope, tissue, lesion, head.skull_mm, atlas.skin, head.face)):
        fields[..., channel] = field
    hu, share = render_slices(
        fields,
        warp_mm,
        float(WARP_STEP),
        STEP_MM,
        to_grid,
        offsets,
        scanner.matrix,
        scanner.matrix,
        head.rim_mm,
        scanner.rim_hu,
        scanner.rim_mm,
    )
    inside = hu > -300
    hu += scanner.offset_hu * inside
    _beam_hardening(hu, to_grid, scanner, atlas)
    hu += _noise(rng, hu.shape, scanner, thickness)
    if scanner.headrest:
        _headrest(hu, affines, scanner)
    volume = Volume(np.clip(np.rint(hu), -1000, 3071).astype(np.int16), affines, thickness)
    return volume, np.asarray(share >= 0.5)


def _world_to_atlas(scanner: ScannerParameters, head: Head, atlas: Atlas) -> FloatArray:
    """LPS mm of the scanner's room → atlas voxels (before the warp), 4 x 4."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", scanner.rotation_deg, degrees=True).as_matrix()
    pivot = np.array([0.0, 15.0, 15.0])
    turn[:3, 3] = pivot - turn[:3, :3] @ (pivot + np.array(scanner.centre_mm))
    flip = np.diag([-1.0 / head.scale[0], -1.0 / head.scale[1], 1.0 / head.scale[2], 1.0])
    # the average brain's middle lies 18 mm behind the origin of MNI space
    flip[1, 3] = -3.0
    index = np.diag([1 / STEP_MM, 1 / STEP_MM, 1 / STEP_MM, 1.0])
    index[:3, 3] = -np.array(atlas.origin) / STEP_MM
    return np.asarray(index @ flip @ turn)


def _beam_hardening(hu: NDArray[np.float32], to_grid: FloatArray, scanner: ScannerParameters, atlas: Atlas) -> None:
    """Dark band between the petrous bones and slow cupping, in place."""
    n, rows, columns = hu.shape
    c, r = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    for k in range(n):
        x, y, z = (to_grid[k, a, 0] * c + to_grid[k, a, 1] * r + to_grid[k, a, 3] for a in range(3))
        x, y, z = (v * STEP_MM + o for v, o in zip((x, y, z), atlas.origin, strict=True))
        band = np.exp(-(((y + 24) / 7) ** 2) - ((z + 36) / 9) ** 2) * (np.abs(x) < 45)
        bowl = ((x / 65) ** 2 + ((y + 18) / 85) ** 2) * scanner.cupping_hu
        low_bright = scanner.base_hu * np.clip((-24 - z) / 25, 0, 1)
        soft = (hu[k] > -200) & (hu[k] < 200)
        hu[k] += ((np.minimum(bowl, 4) + low_bright) - scanner.streak_hu * band).astype(np.float32) * soft


def _noise(
    rng: np.random.Generator, shape: tuple[int, ...], scanner: ScannerParameters, thickness: FloatArray
) -> NDArray[np.float32]:
    """Noise with the spectrum of filtered back projection, (slices, rows, columns): |f| times the kernel's fall-off.

    The SD belongs to 0.5 mm pixels; larger pixels average, so theirs is smaller, as in a real resampled image.
    """
    n, rows, columns = shape
    spacing = scanner.field_of_view_mm / scanner.matrix
    fy, fx = np.meshgrid(np.fft.fftfreq(rows, spacing), np.fft.rfftfreq(columns, spacing), indexing="ij")
    f = np.hypot(fx, fy)
    amplitude = np.sqrt(f + 0.03) * np.exp(-((f / scanner.kernel_per_mm) ** 2))
    fine = np.linspace(0, 4 * scanner.kernel_per_mm, 400)
    power = float(np.sum((fine + 0.03) * np.exp(-2 * (fine / scanner.kernel_per_mm) ** 2) * 2 * np.pi * fine) * fine[1])
    amplitude *= np.sinc(fx * spacing) * np.sinc(fy * spacing) / (spacing * np.sqrt(power))
    white = rng.standard_normal((n, rows, columns), dtype=np.float32)
    out = np.fft.irfft2(np.fft.rfft2(white) * amplitude, s=(rows, columns))
    level = scanner.noise_hu * np.sqrt(5.0 / thickness)
    return np.asarray(out * level[:, None, None], dtype=np.float32)


def _headrest(hu: NDArray[np.float32], affines: FloatArray, scanner: ScannerParameters) -> None:
    """A thin curved shell behind and beside the head, in place."""
    n, rows, columns = hu.shape
    spacing = scanner.field_of_view_mm / scanner.matrix
    c = (np.arange(columns) - (columns - 1) / 2) * spacing
    r = (np.arange(rows) - (rows - 1) / 2) * spacing
    distance = np.hypot(c[None, :], r[:, None] * 0.93)
    shell = (np.abs(distance - 0.485 * scanner.field_of_view_mm) < max(1.2, spacing * 0.6)) & (r[:, None] > 10)
    for k in range(n):
        hu[k][shell & (hu[k] < -500)] = 110.0
