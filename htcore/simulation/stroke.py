"""The acute infarct: where, how large, how dark, and what it pushes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htcore.simulation.anatomy import WARP_STEP, Head
from htcore.simulation.atlas import STEP_MM, Atlas, Field, smooth_noise


@dataclass(frozen=True)
class StrokeParameters:
    """One infarct; ``side`` -1 is the patient's right, +1 the left; ``territory`` one of ``outcome.TERRITORIES``."""

    territory: str
    side: int
    volume_ml: float
    depth_hu: float
    cortical_share: float
    artery_sign: bool
    mass_effect_mm: float


def territory_mask(
    atlas: Atlas, territory: str, side: int, ragged_mm: tuple[Field, Field, Field] | None = None
) -> NDArray[np.bool_]:
    """Where ``territory`` may infarct on one side, (x, y, z).

    Boxes and planes in MNI mm after the usual maps (Tatu et al., Neurology 1998, 10.1212/WNL.50.6.1699); left and
    right alike. ``ragged_mm`` moves each point's lateral, y and z, so that borders differ from person to person.
    """
    x, y, z = atlas.axes()
    own = (x * -side) > 0.5
    lateral = np.abs(x)
    if ragged_mm is not None:
        lateral, y, z = lateral + ragged_mm[0], y + ragged_mm[1], z + ragged_mm[2]
    tissue = (atlas.gm + atlas.wm > 0.5) & own
    below_tent = (y < -32) & (z < -18 - 0.22 * np.maximum(0, -60 - y) + 0.25 * np.maximum(0, 30 - lateral) * 0.4)
    stem = (lateral < 17) & (y > -46) & (y < -10) & (z < -8)
    cerebellum = below_tent & ~stem
    aca = (lateral < 15) & (z > -8) & (y > -42 - 0.0 * z) & ~((z < 32) & (y < 16)) & ~stem
    posterior = (y < -58 - 0.1 * (z - 20)) & (lateral < 36) & (z < 34) & ~below_tent
    inferior_temporal = (z < -8) & (y < -22) & (lateral < 44) & ~below_tent & ~stem
    thalamus = (lateral < 20) & (y > -32) & (y < -3) & (z > 0) & (z < 18)
    pca = posterior | inferior_temporal | thalamus
    deep = (lateral > 9) & (lateral < 33) & (y > -22) & (y < 24) & (z > -8) & (z < 28)
    choroidal = (lateral > 17) & (lateral < 28) & (y > -27) & (y < -6) & (z > -4) & (z < 16)
    mca = ~cerebellum & ~stem & ~aca & ~pca & (z > -40) & (lateral > 12)
    superior = mca & ~deep & (((y > -20) & (z > -4)) | (z > 32) | (y > 22))
    anterior = (np.abs(lateral - 21 - 0.12 * np.maximum(y, 0)) < 8) & (y > 2) & (z > 12)
    posterior_zone = (np.abs(lateral - 31) < 10) & (y < -42) & (y > -82) & (z > 2) & (z < 52)
    internal = (np.abs(lateral - 25) < 6) & (y > -42) & (y < 28) & (z > 20) & (z < 40)
    regions = {
        "MCA trunk": mca,
        "MCA superior division": superior,
        "MCA inferior division": mca & ~deep & ~superior,
        "lenticulostriate": deep & ~thalamus,
        "ACA": aca,
        "PCA": pca,
        "anterior choroidal": choroidal,
        "watershed": (anterior | posterior_zone | internal) & ~stem & ~cerebellum,
        "cerebellar": cerebellum,
        "brainstem": stem,
    }
    return np.asarray(tissue & regions[territory])


