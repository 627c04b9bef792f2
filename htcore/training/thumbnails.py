"""A small picture of a scan for the list of cases, kept of simulated scans alone: no model shows patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htcore.channels import channel
from htcore.inference.predict import NetworkResult
from htcore.types import ModelInput

_SHOWN = channel("brain window")


def thumbnail(model_input: ModelInput, result: NetworkResult) -> NDArray[np.uint8]:
    """The slice that adds most to the logit or takes most from it, in the brain window.

    Returns
    -------
    uint8, shape (rows, columns)
        0 to 255 for 0 to 80 HU, 0 outside the brain; 4 mm pixels. Rows run to the back and columns to the patient's
        left, as the grid's: the patient's right is on the picture's left.
    """
    chosen = int(np.abs(result.contributions.sum(axis=(1, 2), dtype=np.float64)).argmax())
    window = np.clip(model_input.channels[chosen, _SHOWN], 0.0, 1.0)
    return np.asarray(np.rint(255.0 * window), dtype=np.uint8)
