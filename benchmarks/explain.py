"""Do the explanations point at the cause? On simulated scans, whose true infarct is known.

``python -m benchmarks.explain --cohort CSV [--cache DIR] [--model ID] [--scans N] [--close M] [--json FILE]``. Each map
is brought to the network's own resolution, blocks of 2 x 2 pixels (8 mm). Pointing game: the map's highest block holds
true infarct. Mass: share of the positive map inside it. Dice: of the infarct and as many of the highest blocks. What
takes many runs of the network a scan (integrated gradients, deletion, insertion, regions, repeatability) is measured on
M scans spread evenly over the N.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage, stats

from benchmarks.other_maps import CLASSIC, SLOW, Blocks, other_maps
from benchmarks.targets import judge
from htcore import services
from htcore.bundle import Bundle
from htcore.channels import BRAIN, CHANNELS, MIRRORED
from htcore.explain import region_contributions
from htcore.explain.regions import REGIONS, region_labels
from htcore.inference.peers import wilson
from htcore.inference.predict import NetworkResult, run_networks
from htcore.networks import LesionGatedResNet
from htcore.training.cache import PreparedScan, prepare_scans
from htcore.training.cohort import read_cohort
from htcore.types import ModelInput

LARGE_ML = 20.0
SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)  # of the brain's blocks taken away or put back
NOISE_HU = 2.0

TARGETS = {("lesion map", "all"): 0.90, ("lesion map", ">20 mL"): 0.98, ("evidence map", "all"): 0.85}
TARGETS |= {("evidence map", ">20 mL"): 0.95}


@dataclass(frozen=True)
class Truth:
    """A scan with its infarct on the network's blocks."""

    scan: ModelInput
    lesion: np.ndarray
    inside: np.ndarray
    brain: np.ndarray
    volume_ml: float


def blocks(values: np.ndarray) -> Blocks:
    """Mean of each 2 x 2 block."""
    slices, rows, columns = values.shape
    return values.reshape(slices, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4), dtype=np.float64)


def truth_of(entry: PreparedScan) -> Truth | None:
    """``None`` where no block is half infarct: nothing to point at."""
    scan, lesion = entry.model_input(), entry.arrays().lesion
    if lesion is None:
        return None
    share = lesion.astype(np.float64)
    inside = blocks(share) >= 0.5
    if not inside.any():
        return None
    return Truth(scan, share, inside, blocks(scan.brain) > 0, float(share.sum()) * scan.grid.voxel_ml)


def own_maps(result: NetworkResult) -> dict[str, Blocks]:
    """What the project shows."""
    return {"lesion map": blocks(result.lesion), "evidence map": result.contributions.astype(np.float64)}


def pointing(found: Blocks, truth: Truth) -> dict[str, float]:
    """Hit, mass and Dice of one map."""
    within = np.where(truth.brain, found, -np.inf)
    count = int(truth.inside.sum())
    highest = np.argsort(within.ravel())[::-1][:count]
    positive = np.where(truth.brain, np.maximum(found, 0.0), 0.0)
    return {
        "hit": float(truth.inside.ravel()[highest[0]]),
        "mass": float(positive[truth.inside].sum() / max(float(positive.sum()), 1e-12)),
        "dice": float(truth.inside.ravel()[highest].sum() / count),
    }


def curves(networks: tuple[LesionGatedResNet, ...], found: Blocks, truth: Truth) -> dict[str, float]:
    """How far the logit moves as the highest blocks lose their asymmetry (deletion) or alone keep it (insertion).

    Tissue without asymmetry: the mean of a voxel and its mirror image, difference 0. Mean over ``SHARES``, in logit.
    """
    own = truth.scan.channels
    even = (own + own[..., ::-1]) / 2
    even[:, list(MIRRORED)] = 0.0
    order = np.argsort(np.where(truth.brain, found, -np.inf).ravel())[::-1]
    brain = int(truth.brain.sum())
    moved = {}
    for name, start, other in (("deletion", own, even), ("insertion", even, own)):
        batch = []
        for share in SHARES:
            chosen = np.zeros(found.size, dtype=np.bool_)
            chosen[order[: round(share * brain)]] = True
            fine = chosen.reshape(found.shape).repeat(2, 1).repeat(2, 2)[:, None]
            batch.append(np.where(fine, other, start).astype(np.float32))
        with torch.inference_mode():
            x = torch.from_numpy(np.stack(batch))
            logits = np.mean([network(x).logit.double().numpy() for network in networks], axis=0)
        moved[name] = float(np.mean(logits[1:] - logits[0])) * (-1.0 if name == "deletion" else 1.0)
    return moved


