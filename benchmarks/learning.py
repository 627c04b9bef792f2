"""Networks trained on the same scans in the same way, to be compared."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from htcore.bundle import Bundle, add_measurement
from htcore.channels import MIRRORED
from htcore.evaluation.delong import delong_difference, delong_interval
from htcore.networks import LesionGatedResNet, NetworkConfig, SliceResNetConfig, VolumeResNetConfig
from htcore.networks.lesion_gated import SliceMixing
from htcore.training.batches import Augmentation, ScanArrays
from htcore.training.cache import PreparedScan, prepare_scans
from htcore.training.cohort import check_no_leak, read_cohort
from htcore.training.loop import Buildable, LoopParameters, fit, threads
from htcore.training.parts import FACTORS, PreparedSource

Logits = NDArray[np.float64]
_OURS = NetworkConfig(factors=len(FACTORS))


def cohorts(description: str | None) -> argparse.ArgumentParser:
    """What a program may be told that learns from one cohort and measures on another."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    return parser


def options(description: str | None) -> argparse.ArgumentParser:
    """What a program that trains networks may be told beside."""
    parser = cohorts(description)
    parser.add_argument("--patients", type=int, default=474)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("learning"))
    return parser


def prepared(arguments: argparse.Namespace) -> list[tuple[PreparedScan, ...]]:
    """The scans to learn from, those of one cohort after another, and those to measure on, of other patients."""
    tables = (*arguments.train, arguments.test)
    parts = {f"table {number} ({csv})": read_cohort(csv).scans for number, csv in enumerate(tables, start=1)}
    check_no_leak(parts)
    *training, test = (
        prepare_scans(scans, arguments.cache or csv.parent / "prepared", arguments.workers)[0]
        for csv, scans in zip(tables, parts.values(), strict=True)
    )
    return [tuple(chain.from_iterable(training)), test]


def first_patients(scans: tuple[PreparedScan, ...], count: int) -> tuple[PreparedScan, ...]:
    """All scans of the first ``count`` patients; ends the program where there are fewer."""
    patients = list(dict.fromkeys(entry.scan.patient_id for entry in scans))
    if len(patients) < count:
        raise SystemExit(f"The cohort to learn from has {len(patients)} patients with usable scans, not {count}.")
    kept = set(patients[:count])
    return tuple(entry for entry in scans if entry.scan.patient_id in kept)


@dataclass(frozen=True)
class Recipe:
    """A network and how it learns; ``loop`` holds what differs from the loop's defaults."""

    name: str
    network: Buildable[torch.nn.Module] = _OURS
    loop: dict[str, Any] = field(default_factory=dict)
    known_risk: bool = False
    without_channels: tuple[int, ...] = ()


OURS = Recipe("lesion-gated residual network")
PLAIN_NETWORKS = (
    Recipe("2-D residual network a slice, maximum", SliceResNetConfig(pooling="max")),
    Recipe("2-D residual network a slice, mean", SliceResNetConfig(pooling="mean")),
    Recipe("3-D residual network", VolumeResNetConfig()),
)


class _Ungated(LesionGatedResNet):
    """Every voxel of the brain counts alike in its slice, whatever the lesion map says of it."""

    def pooling(self, features: Tensor, lesion: Tensor, brain: Tensor) -> Tensor:
        """As of a lesion map that is the same everywhere."""
        return super().pooling(features, torch.zeros_like(lesion), brain)


@dataclass(frozen=True)
class _Ours:
    """The network of ``_OURS`` with a part switched off."""

    without: Literal["neighbouring slices", "gate"]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {**_OURS.to_json(), "without": self.without}

    def build(self) -> LesionGatedResNet:
        """A network with fresh weights from torch's generator."""
        if self.without == "gate":
            return _Ungated(_OURS)
        network = _OURS.build()
        for part in network.modules():
            if isinstance(part, SliceMixing):
                part.weight.requires_grad_(False)  # they begin as zeros
        return network


ABLATIONS = (
    Recipe("lesion masks teach nothing", loop={"lesion_weight": 0.0}),
    Recipe("the lesion map does not weigh the features", _Ours(without="gate")),
    Recipe("slices do not see their neighbours", _Ours(without="neighbouring slices")),
    Recipe("twice as many features", replace(_OURS, widths=(32, 64, 128), feature_width=64)),
    Recipe("causes teach nothing", replace(_OURS, factors=0)),
    Recipe("no difference from the mirror image", without_channels=MIRRORED),
    Recipe("scans not varied", loop={"augmentation": Augmentation(False, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)}),
    Recipe("the true risk taught instead of the outcome", known_risk=True),
)


