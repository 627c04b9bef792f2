"""The only way from original slices to the network's grid and back."""

from htcore.transforms.canonical import EARLIER, VERSION, prepare
from htcore.transforms.reproject import mask_to_grid, reproject

__all__ = ["EARLIER", "VERSION", "mask_to_grid", "prepare", "reproject"]
