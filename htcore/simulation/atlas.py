"""What every simulated head shares: average tissue maps, the skull's inner surface, and texture to vary them.

Arrays are indexed (x, y, z) on a 2 mm grid in MNI152 space: x grows to the patient's right, y to the front (RAS).
The maps come inside the nilearn package (ICBM 152 nonlinear, Fonov et al., NeuroImage 2011, PMID 20656036).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]
Point = tuple[float, float, float]

STEP_MM = 2.0
BELOW = 20
"""Voxels added under the template, which ends at the foramen magnum."""
_SKIN_MM = 14.0
"""From the inside of the skull to the skin before the scalp is rounded: 6–8 mm of bone and as much scalp."""
_NOISE_SEED = 20260114
_BANK = 4


@dataclass(frozen=True, eq=False)
class Atlas:
    """Tissue maps and geometry, float32 (x, y, z) unless said otherwise.

    Attributes
    ----------
    origin : (x, y, z) of the first voxel, RAS mm.
    gm, wm, csf : tissue shares, 0–1, together 1 in the brain.
    envelope : signed distance in mm to the inside of the skull, negative inside.
    skin : signed distance in mm to the skin, negative inside.
    ventricle : signed distance in mm to the ventricles, negative inside.
    nearest : int32, flat index of the nearest voxel of the brain's surface.
    bulge : mm of bone that fill the skull's inner hollows, so that its outside is round.
    face : HU between skull and skin.
    """

    origin: tuple[float, float, float]
    gm: Field
    wm: Field
    csf: Field
    envelope: Field
    skin: Field
    ventricle: Field
    nearest: NDArray[np.int32]
    bulge: Field
    face: Field

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (x, y, z)."""
        nx, ny, nz = self.gm.shape
        return nx, ny, nz

    def axes(self) -> tuple[Field, Field, Field]:
        """RAS mm along each axis, shaped to broadcast: (nx, 1, 1), (1, ny, 1), (1, 1, nz)."""
        x, y, z = (
            np.float32(o) + np.float32(STEP_MM) * np.arange(n, dtype=np.float32)
            for o, n in zip(self.origin, self.shape, strict=True)
        )
        return x[:, None, None], y[None, :, None], z[None, None, :]


def signed_distance(mask: NDArray[np.bool_]) -> Field:
    """Distance in mm to the boundary of ``mask``, negative inside; same shape."""
    outside = ndimage.distance_transform_edt(~mask, sampling=STEP_MM)
    inside = ndimage.distance_transform_edt(mask, sampling=STEP_MM)
    return np.asarray(outside - inside, dtype=np.float32)


def soft_edge(value: Field) -> Field:
    """0 below -1, 1 above +1, straight between."""
    return np.asarray(np.clip(value * 0.5 + 0.5, 0, 1), dtype=np.float32)


def _closed(mask: NDArray[np.bool_], radius_mm: float) -> NDArray[np.bool_]:
    pad = int(radius_mm / STEP_MM) + 2  # else the closing would cling to the grid's border
    wide = np.pad(mask, pad)
    grown = ndimage.distance_transform_edt(~wide, sampling=STEP_MM) <= radius_mm
    closed = ndimage.distance_transform_edt(grown, sampling=STEP_MM) > radius_mm
    return np.asarray(closed[pad:-pad, pad:-pad, pad:-pad])


def _widely_closed(mask: NDArray[np.bool_], radius_mm: float) -> NDArray[np.bool_]:
    """The same on every second voxel, for large radii: an eighth of the work, smoothed over."""
    coarse = _closed(mask[::2, ::2, ::2], radius_mm / 2).astype(np.float32)
    fine = coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2)[tuple(slice(n) for n in mask.shape)]
    return np.asarray((ndimage.gaussian_filter(fine, 1.2) > 0.5) | mask)


def _padded(image: Any) -> Field:
    array = np.asarray(image.dataobj, dtype=np.float32)
    return np.pad(array, ((0, 0), (0, 0), (BELOW, 0)))


