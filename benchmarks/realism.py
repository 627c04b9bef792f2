"""How real the simulated scans look and measure, beside a real study.

``python -m benchmarks.realism --study PATH`` measures the study and ``SCANS`` simulated scans and prints the table
that is kept in ``benchmarks/realism.txt``; ``--write`` writes it there. ``--montage OUT.png`` draws the study's slices
above simulated ones at the same heights instead, in the brain and in the stroke window.

Every measure is taken from the CT alone, in the same way on both, on pixels averaged to about 1 mm.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.dicom import read_study
from htcore.simulation import simulate_scan
from htcore.transforms import prepare
from htcore.transforms.sampling import stack_from
from htcore.types import CanonicalGrid, ModelInput, Volume

SCANS = 100
MATRIX = 256  # about 0.95 mm pixels, those of the real study averaged two by two
FIRST_SEED = 20_000  # no training or example cohort draws from here
RESULT = Path(__file__).with_name("realism.txt")

_TISSUE_HU = (18.0, 50.0)
_FLUID_HU = 15.0
_BONE_HU = 300.0
_DEEP_MM = 18.0
_WINDOW = 9  # pixels along each side of a noise window
_RAYS = 90
_HEIGHTS_MM = (18.0, 32.0, 46.0, 60.0, 74.0, 88.0, 102.0)  # under the vertex


@dataclass(frozen=True)
class Measures:
    """What is measured on one scan; HU, mm and percent."""

    grey_hu: float
    white_hu: float
    grey_minus_white_hu: float
    csf_hu: float
    noise_sd_hu: float
    noise_length_mm: float
    skull_mm: float
    skull_spread_mm: float
    skull_peak_hu: float
    scalp_hu: float
    ventricle_percent: float
    sulcal_percent: float
    left_right_hu: float
    texture_hu: float


LABELS = {
    "grey_hu": "grey matter, HU",
    "white_hu": "white matter, HU",
    "grey_minus_white_hu": "grey minus white, HU",
    "csf_hu": "ventricular fluid, HU",
    "noise_sd_hu": "noise SD, HU",
    "noise_length_mm": "noise half-length, mm",
    "skull_mm": "skull thickness, mm",
    "skull_spread_mm": "skull thickness, 10th to 90th percentile, mm",
    "skull_peak_hu": "densest skull along a ray, HU",
    "scalp_hu": "scalp, HU",
    "ventricle_percent": "deep fluid, % of the brain",
    "sulcal_percent": "superficial fluid, % of the brain",
    "left_right_hu": "left minus right, mean absolute, HU",
    "texture_hu": "SD within 10 mm after smoothing, HU",
}


def averaged(volume: Volume) -> Volume:
    """Pixels averaged two by two while they are under 0.7 mm."""
    if volume.pixel_spacing_mm[0] > 0.7:
        return volume
    n, rows, columns = volume.shape
    hu = np.maximum(volume.hu[:, : rows // 2 * 2, : columns // 2 * 2], -1000).astype(np.float32)
    small = hu.reshape(n, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4))
    affines = volume.affines.copy()
    affines[:, :3, 3] += 0.5 * (affines[:, :3, 0] + affines[:, :3, 1])
    affines[:, :3, :2] *= 2
    return Volume(np.rint(small).astype(np.int16), affines, volume.thickness_mm)


def upright(volume: Volume, model_input: ModelInput) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """HU and brain on the network's upright grid with 1 mm pixels: (slices, rows, columns), vertex last."""
    grid = model_input.grid
    slices, rows, columns = grid.shape
    fine = 4
    k, r, c = np.meshgrid(
        np.arange(slices),
        (np.arange(rows * fine) - (fine - 1) / 2) / fine,
        (np.arange(columns * fine) - (fine - 1) / 2) / fine,
        indexing="ij",
    )
    points = grid.to_mm(np.stack([c, r, k], axis=-1))
    hu = stack_from(volume.hu, volume).sample(points, -1000.0)
    brain = model_input.brain.repeat(fine, axis=1).repeat(fine, axis=2)
    return hu, brain


