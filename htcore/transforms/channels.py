"""From HU on the canonical grid to the network's channels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from htcore.brain import BONE_HU
from htcore.channels import REFERENCE_HU

_TISSUE_HU = (16.0, 60.0)  # grey and white matter, infarcted too; CSF, calcium and blood left out
_WEIGHED_HU = (10.0, 50.0)
_WEIGHT_PER_HU = 0.2  # a voxel 10 HU brighter weighs seven times as much: between white and grey matter lie 8 HU
_FLUID_HU = (10.0, 22.0)  # all fluid below, none above; CSF lies near 8, white matter near 28
_DENSE_HU = 20.0
_EXCLUDE_BONE_MM = 4.0  # skull-base bone within this distance drowned the dense-artery channel


def normalise(hu: NDArray[np.float32], brain: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float]:
    """Shift HU so that the deep brain's median tissue value is ``REFERENCE_HU``; returns the shift in HU too."""
    deep = ndimage.binary_erosion(brain, iterations=3)
    tissue = deep & (hu > 20.0) & (hu < 48.0)
    if int(tissue.sum()) < 200:
        return hu, 0.0
    shift = float(np.clip(REFERENCE_HU - float(np.median(hu[tissue])), -10.0, 10.0))
    return hu + np.float32(shift), shift


def make_channels(hu: NDArray[np.float32], brain: NDArray[np.bool_], pixel_mm: float) -> NDArray[np.float32]:
    """The network's channels at half the in-plane resolution given.

    Parameters
    ----------
    hu : float32, shape (slices, 2 rows, 2 columns)
        Normalised HU, mid-sagittal plane in the middle of the last axis.
    brain : bool, same shape
    pixel_mm : float
        In-plane spacing of ``hu``.

    Returns
    -------
    float32, shape (slices, channels, rows, columns)
        In the order of ``CHANNELS``; zero outside the brain.
    """
    fraction = _halve(brain.astype(np.float32))
    coarse = _halve(np.where(brain, hu, 0.0)) / np.maximum(fraction, 0.25)
    inside = fraction > 0.5
    inner = np.stack([cv2.erode(section.astype(np.uint8), np.ones((3, 3), np.uint8)) for section in brain]).astype(bool)
    smooth, known = _smooth_tissue(hu, inner)
    denoised = ndimage.gaussian_filter(hu, (0.5, 1.0, 1.0))
    bright, bright_known = _weighed_tissue(denoised, inner, _WEIGHT_PER_HU)
    dark, dark_known = _weighed_tissue(denoised, inner, -_WEIGHT_PER_HU)
    fluid = _fluid(hu, brain)
    out = np.stack(
        [
            np.clip((coarse - 20.0) / 40.0, 0.0, 1.0) * inside,
            np.clip(coarse / 80.0, 0.0, 1.0) * inside,
            _dense_artery(hu, brain, pixel_mm) * inside,
            np.clip((smooth - REFERENCE_HU) / 10.0, -2.0, 2.0) * known,
            _from_mirror(smooth, known),
            fraction,
            np.clip((bright - REFERENCE_HU) / 10.0, -2.0, 2.0) * bright_known,
            _from_mirror(bright, bright_known),
            _from_mirror(dark, dark_known),
            fluid * inside,
            (fluid - fluid[..., ::-1]) * (inside & inside[..., ::-1]),
        ],
        axis=1,
    )
    return np.ascontiguousarray(out, dtype=np.float32)


def _from_mirror(tissue: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Difference from the mirror image in units of 10 HU; 0 where either side is not known."""
    difference = np.where(known & known[..., ::-1], tissue - tissue[..., ::-1], 0.0)
    return np.asarray(np.clip(difference / 10.0, -2.0, 2.0), dtype=np.float32)


def _halve(image: NDArray[np.float32]) -> NDArray[np.float32]:
    slices, rows, columns = image.shape
    blocks = image.reshape(slices, rows // 2, 2, columns // 2, 2)
    return np.asarray(blocks.mean(axis=(2, 4)), dtype=np.float32)


def _smooth_tissue(hu: NDArray[np.float32], inner: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Normalised convolution over tissue alone, about 8 mm wide; and where enough tissue speaks."""
    tissue = inner & (hu > _TISSUE_HU[0]) & (hu < _TISSUE_HU[1])
    weight = _halve(tissue.astype(np.float32))
    total = _halve(np.where(tissue, hu, 0.0).astype(np.float32))
    sigma = (0.6, 1.0, 1.0)
    weight = ndimage.gaussian_filter(weight, sigma)
    total = ndimage.gaussian_filter(total, sigma)
    known = (weight > 0.2) & (_halve(inner.astype(np.float32)) > 0.25)
    return np.where(known, total / np.maximum(weight, 1e-3), REFERENCE_HU).astype(np.float32), known


def _weighed_tissue(
    denoised: NDArray[np.float32], inner: NDArray[np.bool_], per_hu: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean over tissue that favours bright voxels, or dark ones (``per_hu`` below 0); and where enough speaks."""
    low, high = _WEIGHED_HU
    tissue = inner & (denoised > low) & (denoised < high)
    weight = np.where(tissue, np.exp(per_hu * (np.clip(denoised, low, high) - REFERENCE_HU)), 0.0).astype(np.float32)
    sigma = (0.6, 1.2, 1.2)
    total = ndimage.gaussian_filter(_halve(weight * np.where(tissue, denoised, 0.0)), sigma)
    mean = total / np.maximum(ndimage.gaussian_filter(_halve(weight), sigma), 1e-6)
    speaks = ndimage.gaussian_filter(_halve(tissue.astype(np.float32)), sigma) > 0.12
    known = speaks & (_halve(inner.astype(np.float32)) > 0.25)
    return np.where(known, mean, REFERENCE_HU).astype(np.float32), known


def _fluid(hu: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Share of fluid about each voxel, 0–1."""
    low, high = _FLUID_HU
    share = np.clip((high - ndimage.gaussian_filter(hu, (0.5, 0.7, 0.7))) / (high - low), 0.0, 1.0) * brain
    return np.asarray(ndimage.gaussian_filter(_halve(share.astype(np.float32)), (0.6, 1.0, 1.0)), dtype=np.float32)


def _dense_artery(hu: NDArray[np.float32], brain: NDArray[np.bool_], pixel_mm: float) -> NDArray[np.float32]:
    """White top-hat of small bright structures away from bone, 0–1, strongest of each 2 x 2 block."""
    reach = int(np.ceil(_EXCLUDE_BONE_MM / pixel_mm))
    near_bone = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    out = np.zeros((hu.shape[0], hu.shape[1] // 2, hu.shape[2] // 2), dtype=np.float32)
    for index, (image, mask) in enumerate(zip(hu, brain, strict=True)):
        clipped = np.clip(image, 0.0, 80.0)
        hat = cv2.morphologyEx(clipped, cv2.MORPH_TOPHAT, disc)
        bone = cv2.dilate((image > BONE_HU).astype(np.uint8), near_bone) > 0
        hat = np.where(mask & ~bone, hat, 0.0)
        rows, columns = out.shape[1:]
        out[index] = hat.reshape(rows, 2, columns, 2).max(axis=(1, 3))
    return np.clip(out / _DENSE_HU, 0.0, 1.0)