def _ellipsoid(
    x: Field, y: Field, z: Field, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> Field:
    """Distance from ``centre`` in units of the radii: below 1 inside."""
    (cx, cy, cz), (rx, ry, rz) = centre, radii
    return np.asarray(np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2), dtype=np.float32)


def _capsule(x: Field, y: Field, z: Field, start: tuple[float, float, float], end: tuple[float, float, float]) -> Field:
    """Distance in mm to the line from ``start`` to ``end``."""
    a, d = np.array(start), np.array(end) - np.array(start)
    t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1] + (z - a[2]) * d[2]) / float(d @ d), 0, 1)
    square = (x - a[0] - t * d[0]) ** 2 + (y - a[1] - t * d[1]) ** 2 + (z - a[2] - t * d[2]) ** 2
    return np.asarray(np.sqrt(square), dtype=np.float32)


def _ridges(x: Field, y: Field, z: Field) -> NDArray[np.bool_]:
    """Bone that rises between the lobes: the petrous bones and the lesser wings of the sphenoid."""
    out = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), dtype=np.bool_)
    for side in (-1, 1):
        out |= _capsule(x, y, z, (side * 13, -20, -40), (side * 58, -38, -33)) < 6.5
        out |= _capsule(x, y, z, (side * 8, 6, -24), (side * 50, 24, -17)) < 3.6
    return out


def _face_block(x: Field, y: Field, z: Field) -> NDArray[np.bool_]:
    """Where the face is, in front of and under the brain."""
    width = 68 - 0.25 * np.clip(-40 - z, 0, 60)
    oval = (x / width) ** 2 + (np.maximum(y - 15, 0) / 74) ** 2 < 1
    nose = _ellipsoid(x, y, z, (0, 92, -52), (13, 16, 16)) < 1
    ears = _ellipsoid(np.abs(x), y, z, (80, -26, -38), (9, 13, 24)) < 1
    return np.asarray((oval & (y > 0) & (z < -12)) | nose | ears)


def _face(x: Field, y: Field, z: Field, shape: tuple[int, int, int]) -> Field:
    """HU outside the skull: muscle and fat, orbits, nasal and mastoid air."""
    hu = np.full(shape, 25.0, dtype=np.float32)
    low = z < -25
    hu[np.broadcast_to(low, shape)] = 50.0
    for side in (-1, 1):
        hu[_ellipsoid(x, y, z, (side * 34, 58, -38), (20, 27, 19)) < 1] = 620.0  # the orbit's walls
        hu[_ellipsoid(x, y, z, (side * 33, 61, -38), (17.5, 27, 16.5)) < 1] = -85.0
        for dx in (-9, 9):
            muscle = _capsule(x, y, z, (side * 24, 38, -37), (side * 33 + dx, 66, -38)) < 2.6
            hu[muscle] = 45.0
        hu[_capsule(x, y, z, (side * 22, 36, -35), (side * 33, 60, -37)) < 2.4] = 35.0  # optic nerve
        globe = _ellipsoid(x, y, z, (side * 33, 70, -38), (12.5, 12.5, 12.5))
        hu[globe < 1] = 48.0
        hu[globe < 0.86] = 12.0
        hu[_ellipsoid(x, y, z, (side * 33, 78.5, -38), (4.5, 2.2, 4.5)) < 1] = 85.0  # lens
        antrum = _ellipsoid(x, y, z, (side * 30, 58, -74), (17, 17, 17))
        hu[antrum < 1.12] = 500.0
        hu[antrum < 1] = -950.0
        hu[_capsule(x, y, z, (side * 63, 0, -48), (side * 52, 58, -52)) < 3.2] = 800.0  # zygomatic arch
        hu[_ellipsoid(x, y, z, (side * 56, -42, -50), (14, 17, 20)) < 1] = 300.0  # mastoid cells, textured later
        hu[_capsule(x, y, z, (side * 48, -24, -42), (side * 90, -20, -44)) < 3.6] = -900.0  # ear canal
    nose = (np.abs(x) < 13) & (y > 30) & (y < 84) & (z < -28)
    sphenoid = (np.abs(x) < 14) & (y > 6) & (y < 30) & (z < -28) & (z > -48)
    throat = (np.abs(x) < 9) & (y > -6) & (y < 10) & (z < -60)
    hu[nose | sphenoid | throat] = -900.0
    septa = (np.abs(np.abs(x) - 6.5) < 1.0) | (np.mod(y, 10.0) < 2.0)
    hu[nose & septa & (z > -56)] = 60.0
    hu[(np.abs(x) < 1.5) & (y > 6) & (y < 84) & (z < -30)] = 350.0
    return hu


