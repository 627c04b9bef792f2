"""Parts of the scans: how well the ranking does in each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from htcore.evaluation.bootstrap import Bootstrap
from htcore.evaluation.validation import ValidationSet
from htcore.evaluation.values import Interval

MIN_EVENTS = 20
"""Below it an interval over resampled patients is too unsteady to be read; pages warn."""
_MOST_LEVELS = 12
# Inner edges of the bands, and the unit shown. Treatment windows end 4.5, 9 and 24 h after onset.
_BANDS = (
    ("lesion_volume_ml", "Lesion", (20.0, 70.0), "mL"),
    ("age", "Age", (60.0, 75.0), "years"),
    ("onset_to_ct_h", "Onset to scan", (4.5, 9.0, 24.0), "h"),
    ("thickness_mm", "Slice thickness", (3.0,), "mm"),
    ("tilt_deg", "Gantry tilt", (5.0, 15.0), "degrees either way"),
)
_EITHER_WAY = frozenset({"tilt_deg"})
_KINDS = (("lesion_side", "Side"), ("manufacturer", "Scanner"), ("scanner", "Scanner"), ("vendor", "Scanner"))


@dataclass(frozen=True)
class Subgroup:
    """AUC within a part of the scans; NaN where only one outcome occurs in it.

    Attributes
    ----------
    factor : str
        What the scans were parted by: the subgroups of one factor hold each scan with a known value once.
    """

    name: str
    n_patients: int
    n_scans: int
    n_events: int
    auc: Interval
    factor: str = ""


def subgroups(validation: ValidationSet, bootstrap: Bootstrap) -> tuple[Subgroup, ...]:
    """Each part by lesion, age, time, thickness, tilt, sex, side and scanner that the table tells; empty ones left out.

    ``bootstrap`` must be of the same scans.
    """
    parts = (*_by_bands(validation), *_by_kinds(validation))
    return tuple(_subgroup(factor, name, mask, validation, bootstrap) for factor, name, mask in parts if mask.any())


_Part = tuple[str, str, NDArray[np.bool_]]


def _by_bands(validation: ValidationSet) -> Iterator[_Part]:
    for column, title, edges, unit in _BANDS:
        values = validation.columns.get(column)
        if values is None:
            continue
        values = np.abs(values) if column in _EITHER_WAY else values
        for low, high in pairwise((-math.inf, *edges, math.inf)):
            label = f"under {high:g}" if low == -math.inf else f"{low:g} to under {high:g}"
            label = f"{low:g} and over" if high == math.inf else label
            yield title, f"{title} {label} {unit}", (values >= low) & (values < high)


def _by_kinds(validation: ValidationSet) -> Iterator[_Part]:
    kinds = {title: validation.texts[column] for column, title in _KINDS if column in validation.texts}
    for title, values in (*((("Sex", validation.sex),) if validation.sex is not None else ()), *kinds.items()):
        levels = sorted(set(values.tolist()) - {""})
        # More levels than a person can read are no grouping.
        for level in levels if len(levels) <= _MOST_LEVELS else ():
            yield title, f"{title} {level}", values == level


def _subgroup(
    factor: str, name: str, mask: NDArray[np.bool_], validation: ValidationSet, bootstrap: Bootstrap
) -> Subgroup:
    patients = int(np.unique(validation.patient[mask]).size)
    return Subgroup(
        name, patients, int(mask.sum()), int(validation.labels[mask].sum()), bootstrap.auc(mask), factor=factor
    )