def grow_lesion(rng: np.random.Generator, stroke: StrokeParameters, head: Head, atlas: Atlas) -> Field:
    """The infarct as a share 0–1 a voxel, (x, y, z), of ``volume_ml`` in the person's own size.

    Noise-roughened distance to a seed, cut where the volume is reached; the seed lies nearer to the cortex the
    greater the cortical share.
    """
    jag = smooth_noise(rng, 4.0)
    ragged = (5.0 * jag, 6.0 * smooth_noise(rng, 4.0), -5.0 * jag)
    allowed = territory_mask(atlas, stroke.territory, stroke.side, ragged) & (head.csf < 0.75)
    flat = np.flatnonzero(allowed)
    depth = -atlas.envelope.ravel()[flat]
    wanted = np.quantile(depth, np.clip(1 - stroke.cortical_share + rng.normal(0, 0.08), 0.02, 0.98))
    near = np.flatnonzero(np.abs(depth - wanted) <= max(2.0, float(np.partition(np.abs(depth - wanted), 50)[50])))
    seed = np.unravel_index(int(flat[near[rng.integers(near.size)]]), atlas.shape)
    stretch = rng.uniform(0.75, 1.35, 3)
    if stroke.territory == "watershed":
        stretch[1] *= 0.5  # border zones run from front to back
    axes = [
        (np.arange(n, dtype=np.float32) - int(s)) * np.float32(STEP_MM * k)
        for n, s, k in zip(atlas.shape, seed, stretch, strict=True)
    ]
    square = axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2
    radius = (stroke.volume_ml * 1000 * 0.75 / np.pi) ** (1 / 3)
    rough = 0.28 * smooth_noise(rng, 4.0) + 0.14 * smooth_noise(rng, 2.0)
    cost = np.sqrt(square) + np.float32(radius) * rough
    voxel_ml = STEP_MM**3 * float(np.prod(head.scale)) / 1000
    wanted_voxels = min(round(stroke.volume_ml / voxel_ml), int(0.92 * flat.size))
    values = cost.ravel()[flat]
    cut = float(np.partition(values, max(wanted_voxels, 1) - 1)[max(wanted_voxels, 1) - 1])
    share = np.clip((np.float32(cut) - cost) / 3.0 + 0.5, 0, 1) * allowed
    return np.asarray(share, dtype=np.float32)


def white_share(depth_hu: float) -> float:
    """How much of grey matter's loss white matter has: little while the infarct is fresh, most once it is dark.

    Grey matter, which needs more blood, darkens first, so that the grey-white border is lost before depth shows.
    """
    return float(np.clip(0.1 + 0.075 * depth_hu, 0.1, 0.85))


def darken(rng: np.random.Generator, stroke: StrokeParameters, head: Head, lesion: Field) -> Field:
    """The tissue's HU with the infarct, patchily: grey matter loses the depth, white matter a share; sulci close."""
    effacement = np.float32(min(1.0, stroke.depth_hu / 10) * 0.7)
    csf = head.csf * (1 - effacement * lesion)
    swollen = head.tissue + (head.csf - csf) * np.float32(24.0)
    spared = np.float32(1 - white_share(stroke.depth_hu))
    patchy = 1 + np.float32(0.15) * smooth_noise(rng, 2.5)
    loss = np.float32(stroke.depth_hu) * lesion * patchy * (1 - csf) * (1 - spared * head.white)
    return np.asarray(swollen - loss, dtype=np.float32)


def add_artery_sign(rng: np.random.Generator, tissue: Field, stroke: StrokeParameters, atlas: Atlas) -> None:
    """A dense middle (or posterior, or basilar) cerebral artery, in place."""
    x, y, z = atlas.axes()
    if stroke.territory == "brainstem":
        tube = (np.hypot(x, y + 16) < 2.2) & (z > -34) & (z < -14)
    elif stroke.territory == "PCA":
        tube = (np.hypot(z + 14, y + 22) < 2.0) & (x * -stroke.side > 6) & (x * -stroke.side < 26)
    else:
        along = x * -stroke.side
        tube = (np.sqrt((z + 16 - 0.1 * along) ** 2 + (y - 2 - 0.15 * along) ** 2) < 2.3) & (along > 8) & (along < 34)
    where = np.broadcast_to(tube, tissue.shape)
    tissue[where] = np.maximum(tissue[where], float(rng.uniform(50, 66)))


def push(stroke: StrokeParameters, head: Head, lesion: Field, atlas: Atlas) -> Field:
    """The person's warp with the midline shifted by the swelling, (nodes, 3) mm."""
    if stroke.mass_effect_mm < 0.3:
        return head.warp_mm
    weight = lesion.sum()
    centre = [
        float((lesion.sum(axis=tuple(a for a in range(3) if a != k)) * np.arange(n)).sum() / weight)
        for k, n in enumerate(atlas.shape)
    ]
    nodes = np.indices(head.warp_mm.shape[:3], dtype=np.float32) * WARP_STEP * STEP_MM
    dy, dz = nodes[1] - centre[1] * STEP_MM, nodes[2] - centre[2] * STEP_MM
    x_mm = nodes[0] + atlas.origin[0]
    fade = np.exp(-(dy**2 + dz**2) / (2 * 38.0**2)) * np.exp(-((x_mm / 42.0) ** 2))
    out = head.warp_mm.copy()
    # the warp maps the person to the atlas, so contents that move away from the infarct need the opposite sign
    out[..., 0] -= np.float32(stroke.side * stroke.mass_effect_mm) * fade.astype(np.float32)
    return out
