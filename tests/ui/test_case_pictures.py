"""Pictures of simulated scans, and of no others, while the server has their model loaded."""

from __future__ import annotations

import gc
from pathlib import Path

import cv2
import numpy as np
import pytest

from htcore.bundle import Bundle, load_bundle
from htcore.ui.case_pictures import publish
from tests.small_bundle import write_small_bundle
from tests.ui.client import Client

THUMBNAILS = np.arange(4, dtype=np.uint8)[:, None, None] * np.full((1, 48, 40), 50, dtype=np.uint8)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_small_bundle(tmp_path / "m", thumbnails=THUMBNAILS)


def test_each_row_has_its_own_picture_that_a_browser_may_keep(bundle: Bundle) -> None:
    folder = publish(bundle)
    for row in range(4):
        answer = Client().get(f"{folder}/{row}.png")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert "immutable" in answer.headers["cache-control"]
        picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (192, 160) and set(picture.ravel()) == {50 * row}


def test_left_and_right_stay_where_the_grid_has_them(tmp_path: Path) -> None:
    right = np.zeros((4, 48, 40), dtype=np.uint8)
    right[:, :24, :20] = 200  # columns run to the patient's left: the right frontal quarter
    bundle = write_small_bundle(tmp_path / "m", thumbnails=right)
    answer = Client().get(f"{publish(bundle)}/0.png")
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture[40, 40] == 200 and picture[40, 120] == picture[150, 40] == 0


@pytest.mark.parametrize(
    "file", ["4.png", "-1.png", "0", "0.jpg", "0.png.png", "x.png", "\u0661.png", "9" * 30 + ".png"]
)
def test_nothing_else_is_answered(bundle: Bundle, file: str) -> None:
    answer = Client().get(f"{publish(bundle)}/{file}")
    assert (answer.status_code, answer.headers["cache-control"], answer.content) == (404, "no-store", b"")


def test_a_model_that_the_server_has_not_loaded_is_not_answered_for(tmp_path: Path) -> None:
    bundle = write_small_bundle(tmp_path / "m", thumbnails=THUMBNAILS)
    folder = publish(bundle)
    assert Client().get(f"{folder}/0.png").status_code == 200
    assert Client().get("/cases/guess/0.png").status_code == 404
    path = bundle.path
    del bundle
    gc.collect()
    assert Client().get(f"{folder}/0.png").status_code == 404
    again = load_bundle(path)
    assert publish(again) == folder, "the same pictures keep their address"


def test_other_pictures_have_another_address(bundle: Bundle, tmp_path: Path) -> None:
    assert publish(bundle) != publish(write_small_bundle(tmp_path / "n", thumbnails=THUMBNAILS[::-1]))


def test_a_model_without_pictures_has_no_address(tmp_path: Path) -> None:
    assert publish(write_small_bundle(tmp_path / "m")) is None