def noise(volume: Volume, grid: CanonicalGrid) -> tuple[float, float]:
    """SD and half-length of the noise: the most even tenth of all windows well inside the brain, planes removed."""
    spacing = volume.pixel_spacing_mm[0]
    r, c = np.mgrid[:_WINDOW, :_WINDOW] - (_WINDOW - 1) / 2
    design = np.stack([np.ones(_WINDOW**2), r.ravel(), c.ravel()], axis=1)
    project = np.eye(_WINDOW**2) - design @ np.linalg.pinv(design)
    found = []
    for k in range(volume.shape[0]):
        height = grid.to_grid(volume.centres_mm[k])[2]
        if not grid.shape[0] - 20 < height < grid.shape[0] - 3:
            continue
        image = volume.hu[k].astype(np.float64)
        tiles = np.lib.stride_tricks.sliding_window_view(image, (_WINDOW, _WINDOW))[::4, ::4].reshape(-1, _WINDOW**2)
        tiles = tiles[(tiles.min(axis=1) > -25) & (tiles.max(axis=1) < 85)]
        found.append(tiles @ project)
    windows = np.concatenate(found)
    sd = np.sqrt((windows**2).sum(axis=1) / (_WINDOW**2 - 3))
    even = windows[sd <= np.quantile(sd, 0.1)].reshape(-1, _WINDOW, _WINDOW)
    variance = (even**2).mean()
    lags = [1.0] + [
        float(((even[:, :, lag:] * even[:, :, :-lag]).mean() + (even[:, lag:] * even[:, :-lag]).mean()) / 2 / variance)
        for lag in (1, 2, 3)
    ]
    length = float(np.interp(-0.5, -np.array(lags), np.arange(4))) * spacing
    return float(np.sqrt(variance * _WINDOW**2 / (_WINDOW**2 - 3))), length


def rays(section: NDArray[np.float32], brain: NDArray[np.bool_]) -> Iterator[NDArray[np.float32]]:
    """HU along lines from the brain's middle outwards, 0.5 mm a step."""
    r0, c0 = np.argwhere(brain).mean(axis=0)
    steps = np.arange(0, 120, 0.5)
    for angle in np.linspace(0, 2 * np.pi, _RAYS, endpoint=False):
        line = [r0 + steps * np.sin(angle), c0 + steps * np.cos(angle)]
        yield np.asarray(ndimage.map_coordinates(section, line, order=1, mode="nearest"), dtype=np.float32)


