"""The scanner: geometry, partial volume, and one acquisition from the head to the pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from htcore.errors import UsageError
from htcore.simulation.anatomy import WARP_STEP, Head
from htcore.simulation.artefacts import (
    BeamHardening,
    Headrest,
    Metal,
    Motion,
    add_headrest,
    add_metal,
    add_noise,
    blur,
    double_edges,
    draw_headrest,
    draw_metal,
    draw_motion,
    harden,
    poses,
)
from htcore.simulation.atlas import STEP_MM, Atlas, Field
from htcore.simulation.render import render_slices
from htcore.simulation.vendors import PLAIN, FileStyle, draw_style
from htcore.types import FloatArray, Volume

_SUB_SLICE_MM = 2.5


@dataclass(frozen=True)
class ScannerParameters:
    """One acquisition.

    ``slabs`` lists (slices' thickness in mm, share of the way from the feet to the head); angles in degrees, lengths
    in mm. ``noise_hu`` is the SD in a 0.5 mm pixel of a 5 mm slice; ``rim_hu`` brightens the brain under the skull
    within ``rim_mm``; ``style`` holds the maker, the kernel and how the files are written.

    Raises
    ------
    UsageError
        If a value is impossible.
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
    rim_hu: float
    rim_mm: float
    beam: BeamHardening
    style: FileStyle = PLAIN
    headrest: Headrest | None = None
    motion: Motion | None = None
    metal: Metal | None = None

    def __post_init__(self) -> None:
        possible = (
            (bool(self.slabs) and all(0.3 <= mm <= 20 for mm, _ in self.slabs), "slices must be 0.3 to 20 mm thick"),
            (abs(self.tilt_deg) <= 45, "the gantry tilts by 45 degrees at most"),
            (0 < self.stop_mm - self.start_mm <= 400, "a scan must cover between 0 and 400 mm"),
            (50 <= self.field_of_view_mm <= 700, "the field of view must be 50 to 700 mm"),
            (16 <= self.matrix <= 2048, "the matrix must be 16 to 2048 pixels"),
            (0 <= self.noise_hu <= 200 and self.rim_mm > 0, "noise and rim must not be negative"),
        )
        for holds, rule in possible:
            if not holds:
                raise UsageError(f"This acquisition is impossible: {rule}.")

    @property
    def spacing_mm(self) -> float:
        """Side of a pixel."""
        return self.field_of_view_mm / self.matrix


_BEHIND_MM = 10.0
"""The average skull's middle lies 12 mm behind the atlas's centre of turning; the nose takes some of it back."""
_THICKNESS_MM = {
    1.0: 0.01,
    1.25: 0.015,
    1.5: 0.01,
    2.0: 0.015,
    2.5: 0.05,
    3.0: 0.07,
    4.0: 0.07,
    5.0: 0.50,
    6.0: 0.08,
    7.0: 0.06,
    8.0: 0.05,
    9.0: 0.07,
}
"""Slice thickness and how often: 5 mm is what heads are read at; thin ones are kept rare, as they cost the most."""


def draw_scanner(rng: np.random.Generator, matrix: int, one_affine: bool) -> ScannerParameters:
    """Draw an acquisition; ``one_affine`` keeps to one slab, as NIfTI needs."""
    thickness = float(rng.choice(list(_THICKNESS_MM), p=list(_THICKNESS_MM.values())))
    slabs: tuple[tuple[float, float], ...] = ((thickness, 1.0),)
    if rng.random() < 0.12 and not one_affine:
        slabs = (
            (float(rng.choice([3.0, 4.0, 5.0])), float(rng.uniform(0.3, 0.45))),
            (float(rng.choice([7.0, 8.0, 9.0])), 1.0),
        )
    # a head is up to 206 mm long and 190 wide with its ears: who sets the field of view keeps it inside
    # most gantries are tilted to spare the eyes, so that the plane falls towards the back; to half a degree
    tilt = 0.0 if rng.random() < 0.35 else round(2 * rng.uniform(2, 25) * rng.choice([1.0, -1.0], p=[0.75, 0.25])) / 2
    field = float(rng.uniform(216, 254))
    x, y = (float(np.clip(rng.normal(0, sd), -room, room)) for sd, room in ((7, field / 2 - 95), (9, field / 2 - 103)))
    roll, yaw = (float(np.clip(rng.normal(0, 4.5), -12, 12)) for _ in range(2))
    return ScannerParameters(
        slabs=slabs,
        tilt_deg=tilt,
        rotation_deg=(float(np.clip(rng.normal(0, 7), -16, 16)), roll, yaw),
        centre_mm=(x, y - _BEHIND_MM, float(rng.normal(0, 40))),
        start_mm=float(rng.uniform(-86, -62)),
        stop_mm=float(rng.uniform(84, 98)),
        field_of_view_mm=field,
        matrix=matrix,
        offset_hu=float(np.clip(rng.normal(0, 1.8), -4, 4)),
        noise_hu=float(rng.uniform(2.5, 5.5)),
        rim_hu=float(rng.uniform(1, 12)),
        rim_mm=float(rng.uniform(2.5, 7)),
        beam=BeamHardening(float(rng.uniform(0, 9)), float(rng.normal(0, 1.2)), float(rng.uniform(-2, 3))),
        style=draw_style(rng),
        headrest=draw_headrest(rng),
        motion=draw_motion(rng),
        metal=draw_metal(rng),
    )


def slice_geometry(scanner: ScannerParameters) -> tuple[FloatArray, FloatArray]:
    """Affines (slices, 4, 4) and thickness (slices,) in mm, feet to head; the table moves along z."""
    tilt = np.radians(0.0 - scanner.tilt_deg)  # positive where the plane falls towards the back; no -0.0
    spacing = scanner.spacing_mm
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


def sub_slices(thickness: FloatArray) -> FloatArray:
    """Where each slice is sampled, mm off its plane: (slices, samples), evenly within its thickness.

    One sample for every 2.5 mm of the usual slice: thin scans have many slices and need few samples in each.
    """
    samples = max(1, round(float(np.median(thickness)) / _SUB_SLICE_MM))
    return np.asarray(((np.arange(samples) + 0.5) / samples - 0.5)[None, :] * thickness[:, None])


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
    pivot = np.array([0.0, 15.0, 15.0]) + np.array(scanner.centre_mm)
    seen = poses(scanner.motion, affines[:, 2, 3], pivot) @ affines
    to_grid = np.ascontiguousarray((to_head @ seen)[:, :3])
    fields = np.empty((*atlas.shape, 6), dtype=np.float32)
    for channel, field in enumerate((atlas.envelope, tissue, lesion, head.skull_mm, atlas.skin, head.face)):
        fields[..., channel] = field
    hu, share = render_slices(
        fields,
        warp_mm,
        float(WARP_STEP),
        STEP_MM,
        to_grid,
        sub_slices(thickness),
        scanner.matrix,
        scanner.matrix,
        head.rim_mm,
        scanner.rim_hu,
        scanner.rim_mm,
    )
    _degrade(rng, hu, scanner, to_grid * STEP_MM + _origin(atlas), affines, thickness)
    volume = Volume(np.rint(hu).astype(np.int16), affines, thickness)
    return volume, np.asarray(share >= 0.5)


def _origin(atlas: Atlas) -> FloatArray:
    """Added to atlas voxels in mm it gives MNI mm; shape (3, 4)."""
    out = np.zeros((3, 4))
    out[:, 3] = atlas.origin
    return out


def _degrade(
    rng: np.random.Generator,
    hu: NDArray[np.float32],
    scanner: ScannerParameters,
    to_mm: FloatArray,
    affines: FloatArray,
    thickness: FloatArray,
) -> None:
    """From the head's HU to what this scanner shows of it, in place; ``to_mm`` takes pixels to MNI mm."""
    spacing = scanner.spacing_mm
    if scanner.motion is not None and scanner.motion.doubled:
        double_edges(hu, scanner.motion, spacing)
    hu[hu > -300] += np.float32(scanner.offset_hu)
    harden(rng, hu, to_mm, scanner.beam)
    if scanner.headrest is not None:
        add_headrest(hu, affines, scanner.headrest)
    blur(hu, scanner.style.kernel_per_mm, spacing)
    if scanner.metal is not None:
        add_metal(rng, hu, to_mm, thickness, spacing, scanner.metal)
    add_noise(rng, hu, scanner.noise_hu, scanner.style.kernel_per_mm, spacing, thickness)
    np.clip(hu, -1024, 3071, out=hu)
    padding = scanner.style.vendor.padding_hu
    if padding is not None:
        middle = (scanner.matrix - 1) / 2
        rows, columns = np.indices(hu.shape[1:])
        hu[:, np.hypot(rows - middle, columns - middle) > scanner.matrix / 2] = padding


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
