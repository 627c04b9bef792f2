"""Where in the pictures the head lies: what two of them side by side are cut to."""

from __future__ import annotations

from math import ceil

import numpy as np
from scipy import ndimage

from htcore.types import Volume

_TISSUE_HU = -300.0
# Looked at on so coarse a grid, which takes milliseconds and in which a thin head holder is lost.
_GRID_MM, _MAX_SLICES = 4.0, 40
_MARGIN_MM = 10.0

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def head_box(volume: Volume) -> Box:
    """Left, top, right and bottom of the head in all slices, as shares of the picture's width and height.

    The largest piece of tissue is taken for the head, with a margin for the letters at the sides; where there is no
    tissue, the box is the whole picture.
    """
    slices, rows, columns = volume.shape
    rows_mm, columns_mm = volume.pixel_spacing_mm
    row_step, column_step = (max(1, round(_GRID_MM / size)) for size in (rows_mm, columns_mm))
    tissue = volume.hu[:: ceil(slices / _MAX_SLICES), ::row_step, ::column_step] > _TISSUE_HU
    pieces, count = ndimage.label(ndimage.binary_opening(tissue, np.ones((1, 3, 3))))
    if count == 0:
        return WHOLE
    head = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    left, right = _reach(head.any(axis=(0, 1)), column_step / columns, _MARGIN_MM / (columns_mm * columns))
    top, bottom = _reach(head.any(axis=(0, 2)), row_step / rows, _MARGIN_MM / (rows_mm * rows))
    return left, top, right, bottom


def _reach(held: np.ndarray, step: float, margin: float) -> tuple[float, float]:
    """First and last place held and a margin, within the picture."""
    places = np.flatnonzero(held)
    return max(0.0, float(places[0]) * step - margin), min(1.0, float(places[-1] + 1) * step + margin)
