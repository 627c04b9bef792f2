"""One simulated scan from end to end: person, infarct, acquisition and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htcore.simulation.anatomy import build_head, draw_person
from htcore.simulation.atlas import load_atlas
from htcore.simulation.hazards import BloodTruth, Hazards, add_to_tissue, spoil_picture
from htcore.simulation.outcome import TERRITORIES, ImageFactors, draw_image_factors
from htcore.simulation.scanner import ScannerParameters, draw_scanner, scan
from htcore.simulation.stroke import StrokeParameters, add_artery_sign, darken, grow_lesion, push
from htcore.types import Side, Volume


@dataclass(frozen=True)
class ScanTruth:
    """What is true of a simulated scan: the infarct asked for, and its volume on the image grid in mL.

    ``blood`` is given where it was added on purpose, never in a cohort.
    """

    stroke: StrokeParameters
    scanner: ScannerParameters
    lesion_volume_ml: float
    leukoaraiosis: float
    atrophy: float
    blood: BloodTruth | None = None

    @property
    def side(self) -> Side:
        """The patient's side."""
        return "left" if self.stroke.side > 0 else "right"


def stroke_of(image: ImageFactors, row: int = 0) -> StrokeParameters:
    """The infarct that ``image`` describes in one row."""
    return StrokeParameters(
        TERRITORIES[int(image.territory[row])],
        int(image.side[row]),
        float(image.volume_ml[row]),
        float(image.depth_hu[row]),
        float(image.cortical_share[row]),
        bool(image.artery_sign[row]),
        float(image.mass_effect_mm[row]),
    )


def lesion_volume_ml(mask: NDArray[np.bool_], volume: Volume) -> float:
    """Volume of a mask on the image grid in mL, each slice counting as far as half-way to its neighbours."""
    positions = volume.positions_mm
    edges = np.diff(positions, prepend=2 * positions[0] - positions[1], append=2 * positions[-1] - positions[-2])
    height = (edges[:-1] + edges[1:]) / 2
    rows, columns = volume.pixel_spacing_mm
    return float((mask.sum(axis=(1, 2)) * height).sum() * rows * columns / 1000)


def simulate_person_scan(
    person_seed: np.random.SeedSequence,
    scan_seed: np.random.SeedSequence,
    image: ImageFactors,
    matrix: int,
    one_affine: bool,
    hazards: Hazards | None = None,
) -> tuple[Volume, NDArray[np.bool_], ScanTruth]:
    """Render one scan of one person; the same ``person_seed`` gives the same head and the same infarct's place.

    ``hazards`` adds what the quality gate must catch; without it nothing changes.

    Returns
    -------
    volume, mask, truth
        ``mask`` is bool (slices, rows, columns) on the volume's own grid.
    """
    atlas = load_atlas()
    stroke = stroke_of(image)
    anatomy_rng, lesion_rng = (
        np.random.default_rng(s)
        for s in (
            np.random.SeedSequence(person_seed.entropy, spawn_key=(*person_seed.spawn_key, k)) for k in (101, 102)
        )
    )
    person = draw_person(anatomy_rng, float(image.atrophy[0]), float(image.leukoaraiosis[0]))
    head = build_head(anatomy_rng, person, atlas)
    lesion = grow_lesion(lesion_rng, stroke, head, atlas)
    tissue = darken(stroke, head, lesion)
    if stroke.artery_sign:
        add_artery_sign(lesion_rng, tissue, stroke, atlas)
    rng = np.random.default_rng(scan_seed)
    scanner = draw_scanner(rng, matrix, one_affine)
    warp = push(stroke, head, lesion, atlas)
    blood = None
    if hazards is None:
        volume, mask = scan(rng, scanner, head, tissue, lesion, warp, atlas)
    else:
        added = add_to_tissue(rng.spawn(1)[0], hazards, head, tissue, atlas)
        volume, mask = scan(rng, scanner, head, added.tissue, lesion, warp, atlas)
        # The scanner follows one mask at a time: blood's own comes from a second run.
        bleeds = hazards.blood is not None
        found = scan(rng, scanner, head, added.tissue, added.share, warp, atlas)[1] if bleeds else np.zeros_like(mask)
        volume, mask, blood = spoil_picture(hazards, volume, mask, added, found)
    truth = ScanTruth(
        stroke, scanner, lesion_volume_ml(mask, volume), float(image.leukoaraiosis[0]), float(image.atrophy[0]), blood
    )
    return volume, mask, truth


def simulate_scan(
    seed: int, matrix: int = 160, one_affine: bool = False, hazards: Hazards | None = None
) -> tuple[Volume, NDArray[np.bool_], ScanTruth]:
    """One scan of one drawn person, for tests and demonstrations: volume, infarct mask on its grid, truth."""
    patient, person, acquisition = np.random.SeedSequence(seed).spawn(3)
    image = draw_image_factors(np.random.default_rng(patient), 1)
    return simulate_person_scan(person, acquisition, image, matrix, one_affine, hazards)
