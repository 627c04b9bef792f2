"""Phantoms and scans with something painted into them, in millimetres."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from htcore import quality
from htcore.quality.head import grown, measure
from htcore.types import Finding, QualityReport, StudyReceipt, Volume
from tests.studies import HeadStudy, other

HEAD = HeadStudy(noise_hu=3.0, thickness_mm=6.0)
FINE = other(HEAD, slabs=((31, 5.0),), thickness_mm=5.0, shape=(200, 160), pixel_mm=(1.0, 1.0))
PLAIN = StudyReceipt("dicom", 26, (), (), "0" * 64)


def volume_of(study: HeadStudy = HEAD) -> Volume:
    count = len(study.offsets_mm())
    return Volume(study.hu(), study.affines(), np.full(count, study.thickness_mm or 1.0))


def with_hu(volume: Volume, hu: NDArray[np.generic]) -> Volume:
    return Volume(np.clip(np.rint(hu), -32768, 32767).astype(np.int16), volume.affines, volume.thickness_mm)


def halved(volume: Volume) -> Volume:
    """Two by two pixels averaged: a quarter of the work for a painter."""
    n, rows, columns = volume.shape
    even = volume.hu[:, : rows // 2 * 2, : columns // 2 * 2].reshape(n, rows // 2, 2, columns // 2, 2)
    affines = volume.affines.copy()
    affines[:, :3, 3] += (affines[:, :3, 0] + affines[:, :3, 1]) / 2
    affines[:, :3, :2] *= 2
    return Volume(np.rint(even.mean(axis=(2, 4))).astype(np.int16), affines, volume.thickness_mm)


def points_mm(volume: Volume) -> NDArray[np.float64]:
    """LPS of every pixel, (slices, rows, columns, 3)."""
    rows, columns = np.indices(volume.shape[1:])
    pixels = np.stack([columns, rows, np.zeros_like(rows), np.ones_like(rows)], axis=-1).astype(float)
    return np.stack([(pixels @ affine.T)[..., :3] for affine in volume.affines])


def pixel_ml(volume: Volume) -> NDArray[np.float64]:
    """Millilitres of a pixel of each slice, (slices, 1, 1)."""
    edges = np.gradient(volume.positions_mm)
    return edges[:, None, None] * np.prod(volume.pixel_spacing_mm) / 1000


def painted(volume: Volume, where: NDArray[np.bool_], hu: float) -> Volume:
    """``hu`` with the noise of 3 HU put where asked."""
    noise = np.random.default_rng(2).normal(0, 3.0, volume.shape)
    return with_hu(volume, np.where(where, hu + noise, volume.hu))


def fill(volume: Volume, cost: NDArray[np.float64], volume_ml: float) -> NDArray[np.bool_]:
    """The pixels of least cost that together hold ``volume_ml``; infinite cost is never taken."""
    places = np.flatnonzero(np.isfinite(cost))
    order = places[np.argsort(cost.ravel()[places])]
    held = np.cumsum(np.broadcast_to(pixel_ml(volume), volume.shape).ravel()[order])
    out = np.zeros(volume.hu.size, dtype=bool)
    out[order[: int(np.searchsorted(held, volume_ml)) + 1]] = True
    return out.reshape(volume.shape)


def ball(volume: Volume, centre_mm: tuple[float, float, float], volume_ml: float, hu: float) -> Volume:
    """A ball of ``volume_ml``."""
    distance = np.linalg.norm(points_mm(volume) - np.array(centre_mm), axis=-1)
    return painted(volume, fill(volume, np.where(distance < 30, distance, np.inf), volume_ml), hu)


def lens(volume: Volume, towards: tuple[float, float, float], volume_ml: float, hu: float, slope: float) -> Volume:
    """A lens under the skull where the ray from the brain's middle along ``towards`` meets it."""
    head = measure(volume)
    points = points_mm(volume)
    inside = grown(head.brain, 4.8, head.pixel_mm)[tuple(head.to_grid(points.reshape(-1, 3)).T)].reshape(volume.shape)
    bone = cv2_blur(volume.hu) > 150
    inside &= ~bone
    middle = points[inside].mean(axis=0)
    direction = np.array(towards) / np.linalg.norm(towards)
    offset = points - middle
    along = offset @ direction
    across = np.linalg.norm(offset - along[..., None] * direction, axis=-1)
    spacing = volume.pixel_spacing_mm[0]
    depth = np.stack([cv2.distanceTransform((~b).astype(np.uint8), cv2.DIST_L2, 5) for b in bone]) * spacing
    cost = np.where(inside & (along > 0) & (across < 60), slope * across + depth, np.inf)
    return painted(volume, fill(volume, cost, volume_ml), hu)


def cv2_blur(hu: NDArray[np.int16]) -> NDArray[np.float32]:
    """Smoothed by a millimetre or two, so that noise makes no bone."""
    return np.stack([cv2.GaussianBlur(section.astype(np.float32), (0, 0), 1.0) for section in hu])


def finding(report: QualityReport, code: str) -> Finding | None:
    return next((one for one in report.findings if one.code == code), None)


def severity(volume: Volume, code: str, receipt: StudyReceipt = PLAIN) -> str | None:
    found = finding(quality.check(volume, receipt), code)
    return found.severity if found is not None else None