class _Source(PreparedSource):
    """Prepared scans, one channel blanked where asked for."""

    def __init__(self, scans: tuple[PreparedScan, ...], recipe: Recipe) -> None:
        super().__init__(scans, recipe.known_risk)
        self.blank = list(recipe.without_channels)

    def load(self, index: int) -> ScanArrays:
        """The scan at ``index``."""
        arrays = super().load(index)
        arrays.channels[:, self.blank] = 0
        return arrays


def learn(
    recipe: Recipe,
    training: tuple[PreparedScan, ...],
    loop: LoopParameters,
    work: Path,
    tell: Callable[[str], None] = lambda line: None,
) -> torch.nn.Module:
    """Train from fresh weights; goes on from this recipe's checkpoint for so many scans and epochs in ``work``."""
    fitted = fit(
        recipe.network,
        _Source(training, recipe),
        replace(loop, **recipe.loop),
        work / f"{len(training)} x {loop.epochs} {recipe.name}",
        on_epoch=lambda log: tell(f"{recipe.name}: epoch {log.epoch}, {log.classification:.4f}, {log.seconds:.0f} s"),
    )
    return fitted.network


def score(recipe: Recipe, network: torch.nn.Module, scans: tuple[PreparedScan, ...], count: int | None) -> Logits:
    """Mean logit of each scan and its mirror image, shape (scans,)."""
    source, out = _Source(scans, recipe), []
    with torch.inference_mode(), threads(count):
        for index in range(len(scans)):
            channels = torch.from_numpy(source.load(index).channels.astype(np.float32))[None]
            # The difference from the mirror image is negated by turning it round: its two sides swap.
            both = torch.cat([channels, channels.flip(-1)])
            out.append(float(network(both).logit.mean()))
    return np.array(out)


def parameters_of(network: torch.nn.Module) -> int:
    """How many numbers it learnt."""
    return sum(parameter.numel() for parameter in network.parameters())


def compared(scores: dict[str, Logits], scans: Sequence[PreparedScan], against: str) -> pd.DataFrame:
    """AUC with DeLong's interval on first scans, share of the best possible, difference and p from ``against``."""
    patients = pd.Series([entry.scan.patient_id for entry in scans])
    first = ~patients.duplicated().to_numpy()  # DeLong's test takes scans as independent
    labels = np.array([entry.scan.ht for entry in scans])[first]
    oracle = np.array([entry.scan.number("p_ht_image") or np.nan for entry in scans], dtype=np.float64)[first]
    best = delong_interval(labels, oracle).value if np.isfinite(oracle).all() else np.nan
    rows = []
    for name, values in scores.items():
        area = delong_interval(labels, values[first])
        row = {"model": name, "patients": len(labels), "auc": area.value, "low": area.low, "high": area.high}
        row["share_of_best"] = area.value / best
        if name != against:
            difference = delong_difference(labels, values[first], scores[against][first])
            row |= {"difference": difference.difference.value, "p": difference.p_value}
        rows.append(row)
    return pd.DataFrame(rows)


def printed(table: pd.DataFrame) -> str:
    """The table of `compared` as aligned text."""
    lines = [f"first scans of {table['patients'].iloc[0]} patients"]
    lines.append(f"{'':60s}{'AUC':>7s}{'95% interval':>16s}{'of best':>9s}{'difference':>12s}{'p':>10s}")
    for row in table.to_dict("records"):
        interval = f"{row['low']:.3f}–{row['high']:.3f}"
        against = "" if np.isnan(row.get("p", np.nan)) else f"{row['difference']:+12.3f}{row['p']:10.2g}"
        lines.append(f"{row['model']:60s}{row['auc']:7.3f}{interval:>16s}{row['share_of_best']:9.3f}{against}")
    return "\n".join(lines)


def keep_scores(bundle: Bundle, scans: Sequence[PreparedScan], scores: dict[str, Logits]) -> None:
    """Put other models' logits of the validation scans into the bundle, beside those it holds; of other scans none."""
    if {entry.scan.scan_id for entry in scans} != set(bundle.validation["scan_id"]):
        raise SystemExit("Nothing was kept: the scans measured on are not the model's validation scans.")
    rounded = {name: values.round(5) for name, values in scores.items()}
    frame = pd.DataFrame(rounded, index=pd.Index([entry.scan.scan_id for entry in scans], name="scan_id"))
    before = bundle.measurement("baselines.csv")
    if before is not None:
        former = pd.read_csv(io.BytesIO(before), index_col="scan_id")
        frame = frame.join(former[former.columns.difference(frame.columns, sort=False)])
    add_measurement(bundle.path, "baselines.csv", frame.to_csv().encode())
