"""The only way from original slices to the network's grid and back."""

from htcore.transforms.canonical import VERSION, prepare
from htcore.transforms.reproject import mask_to_grid, reproject

__all__ = ["VERSION", "mask_to_grid", "prepare", "reproject"]