def skull(hu: NDArray[np.float32], brain: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Thickness (median, spread), peak HU and scalp HU of the vault, 40–75 mm under the vertex."""
    thick, peak, scalp = [], [], []
    for k in range(hu.shape[0] - 15, hu.shape[0] - 8):
        if brain[k].sum() < 4000:
            continue
        for line in rays(hu[k], brain[k]):
            bone = np.flatnonzero(line > _BONE_HU)
            if bone.size and bone[-1] - bone[0] < 60 and bone[-1] + 8 < line.size:
                thick.append((bone[-1] - bone[0] + 1) * 0.5)
                peak.append(line[bone].max())
                scalp.append(line[bone[-1] + 5 : bone[-1] + 8].mean())
    low, middle, high = np.quantile(thick, [0.1, 0.5, 0.9])
    return float(middle), float(high - low), float(np.median(peak)), float(np.median(scalp))


def otsu(values: NDArray[np.float32]) -> float:
    """The threshold that parts ``values`` best into two classes."""
    counts, edges = np.histogram(values, bins=128)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts).astype(float)
    above = below[-1] - below
    mass = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(centres[np.nanargmax(between)])


def measure(volume: Volume) -> Measures:
    """All measures of one scan."""
    volume = averaged(volume)
    model_input = prepare(volume)
    hu, brain = upright(volume, model_input)
    n = hu.shape[0]
    upper = slice(n - 19, n - 3)  # 15 to 95 mm under the vertex: above the skull base in most heads
    head, inside = hu[upper], brain[upper]
    smooth = ndimage.gaussian_filter(head, (0, 1.5, 1.5))
    depth = np.stack([ndimage.distance_transform_edt(ndimage.binary_fill_holes(s)) for s in inside])
    tissue = smooth[inside & (depth > 4) & (smooth > _TISSUE_HU[0]) & (smooth < _TISSUE_HU[1])]
    cut = otsu(tissue)
    grey, white = float(np.median(tissue[tissue > cut])), float(np.median(tissue[tissue <= cut]))
    fluid = inside & (smooth < _FLUID_HU)
    deep = fluid & (depth > _DEEP_MM)
    core = ndimage.binary_erosion(deep, np.ones((1, 3, 3)))
    csf = float(np.median(head[core])) if core.sum() > 50 else float("nan")
    broad = ndimage.gaussian_filter(np.clip(head, -20, 80), (0, 3.0, 3.0))
    both = inside & inside[:, :, ::-1] & (depth > 6)
    local_mean = ndimage.uniform_filter(smooth, (0, 11, 11))
    local_sd = np.sqrt(np.maximum(ndimage.uniform_filter(smooth**2, (0, 11, 11)) - local_mean**2, 0))
    sd, length = noise(volume, model_input.grid)
    thickness, spread, peak, scalp = skull(hu, brain)
    return Measures(
        grey,
        white,
        grey - white,
        csf,
        sd,
        length,
        thickness,
        spread,
        peak,
        scalp,
        100 * float(deep.sum() / inside.sum()),
        100 * float((fluid & ~deep).sum() / inside.sum()),
        float(np.abs(broad - broad[:, :, ::-1])[both].mean()),
        float(np.median(local_sd[inside & (depth > 8)])),
    )


def table(real: Measures, simulated: list[Measures]) -> str:
    """Real value beside the simulated median and 5th–95th percentile, and whether it lies within."""
    lines = [
        f"| measure | real study | simulated, {len(simulated)} scans: median (5th–95th) | within |",
        "|---|---|---|---|",
    ]
    for field in fields(Measures):
        values = np.array([getattr(m, field.name) for m in simulated])
        low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95])
        own = getattr(real, field.name)
        within = "yes" if low <= own <= high else "no"
        lines.append(f"| {LABELS[field.name]} | {own:.2f} | {middle:.2f} ({low:.2f}–{high:.2f}) | {within} |")
    return "\n".join(lines) + "\n"


def window(image: NDArray[np.float32], level: float, width: float) -> NDArray[np.uint8]:
    """HU as grey, 0–255."""
    return np.clip((image - level + width / 2) / width * 255, 0, 255).astype(np.uint8)


def strip(volume: Volume, size: int, lead: int) -> NDArray[np.uint8]:
    """The slices at ``_HEIGHTS_MM`` under the vertex as acquired, in the brain window above the stroke window."""
    grid = prepare(volume).grid
    heights = (grid.shape[0] - 1 - grid.to_grid(volume.centres_mm)[:, 2]) * 5.0
    rows: list[list[NDArray[np.uint8]]] = [[], []]
    for wanted in _HEIGHTS_MM[lead:]:
        image = volume.hu[int(np.argmin(np.abs(heights - wanted)))].astype(np.float32)
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        rows[0].append(window(image, 40, 80))
        rows[1].append(window(image, 40, 40))
    return np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)


def montage(study: Volume | None, count: int, first_seed: int, size: int = 256) -> NDArray[np.uint8]:
    """The study above ``count`` simulated scans of 4 to 7 mm with a tilt of 8 to 25 degrees."""
    out = [] if study is None else [strip(study, size, 0)]
    seed = first_seed
    while len(out) < count + (study is not None):
        small, _, _ = simulate_scan(seed, 64)
        if 8 < small.tilt_deg < 25 and 4 <= small.thickness_mm.mean() <= 7:
            out.append(strip(simulate_scan(seed, 384)[0], size, 0))
        seed += 1
    return np.concatenate(out, axis=0)


def main() -> None:
    """Read the arguments; measure, or draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, help="folder of a real plain head CT")
    parser.add_argument("--montage", type=Path, help="write a picture here instead of measuring")
    parser.add_argument("--scans", type=int, default=SCANS)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name} beside this script")
    options = parser.parse_args()
    study = read_study(options.study)[0] if options.study else None
    if options.montage:
        cv2.imwrite(str(options.montage), montage(study, 3, options.first_seed))
        return
    if study is None:
        parser.error("measuring needs a real study to compare with: --study PATH")
    real = measure(study)
    simulated = []
    for k in range(options.scans):
        simulated.append(measure(simulate_scan(options.first_seed + k, MATRIX)[0]))
        print(f"{k + 1} of {options.scans}", file=sys.stderr, flush=True)
    text = table(real, simulated)
    print(text, end="")
    if options.write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