@lru_cache(maxsize=1)
def load_atlas() -> Atlas:
    """The average head, made once a process from the maps inside nilearn (nothing is downloaded)."""
    from nilearn import datasets  # type: ignore[import-untyped,unused-ignore]

    gm = _padded(datasets.load_mni152_gm_template(resolution=2))
    wm = _padded(datasets.load_mni152_wm_template(resolution=2))
    brain = _padded(datasets.load_mni152_brain_mask(resolution=2)) > 0
    affine = datasets.load_mni152_brain_mask(resolution=2).affine
    origin = (float(affine[0, 3]), float(affine[1, 3]), float(affine[2, 3]) - BELOW * STEP_MM)
    x, y, z = (
        np.float32(o) + np.float32(STEP_MM) * np.arange(n, dtype=np.float32)
        for o, n in zip(origin, gm.shape, strict=True)
    )
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
    cord = (np.hypot(x, y + 44) < 7) & (z < -66)
    gm = np.where(cord, 0.5, gm * brain).astype(np.float32)
    wm = np.where(cord, 0.5, wm * brain).astype(np.float32)
    total = np.maximum(gm + wm, 1.0)
    gm, wm = gm / total, wm / total
    canal = (np.hypot(x, y + 44) < 11) & (z < -60)
    inner = _skull_inside(brain, x, y, z) | canal
    envelope = ndimage.gaussian_filter(signed_distance(inner), 1.4)
    csf = np.clip(1 - gm - wm, 0, 1).astype(np.float32)
    hull = signed_distance(_widely_closed(inner & (z > -45), 40.0) & (z > -45))
    bulge = np.clip(ndimage.gaussian_filter(signed_distance(inner) - hull, 1.4), 0, 9).astype(np.float32)
    head = _closed((signed_distance(inner) < _SKIN_MM) | _face_block(x, y, z), 16.0)
    bottom = round((-38 - origin[2]) / STEP_MM)
    column = head[:, :, bottom] & (np.abs(x[:, :, 0]) < 72)
    head[:, :, :bottom] |= column[:, :, None]
    skin = ndimage.gaussian_filter(signed_distance(head), 2.0)
    surface = envelope > -3
    nearest = ndimage.distance_transform_edt(~surface, return_distances=False, return_indices=True)
    flat = np.ravel_multi_index(tuple(nearest), gm.shape).astype(np.int32)
    return Atlas(
        origin,
        gm,
        wm,
        csf,
        envelope,
        skin,
        signed_distance(_ventricles(csf, envelope, x, y, z)),
        flat,
        bulge,
        _face(x, y, z, (gm.shape[0], gm.shape[1], gm.shape[2])),
    )


def _skull_inside(brain: NDArray[np.bool_], x: Field, y: Field, z: Field) -> NDArray[np.bool_]:
    """The cranial cavity: the vault smooth as a real one, the base following the brain, bony ridges cut out."""
    vault = (z > -6) & ((y > -30) | (z > 6))
    smooth = _widely_closed(brain, 34.0)
    ridges = _ridges(x, y, z)
    suprasellar = _ellipsoid(x, y, z, (0, 2, -17), (13, 13, 8)) < 1
    return np.asarray((_closed(brain, 12.0) | (smooth & vault) | suprasellar) & ~ridges)


