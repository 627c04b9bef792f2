"""One forward pass, as numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from htcore.bundle import Bundle
from htcore.errors import BundleError
from htcore.limits import checkpoint
from htcore.networks import LesionGatedResNet
from htcore.types import Finding, ModelInput

_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """What the network says about one scan.

    Attributes
    ----------
    logit : float
        Log-odds before calibration, of several networks the mean; ``contributions.sum() + bias``.
    lesion : float32, shape of the grid
        Probability of acute infarct, 0 outside the brain.
    contributions : float32, shape (slices, rows / 2, columns / 2)
        Share of the logit of each 2 x 2 block of the grid.
    embedding : float32, shape (networks * features,)
        What the classifiers see, one network after the other.
    """

    logit: float
    lesion: NDArray[np.float32]
    contributions: NDArray[np.float32]
    bias: float
    embedding: NDArray[np.float32]


def predict(bundle: Bundle, model_input: ModelInput, device: torch.device | None = None) -> NetworkResult:
    """Run the bundle's networks on one scan; of several, the mean. Keeps no state: threads may share a bundle.

    Raises
    ------
    BundleError
        If the network gives something that is no number.
    """
    return run_networks(bundle.networks(device or torch.device("cpu")), model_input)


def predict_or_fall_back(
    bundle: Bundle, model_input: ModelInput, device: torch.device
) -> tuple[NetworkResult, torch.device, tuple[Finding, ...]]:
    """As `predict`; on the CPU, with a finding that says so, where a graphics card fails or has no memory left.

    Returns
    -------
    result, the device that gave it, findings
    """
    return or_fall_back(lambda place: predict(bundle, model_input, place), device)


def or_fall_back(
    work: Callable[[torch.device], _Result], device: torch.device
) -> tuple[_Result, torch.device, tuple[Finding, ...]]:
    """``work`` of a device; of the CPU, with a finding that says so, where a graphics card fails at it.

    Returns
    -------
    result, the device that gave it, findings
    """
    try:
        return work(device), device, ()
    except RuntimeError:  # torch's errors of memory and driver; its own text may be long and says nothing to a reader
        if device.type == "cpu":
            raise
    message = "The graphics card failed or had no memory left, so the network ran on the CPU: the result is the same."
    cpu = torch.device("cpu")
    return work(cpu), cpu, (Finding("device_failed", "info", message),)


def run_networks(networks: Sequence[LesionGatedResNet], model_input: ModelInput) -> NetworkResult:
    """As `predict`, with networks in evaluation mode on their device.

    Logit, bias and contributions are means over the networks, so that they still add up; so is the lesion's
    probability.
    """
    results = []
    for network in networks:
        checkpoint()
        results.append(_run(network, model_input))
    if len(results) == 1:
        return results[0]
    return NetworkResult(
        logit=float(np.mean([result.logit for result in results])),
        lesion=np.mean([result.lesion for result in results], axis=0, dtype=np.float32),
        contributions=np.mean([result.contributions for result in results], axis=0, dtype=np.float32),
        bias=float(np.mean([result.bias for result in results])),
        embedding=np.concatenate([result.embedding for result in results]),
    )


def _run(network: LesionGatedResNet, model_input: ModelInput) -> NetworkResult:
    """The mean of the scan and its mirror image: which side an infarct lies on must not change its risk."""
    device = network.classifier.weight.device
    own = torch.from_numpy(np.ascontiguousarray(model_input.channels)).to(device)  # (S, C, rows, columns)
    with torch.inference_mode():
        # A difference between a pixel and its mirror is negated by the flip itself.
        output = network(torch.stack([own, own.flip(-1)]))
        lesion = _mirrored_mean(torch.sigmoid(output.lesion_logits)) * model_input.brain
        contributions = _mirrored_mean(output.contributions)
        logit, bias = float(output.logit.mean()), float(output.bias)
        embedding: NDArray[np.float32] = output.pooled.mean(dim=0).float().cpu().numpy()
    if not (np.isfinite(logit) and np.isfinite(contributions).all() and np.isfinite(lesion).all()):
        raise BundleError("The network gave something that is no number: restore the model's folder or train it again.")
    return NetworkResult(logit, lesion.astype(np.float32), contributions.astype(np.float32), bias, embedding)


def _mirrored_mean(pair: torch.Tensor) -> NDArray[np.float32]:
    """(2, S, rows, columns) of a scan and its mirror image → their mean as the scan lies; (S, rows, columns)."""
    mean: NDArray[np.float32] = ((pair[0] + pair[1].flip(-1)) / 2).float().cpu().numpy()
    return mean
