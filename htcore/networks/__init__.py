"""The networks: images in, logits out. Probability belongs to ``htcore.inference``."""

from htcore.networks.lesion_gated import LesionGatedResNet, NetworkConfig, NetworkOutput, build

__all__ = ["LesionGatedResNet", "NetworkConfig", "NetworkOutput", "build"]
