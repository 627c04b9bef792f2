"""The networks: images in, logits out. Probability belongs to ``htcore.inference``."""

from htcore.networks.baselines import SliceResNetConfig, VolumeResNetConfig
from htcore.networks.lesion_gated import LesionGatedResNet, NetworkConfig, NetworkOutput, widened

__all__ = ["LesionGatedResNet", "NetworkConfig", "NetworkOutput", "SliceResNetConfig", "VolumeResNetConfig", "widened"]