def random_networks(bundle: Bundle) -> tuple[LesionGatedResNet, ...]:
    """The same architecture with weights that never learned."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return tuple(bundle.config.build().eval().requires_grad_(False) for _ in range(bundle.members))


def likeness(one: Blocks, other: Blocks, brain: np.ndarray) -> float:
    """Spearman's rank correlation over the brain."""
    return float(stats.spearmanr(one[brain], other[brain]).statistic)


def noisy(scan: ModelInput, rng: np.random.Generator) -> ModelInput:
    """With ``NOISE_HU`` of noise on every 4 mm voxel, smoothed as the channels that average over tissue are."""
    noise = rng.normal(0.0, NOISE_HU, scan.brain.shape) * scan.brain
    smooth = ndimage.gaussian_filter(noise, (0.6, 1.0, 1.0))
    channels = scan.channels.copy()
    added = {"tissue": smooth, "pixel": noise, "difference": smooth - smooth[..., ::-1]}
    for place, channel in enumerate(CHANNELS):
        if channel.kind in added:
            channels[:, place] += added[channel.kind] / channel.hu * (channels[:, place] != 0)
    return ModelInput(channels, scan.brain, scan.grid, ())


def shifted(scan: ModelInput) -> ModelInput:
    """Half a pixel, 2 mm, to the back; the brain with it."""
    channels = ndimage.shift(scan.channels, (0, 0, 0.5, 0), order=1, mode="nearest")
    return ModelInput(channels.astype(np.float32), channels[:, BRAIN] > 0.5, scan.grid, ())


def repeat(bundle: Bundle, networks: tuple[LesionGatedResNet, ...], truth: Truth, rng: np.random.Generator) -> dict:
    """How alike map and probability stay under noise and a shift."""
    first = run_networks(networks, truth.scan)
    before = own_maps(first)
    out: dict[str, dict[str, float]] = {}
    for name, scan in (("noise", noisy(truth.scan, rng)), ("shift 2 mm", shifted(truth.scan))):
        result = run_networks(networks, scan)
        risks = bundle.calibration.probability(np.array([first.logit, result.logit]))
        out[name] = {"probability change": float(abs(np.diff(risks)[0]))}
        for kind, after in own_maps(result).items():
            out[name][kind] = likeness(before[kind], after, truth.brain)
    return out


def region_ranks(bundle: Bundle, networks: tuple[LesionGatedResNet, ...], truth: Truth) -> dict[str, float]:
    """Place of the region with most infarct among all contributions, and what the sampling is worth."""
    labels = region_labels(truth.scan.brain, truth.scan.grid)
    started = time.process_time()
    found = region_contributions(networks, truth.scan, bundle.calibration)
    spent = time.process_time() - started
    left = np.arange(labels.shape[2]) >= labels.shape[2] // 2
    held = [truth.lesion[(labels == REGIONS.index(e.name)) & (left == (e.side == "left"))].sum() for e in found]
    added = np.array([entry.contribution for entry in found])
    place = int(np.flatnonzero(np.argsort(-added) == int(np.argmax(held)))[0])
    sides = {side: sum(e.contribution for e in found if e.side == side) for side in ("left", "right")}
    lesion_left = bool(truth.lesion[..., left].sum() > truth.lesion[..., ~left].sum())
    right_side = (sides["left"] > sides["right"]) == lesion_left
    return {"first": float(place == 0), "first three": float(place < 3), "side": float(right_side), "cpu s": spent}


def share_row(hits: list[float]) -> dict[str, float | int]:
    """Share with Wilson's interval."""
    count, total = int(sum(hits)), len(hits)
    low, high = wilson(count / total, total)
    return {"n": total, "value": count / max(total, 1), "low": low, "high": high}


def size_groups(volumes: np.ndarray) -> dict[str, np.ndarray]:
    """Which scans each row of the table counts."""
    return {"all": volumes > 0, f">{LARGE_ML:.0f} mL": volumes > LARGE_ML, f"<={LARGE_ML:.0f} mL": volumes <= LARGE_ML}


