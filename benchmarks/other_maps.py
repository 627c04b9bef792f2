"""Maps that other libraries draw of the same network, to be compared with the project's own; all on its blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerGradCam
from monai.visualize import GradCAM, GradCAMpp
from torch import Tensor, nn

from htcore.networks import LesionGatedResNet
from htcore.types import ModelInput

Blocks = np.ndarray
"""float64 (slices, rows / 2, columns / 2)."""

_STEPS = 8
_LAYER = "network.refine"


class _Logit(nn.Module):
    """The network with its logit alone, (B, 1), as the libraries ask for it."""

    def __init__(self, network: LesionGatedResNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, channels: Tensor) -> Tensor:
        """(B, S, channels, H, W) → (B, 1)."""
        return self.network(channels).logit[:, None]


def _captum_gradcam(model: _Logit, x: Tensor) -> Tensor:
    """Selvaraju et al. 2017 of the last features, gradients through the pooling too, as textbooks have it."""
    return LayerGradCam(model, model.network.refine).attribute(x, target=0)[:, 0]


def _monai(kind: type[GradCAM]) -> Callable[[_Logit, Tensor], Tensor]:
    def made(model: _Logit, x: Tensor) -> Tensor:
        # Neither stretched to the input's size nor to 0 and 1: the layer's own grid and values.
        drawn = kind(model, _LAYER, upsampler=lambda size: lambda found: found, postprocessing=lambda found: found)
        return torch.as_tensor(drawn(x, class_idx=0))[:, 0]

    return made


def _integrated_gradients(model: _Logit, x: Tensor) -> Tensor:
    """Sundararajan et al. 2017, from empty input, summed over channels."""
    found = IntegratedGradients(model).attribute(x, target=0, n_steps=_STEPS, method="riemann_middle")
    return torch.nn.functional.avg_pool2d(found[0].sum(dim=1), 2)


CLASSIC = {
    "Grad-CAM (captum)": _captum_gradcam,
    "Grad-CAM (MONAI)": _monai(GradCAM),
    "Grad-CAM++ (MONAI)": _monai(GradCAMpp),
}
"""One run of the network each."""

SLOW = {"integrated gradients (captum)": _integrated_gradients}
"""Many runs of the network each."""


def other_maps(
    networks: Iterable[LesionGatedResNet], scan: ModelInput, kinds: dict[str, Callable[[_Logit, Tensor], Tensor]]
) -> dict[str, Blocks]:
    """Mean over the networks of each kind of map."""
    x = torch.from_numpy(np.ascontiguousarray(scan.channels))[None]
    models = [_Logit(network).eval() for network in networks]
    return {
        name: np.mean([made(model, x.clone().requires_grad_()).detach().double().numpy() for model in models], axis=0)
        for name, made in kinds.items()
    }
