"""How the risk and the maps move when the same head is scanned, placed or stored another way.

``python -m benchmarks.robustness --model ID --cohort CSV [--scans 200] [--study PATH] [--json FILE]``. Each variation
is made from the scan as read, goes through alignment and network again, and is compared with the scan itself: the
change of the calibrated probability (median, 90th percentile, worst), of the measured infarct's volume, and how often
its side is wrong (a mirrored head must change sides). Scans are taken at even steps through the table. ``--study``
prints the same for one study of one's own; with ``--box X X Y Y Z Z`` (LPS mm, about its infarct) also how much of the
measured lesion and of the evidence for HT lies in there, and whether both peak in there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.targets import judge
from htcore import services, transforms
from htcore.bundle import Bundle
from htcore.errors import HtcoreError
from htcore.explain import explain
from htcore.explain.evidence import LESION_CUTOFF
from htcore.inference import estimate_risk, predict
from htcore.training.cohort import read_cohort
from htcore.transforms.symmetry import pose_rotation
from htcore.types import FloatArray, Volume

AIR_HU = -1024
CLEAR_ML = 5.0  # below this a side is not asked of the map


@dataclass(frozen=True)
class Reading:
    """What the model says about one volume."""

    probability: float
    lesion_ml: float
    side: str | None


def read(bundle: Bundle, volume: Volume) -> Reading:
    """Align, score, measure."""
    model_input = transforms.prepare(volume)
    result = predict(bundle, model_input)
    lesion = explain(result, model_input, volume).lesion
    return Reading(estimate_risk(bundle.calibration, result.logit).probability, lesion.volume_ml, lesion.side)


def with_hu(volume: Volume, hu: np.ndarray) -> Volume:
    """The same geometry with other values."""
    return Volume(np.clip(np.rint(hu), AIR_HU, 3071).astype(np.int16), volume.affines, volume.thickness_mm)


def turned(volume: Volume, yaw_deg: float, roll_deg: float) -> Volume:
    """The head turned in the scanner: only where the pixels lie changes."""
    rotation = np.eye(4)
    rotation[:3, :3] = pose_rotation(yaw_deg, roll_deg)
    centre = volume.centres_mm.mean(axis=0)
    rotation[:3, 3] = centre - rotation[:3, :3] @ centre
    return Volume(volume.hu, np.asarray(rotation @ volume.affines), volume.thickness_mm)


def mirrored(volume: Volume) -> Volume:
    """Left and right exchanged."""
    return Volume(np.ascontiguousarray(volume.hu[..., ::-1]), volume.affines, volume.thickness_mm)


def thicker(volume: Volume, wanted_mm: float) -> Volume:
    """Neighbouring slices averaged up to about this thickness; as it is where that is less than two slices."""
    step = float(np.median(np.diff(volume.positions_mm)))
    group = max(1, round(wanted_mm / step))
    starts = range(0, volume.shape[0] - group + 1, group)
    hu = np.stack([volume.hu[s : s + group].mean(axis=0) for s in starts])
    affines: FloatArray = np.stack([volume.affines[s : s + group].mean(axis=0) for s in starts])
    out = Volume(np.rint(hu).astype(np.int16), affines, np.full(len(affines), group * step))
    return volume if group == 1 else out


def noisier(volume: Volume, rng: np.random.Generator) -> Volume:
    """As much noise again as tissue shows from one pixel to the next."""
    tissue = (volume.hu > 10) & (volume.hu < 60)
    steps = np.diff(volume.hu.astype(np.float32), axis=2)[tissue[..., 1:] & tissue[..., :-1]]
    # A difference of two pixels has the root of two of their noise; the median leaves edges out.
    sd = 1.48 * float(np.median(np.abs(steps))) / np.sqrt(2)
    return with_hu(volume, volume.hu + rng.normal(0.0, np.sqrt(3) * sd, volume.shape))


def smoother(volume: Volume) -> Volume:
    """A softer kernel: 1 mm more of blur."""
    sigma = 1.0 / volume.pixel_spacing_mm[0]
    return with_hu(volume, np.stack([cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma) for image in volume.hu]))


def sharper(volume: Volume) -> Volume:
    """A sharper kernel: 0.6 of what 1 mm of blur takes away is added."""
    return with_hu(volume, volume.hu + 0.6 * (volume.hu.astype(np.float32) - smoother(volume).hu))


def wider(volume: Volume) -> Volume:
    """A larger field of view: 15% of air on every side."""
    margin = round(0.15 * volume.shape[1])
    hu = np.pad(volume.hu, ((0, 0), (margin, margin), (margin, margin)), constant_values=AIR_HU)
    affines = volume.affines.copy()
    affines[:, :3, 3] -= margin * (volume.affines[:, :3, 0] + volume.affines[:, :3, 1])
    return Volume(hu, affines, volume.thickness_mm)


Change = Callable[[Volume, np.random.Generator], Volume]
CHANGES: dict[str, Change] = {
    "left and right mirrored": lambda volume, rng: mirrored(volume),
    "turned by yaw +10°": lambda volume, rng: turned(volume, 10.0, 0.0),
    "turned by yaw -15°": lambda volume, rng: turned(volume, -15.0, 0.0),
    "turned by roll +10°": lambda volume, rng: turned(volume, 0.0, 10.0),
    "6 HU brighter": lambda volume, rng: with_hu(volume, volume.hu + 6.0),
    "6 HU darker": lambda volume, rng: with_hu(volume, volume.hu - 6.0),
    "noise doubled": noisier,
    "softer kernel": lambda volume, rng: smoother(volume),
    "sharper kernel": lambda volume, rng: sharper(volume),
    "slices of about 9 mm": lambda volume, rng: thicker(volume, 9.0),
    "larger field of view": lambda volume, rng: wider(volume),
    "turned by roll -10°": lambda volume, rng: turned(volume, 0.0, -10.0),
    "turned by yaw -10°": lambda volume, rng: turned(volume, -10.0, 0.0),
}
MUST_SWAP = "left and right mirrored"
MOVING = (MUST_SWAP, *(name for name in CHANGES if name.startswith(("turned", "slices", "larger"))))
"""Variations that move what lies in the head to other pixels or places."""
SWAPPED = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Inside:
    """How much of the maps lies in a box about the infarct, and whether both peak in it."""

    lesion: float
    evidence: float
    peaks: bool


def in_box(volume: Volume, box_mm: FloatArray) -> NDArray[np.bool_]:
    """Voxels in a box of LPS coordinates, (3, 2) in mm; (slices, rows, columns)."""
    rows, columns = np.indices(volume.shape[1:])
    pixels = np.stack([columns, rows, np.zeros_like(rows), np.ones_like(rows)], axis=-1).astype(np.float64)
    places = np.einsum("kab,jib->kjia", volume.affines, pixels)[..., :3]  # (slices, rows, columns, 3)
    return np.asarray(((places >= box_mm[:, 0]) & (places <= box_mm[:, 1])).all(axis=-1))


def inside(bundle: Bundle, volume: Volume, box: NDArray[np.bool_], name: str | None = None) -> Inside:
    """Of the volume, or of its variation ``name``; the lesion is counted from its cut-off on."""
    changed = volume
    if name is not None:
        changed = CHANGES[name](volume, np.random.default_rng(0))
    if name in MOVING:
        solid = Volume((1000 * box).astype(np.int16), volume.affines, volume.thickness_mm)
        box = CHANGES[str(name)](solid, np.random.default_rng(0)).hu > 500
    model_input = transforms.prepare(changed)
    result = predict(bundle, model_input)
    evidence = np.maximum(explain(result, model_input, changed).evidence_map, 0.0)
    lesion = result.lesion * (result.lesion >= LESION_CUTOFF)
    within = transforms.mask_to_grid(box, changed, model_input.grid)
    shares = [float((values * within).sum() / max(float(values.sum()), 1e-9)) for values in (lesion, evidence)]
    peaks = all(within.flat[int(values.argmax())] > 0 for values in (result.lesion, evidence))
    return Inside(shares[0], shares[1], peaks)


def changes_of(bundle: Bundle, volume: Volume, number: int) -> tuple[Reading, dict[str, Reading | str]]:
    """The scan's own reading and those of its variations; an error's code where one could not be read."""
    own = read(bundle, volume)
    found: dict[str, Reading | str] = {}
    for place, (name, change) in enumerate(CHANGES.items()):
        try:
            found[name] = read(bundle, change(volume, np.random.default_rng((number, place))))
        except HtcoreError as error:
            found[name] = error.code
    return own, found


def summary(readings: list[tuple[Reading, dict[str, Reading | str]]]) -> list[dict[str, float | int | str | None]]:
    """One row a variation."""
    rows: list[dict[str, float | int | str | None]] = []
    for name in CHANGES:
        pairs = [(own, found[name]) for own, found in readings]
        read_pairs = [(own, other) for own, other in pairs if isinstance(other, Reading)]
        moved = np.abs([other.probability - own.probability for own, other in read_pairs])
        volumes = np.abs([other.lesion_ml - own.lesion_ml for own, other in read_pairs])
        clear = [(own, other) for own, other in read_pairs if own.lesion_ml >= CLEAR_ML and own.side in SWAPPED]
        wrong = sum(other.side != (SWAPPED[str(own.side)] if name == MUST_SWAP else own.side) for own, other in clear)
        rows.append(
            {
                "variation": name,
                "n": len(read_pairs),
                "unreadable": len(pairs) - len(read_pairs),
                "risk_median": float(np.median(moved)),
                "risk_p90": float(np.percentile(moved, 90)),
                "risk_worst": float(moved.max()),
                "lesion_ml_median": float(np.median(volumes)),
                "lesion_ml_p90": float(np.percentile(volumes, 90)),
                "sides_asked": len(clear),
                "wrong_sides": wrong,
            }
        )
    return rows


def print_table(rows: list[dict[str, float | int | str | None]]) -> None:
    """Changes of the risk in percentage points."""
    print(f"{'':26s}{'n':>5s}{'change of risk, points':>27s}{'of the infarct, mL':>22s}{'wrong side':>14s}")
    print(f"{'variation':26s}{'':5s}{'median':>9s}{'90%':>9s}{'worst':>9s}{'median':>12s}{'90%':>10s}")
    for row in rows:
        risk = "".join(f"{100 * float(row[key] or 0):9.1f}" for key in ("risk_median", "risk_p90", "risk_worst"))
        volume = f"{row['lesion_ml_median']:12.1f}{row['lesion_ml_p90']:10.1f}"
        print(f"{row['variation']:26s}{row['n']:5d}{risk}{volume}{row['wrong_sides']:8d} of {row['sides_asked']}")
    lost = {str(row["variation"]): row["unreadable"] for row in rows if row["unreadable"]}
    if lost:
        print(f"could not be aligned or read: {lost}")


def main() -> None:
    """Vary, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--cohort", type=Path)
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--study", type=Path)
    parser.add_argument("--box", type=float, nargs=6)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    bundle = services.load_bundle_by_id(arguments.model)
    if arguments.study is not None:
        study = services.inspect_study(arguments.study)[0]
        own, found = changes_of(bundle, study, 0)
        print(f"the given study: risk {own.probability:.1%}, {own.lesion_ml:.0f} mL on the {own.side}")
        for name, other in found.items():
            said = (
                other if isinstance(other, str) else f"{other.probability:.1%}, {other.lesion_ml:.0f} mL, {other.side}"
            )
            print(f"  {name:26s}{said}")
        if arguments.box is not None:
            print(f"{'inside the box':28s}{'lesion':>8s}{'evidence':>10s}{'peaks':>10s}")
            box = in_box(study, np.array(arguments.box).reshape(3, 2))
            for variation in (None, *CHANGES):
                part = inside(bundle, study, box, variation)
                peaks = "inside" if part.peaks else "outside"
                print(f"  {variation or 'as it is':26s}{part.lesion:8.0%}{part.evidence:10.0%}{peaks:>10s}")
    if arguments.cohort is not None:
        scans = read_cohort(arguments.cohort).scans
        step = max(1, len(scans) // arguments.scans)
        readings = []
        for number, scan in enumerate(scans[::step][: arguments.scans]):
            volume, _, report = services.inspect_study(scan.path)
            if report.verdict != "refuse":
                readings.append(changes_of(bundle, volume, number))
        rows = summary(readings)
        print(f"{len(readings)} scans, model {bundle.identity.id} {bundle.identity.weights_sha256[:12]}")
        print_table(rows)
        turned_round = next(row for row in rows if row["variation"] == MUST_SWAP)
        judge("mirrored head: largest change of risk", float(turned_round["risk_worst"] or 0), 0.03)
        if arguments.json is not None:
            content = {"model": bundle.identity.weights_sha256, "variations": rows}
            arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
