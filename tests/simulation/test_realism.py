"""The measures of realism on images whose values are known, and the documents that quote them."""

from __future__ import annotations

from dataclasses import astuple, fields
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import realism
from benchmarks.realism import LABELS, RESULT, Measures, averaged, measure, otsu, skull, table, window
from htcore.dicom import read_study
from htcore.types import Volume
from tests.studies import REAL_STUDY

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "simulation.md"


def volume(hu: np.ndarray, pixel_mm: float) -> Volume:
    affines = np.tile(np.diag([pixel_mm, pixel_mm, 1.0, 1.0]), (len(hu), 1, 1))
    affines[:, 2, 3] = 5.0 * np.arange(len(hu))
    return Volume(hu.astype(np.int16), affines, np.full(len(hu), 5.0))


def test_small_pixels_are_averaged_and_stay_in_place() -> None:
    hu = np.array([[[0, 10, 4, 4], [20, 30, 4, 4]]])
    small = averaged(volume(hu, 0.5))
    np.testing.assert_array_equal(small.hu, [[[15, 4]]])
    np.testing.assert_allclose(small.affines[0, :3, 3], [0.25, 0.25, 0])
    assert small.pixel_spacing_mm == (1.0, 1.0)
    large = volume(hu, 0.9)
    assert averaged(large) is large


def test_two_classes_are_parted_between_them() -> None:
    values = np.concatenate([np.full(300, 26.0), np.full(500, 36.0)]).astype(np.float32)
    assert 26.0 < otsu(values) < 36.0


def test_a_ring_of_known_thickness() -> None:
    r = np.hypot(*(np.mgrid[:192, :160] - np.array([96, 80])[:, None, None]))
    section = np.full(r.shape, 30.0, dtype=np.float32)
    section[(r >= 60) & (r < 67)] = 1000.0
    section[r >= 67] = -60.0
    hu, brain = np.repeat(section[None], 30, axis=0), np.repeat((r < 58)[None], 30, axis=0)
    thick, spread, peak, scalp = skull(hu, brain)
    assert thick == pytest.approx(7.5, abs=0.6)  # half-millimetre steps, both edges blurred by one pixel
    assert spread <= 1.5 and peak == pytest.approx(1000, abs=1) and scalp == pytest.approx(-60, abs=1)


def test_noise_of_known_strength_and_length() -> None:
    class Grid:
        shape = (30, 48, 40)

        def to_grid(self, points: np.ndarray) -> np.ndarray:
            return np.array([0.0, 0.0, 20.0])

    rng = np.random.default_rng(0)
    white = 30 + 4.0 * rng.standard_normal((12, 120, 120))
    sd, length = realism.noise(volume(np.rint(white), 1.0), Grid())  # type: ignore[arg-type]
    assert 3.0 < sd < 4.2  # the most even tenth lies a little under the whole
    assert length == pytest.approx(0.5, abs=0.1)  # independent pixels: half-way to the neighbour
    smooth = np.stack([cv2.GaussianBlur(image, (0, 0), 1.0) for image in 8 * (white - 30)]) + 30
    assert realism.noise(volume(np.rint(smooth), 1.0), Grid())[1] > 1.0  # type: ignore[arg-type]


def test_the_table_says_what_lies_outside() -> None:
    simulated = [Measures(*[float(v)] * len(fields(Measures))) for v in range(101)]
    real = Measures(*[50.0] * (len(fields(Measures)) - 1), 99.0)
    rows = table(real, simulated).splitlines()
    assert rows[2].endswith("| 50.00 | 50.00 (5.00–95.00) | yes |")
    assert rows[-1].endswith("| 99.00 | 50.00 (5.00–95.00) | no |")
    assert set(LABELS) == {field.name for field in fields(Measures)}


def test_window_maps_level_and_width() -> None:
    np.testing.assert_array_equal(window(np.array([[0.0, 40.0, 80.0, 200.0]]), 40, 80), [[0, 127, 255, 255]])


def test_the_document_quotes_the_measured_table() -> None:
    assert RESULT.read_text(encoding="utf-8") in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.skipif(not REAL_STUDY.is_dir(), reason="the real study is not beside the project")
def test_the_table_holds_what_the_real_study_gives_today() -> None:
    rows = RESULT.read_text(encoding="utf-8").splitlines()[2:]
    for row, value in zip(rows, astuple(measure(read_study(REAL_STUDY)[0])), strict=True):
        assert float(row.split("|")[2]) == pytest.approx(value, abs=0.02), row