def _ventricles(csf: Field, envelope: Field, x: Field, y: Field, z: Field) -> NDArray[np.bool_]:
    lateral = (np.abs(x) < 36) & (y > -60) & (y < 36) & (z > -4) & (z < 32) & ~((np.abs(x) < 8) & (y < -22))
    third = (np.abs(x) < 5) & (y > -24) & (y < 6) & (z > -8)
    fourth = (np.abs(x) < 10) & (y > -54) & (y < -36) & (z > -42) & (z < -20)
    return np.asarray((csf > 0.5) & (envelope < -22) & (lateral | third | fourth))


@lru_cache(maxsize=8)
def _bank(scale_voxels: float) -> Field:
    """Fixed smooth noise volumes of unit variance, periodic, (volume, x, y, z), from which texture is mixed."""
    shape = load_atlas().shape
    rng = np.random.default_rng([_NOISE_SEED, int(scale_voxels * 100)])
    out = []
    for _ in range(_BANK):
        field = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), scale_voxels, mode="wrap")
        out.append(field / field.std())
    return np.asarray(np.stack(out), dtype=np.float32)


def smooth_noise(rng: np.random.Generator, scale_voxels: float) -> Field:
    """Unit-variance noise on the atlas grid with a Gaussian correlation of ``scale_voxels`` (2 mm) standard deviation.

    Mixed from a fixed bank by random shifts, flips and weights: twenty times faster than filtering anew.
    """
    weights = rng.standard_normal(_BANK)
    weights /= np.linalg.norm(weights)
    bank = _bank(scale_voxels)
    lines = [_line(rng, n, _BANK) for n in bank.shape[1:]]
    return _mix(bank, weights.astype(np.float32), *lines)


def _line(rng: np.random.Generator, n: int, count: int) -> NDArray[np.int64]:
    """For each of ``count`` volumes the source index along one axis, randomly shifted and flipped; (count, n)."""
    sign = np.where(rng.random((count, 1)) < 0.5, -1, 1)
    return np.asarray((rng.integers(n, size=(count, 1)) + sign * np.arange(n)) % n)


@njit(cache=True, nogil=True)
def _mix(
    bank: NDArray[np.float32],
    weights: NDArray[np.float32],
    xs: NDArray[np.int64],
    ys: NDArray[np.int64],
    zs: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Weighted sum of the bank's volumes, each read through its own index lines."""
    count, nx, ny, nz = bank.shape
    out = np.zeros((nx, ny, nz), dtype=np.float32)
    for i in range(nx):
        for j in range(ny):
            for b in range(count):
                line = bank[b, xs[b, i], ys[b, j]]
                for k in range(nz):
                    out[i, j, k] += weights[b] * line[zs[b, k]]
    return out


@lru_cache(maxsize=2)
def _sheet_bank(scale_voxels: float) -> tuple[Field, ...]:
    """Fixed volumes of the distance in mm to random winding sheets, periodic; the sheets are zeros of smooth noise."""
    out = []
    for field in _bank(scale_voxels):
        slope = np.zeros_like(field)
        for axis in range(3):
            slope += ((np.roll(field, -1, axis) - np.roll(field, 1, axis)) / (2 * STEP_MM)) ** 2
        slope = np.sqrt(slope)
        out.append(np.asarray(np.abs(field) / np.maximum(slope, 0.35 * slope.mean()), dtype=np.float32))
    return tuple(out)


def sheet_distance(rng: np.random.Generator, scale_voxels: float) -> Field:
    """Distance in mm to winding sheets about eight times ``scale_voxels`` apart (2 mm), on the atlas grid."""
    bank = _sheet_bank(scale_voxels)
    field = bank[int(rng.integers(len(bank)))]
    xs, ys, zs = (_line(rng, n, 1)[0] for n in field.shape)
    return np.asarray(field[np.ix_(xs, ys, zs)])