def measure(bundle: Bundle, entries: tuple[PreparedScan, ...], close: int) -> dict:
    """Every figure, as plain values."""
    networks = bundle.networks(torch.device("cpu"))
    untrained = random_networks(bundle)
    rng = np.random.default_rng(0)
    every = max(1, len(entries) // max(close, 1))
    points: dict[str, list[tuple[float, dict[str, float]]]] = {}
    moves: dict[str, list[dict[str, float]]] = {}
    random_likeness: dict[str, list[float]] = {"lesion map": [], "evidence map": []}
    repeats: list[dict] = []
    regions: list[tuple[float, dict[str, float]]] = []
    skipped = 0
    for number, entry in enumerate(entries):
        truth = truth_of(entry)
        if truth is None:
            skipped += 1
            continue
        maps = {**own_maps(run_networks(networks, truth.scan)), **other_maps(networks, truth.scan, CLASSIC)}
        if number % every == 0:
            maps |= other_maps(networks, truth.scan, SLOW)
            for name, found in {**maps, "random order": rng.random(truth.brain.shape)}.items():
                moves.setdefault(name, []).append(curves(networks, found, truth))
            for name, found in own_maps(run_networks(untrained, truth.scan)).items():
                random_likeness[name].append(likeness(maps[name], found, truth.brain))
            repeats.append(repeat(bundle, networks, truth, rng))
            regions.append((truth.volume_ml, region_ranks(bundle, networks, truth)))
        for name, found in maps.items():
            points.setdefault(name, []).append((truth.volume_ml, pointing(found, truth)))
    return {
        "scans": len(entries),
        "without a block of infarct": skipped,
        "pointing": {name: pointing_rows(rows) for name, rows in points.items()},
        "curves": {n: {k: float(np.mean([r[k] for r in rows])) for k in rows[0]} for n, rows in moves.items()},
        "random weights": {name: float(np.median(np.abs(values))) for name, values in random_likeness.items()},
        "repeatability": {
            name: {key: float(np.median([row[name][key] for row in repeats])) for key in repeats[0][name]}
            for name in repeats[0]
        },
        "regions": region_rows(regions),
    }


def pointing_rows(rows: list[tuple[float, dict[str, float]]]) -> dict:
    """By size: hit rate with interval, mean mass and Dice."""
    volumes = np.array([volume for volume, _ in rows])
    out = {}
    for name, kept in size_groups(volumes).items():
        own = [row for (_, row), keep in zip(rows, kept, strict=True) if keep]
        if own:
            mean = {key: float(np.mean([row[key] for row in own])) for key in ("mass", "dice")}
            out[name] = {**share_row([row["hit"] for row in own]), **mean}
    return out


def region_rows(rows: list[tuple[float, dict[str, float]]]) -> dict:
    """By size: how often the region with most infarct stands first, among the first three; and the side."""
    volumes = np.array([volume for volume, _ in rows])
    out: dict = {"median cpu s": float(np.median([row["cpu s"] for _, row in rows]))}
    for name, kept in size_groups(volumes).items():
        own = [row for (_, row), keep in zip(rows, kept, strict=True) if keep]
        if own:
            out[name] = {key: share_row([row[key] for row in own]) for key in ("first", "first three", "side")}
    return out


def print_report(found: dict, model: str) -> None:
    """The table."""
    print(
        f"{found['scans']} simulated scans, {found['without a block of infarct']} of them without a block that is half"
    )
    print(f"infarct and left out; model {model}; 95% intervals after Wilson")
    print(f"\n{'map':30s}{'infarct':>9s}{'n':>5s}{'pointing hit':>22s}{'mass':>7s}{'Dice':>7s}")
    for name, groups in found["pointing"].items():
        for size, row in groups.items():
            hit = f"{row['value']:.3f} ({row['low']:.3f}–{row['high']:.3f})"
            print(f"{name:30s}{size:>9s}{row['n']:5d}{hit:>22s}{row['mass']:7.3f}{row['dice']:7.3f}")
    print(f"\n{'map':30s}{'deletion':>10s}{'insertion':>11s}   mean change of the logit, higher is better")
    for name, row in found["curves"].items():
        print(f"{name:30s}{row['deletion']:10.3f}{row['insertion']:11.3f}")
    print("\nmedian |rank correlation| with the map of random weights (should be near 0)")
    for name, value in found["random weights"].items():
        print(f"{name:30s}{value:10.3f}")
    print(f"\nmedian rank correlation under {NOISE_HU:g} HU of noise a voxel, and a shift; change of the probability")
    for name, row in found["repeatability"].items():
        print(f"{name:30s}" + ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
    print(f"\nregion with most infarct among 28 contributions; {found['regions']['median cpu s']:.2f} CPU s a scan")
    for size, row in found["regions"].items():
        if isinstance(row, dict):
            cells = (f"{key} {v['value']:.2f} ({v['low']:.2f}–{v['high']:.2f})" for key, v in row.items())
            print(f"{size:>9s} n {row['first']['n']:3d}  " + "  ".join(cells))
    for (name, size), bound in TARGETS.items():
        judge(f"{name}, pointing hit, {size}", found["pointing"][name][size]["value"], bound, at_least=True)


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="prepared scans; the folder beside the table where not given")
    parser.add_argument("--model", default="ht-sim-v1")
    parser.add_argument("--scans", type=int, default=500)
    parser.add_argument("--close", type=int, default=24)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bundle = services.load_bundle_by_id(arguments.model)
    cache = arguments.cache or arguments.cohort.parent / "prepared"
    entries = prepare_scans(read_cohort(arguments.cohort).scans[: arguments.scans], cache)[0]
    found = measure(bundle, entries, arguments.close)
    for (name, size), bound in TARGETS.items():
        found["pointing"][name][size]["target"] = bound
    print_report(found, arguments.model)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
