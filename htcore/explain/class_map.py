"""Class activation maps by hooks, for any layer; high always means important."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(eq=False)
class Tap:
    """What a hook saw in the last forward pass of its layer."""

    activations: list[Tensor] = field(default_factory=list)


@contextmanager
def tapped(layer: nn.Module) -> Iterator[Tap]:
    """Record a layer's output while the context lasts; the hook is gone afterwards, also after a failure."""
    tap = Tap()

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        tap.activations.append(output)

    handle = layer.register_forward_hook(keep)
    try:
        yield tap
    finally:
        handle.remove()


def hirescam(layer: nn.Module, score: Callable[[], Tensor]) -> Tensor:
    """Gradient times activation, summed over channels (Draelos & Carin 2020); signed, nothing rescaled.

    Parameters
    ----------
    layer
        Gives (N, C, H, W) when ``score`` runs the network.
    score
        Runs the network and returns one number to explain.

    Returns
    -------
    (N, H, W)
    """
    activation, gradient = _activation_and_gradient(layer, score)
    return (activation * gradient).sum(dim=1)


def gradcam(layer: nn.Module, score: Callable[[], Tensor]) -> Tensor:
    """Channels weighted by their mean gradient (Selvaraju et al. 2017), without the ReLU: signed; (N, H, W).

    Kept for comparison: averaging the gradient loses where it acted, and the map may point beside the cause.
    """
    activation, gradient = _activation_and_gradient(layer, score)
    return (activation * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1)


def _activation_and_gradient(layer: nn.Module, score: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    with torch.enable_grad(), tapped(layer) as tap:
        value = score()
        activation = tap.activations[-1]
        (gradient,) = torch.autograd.grad(value, activation)
    return activation.detach(), gradient
