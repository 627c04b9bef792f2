"""The slice viewer in a real browser: window, zoom, pan, fingers, keys, full screen, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from htcore import services
from htcore.dicom import read_study
from htcore.ui.notice import RESEARCH_NOTICE
from tests.e2e.conftest import browser_page
from tests.e2e.dashboard import open_study, pixels, shoot, slice_number

if TYPE_CHECKING:
    from playwright.sync_api import Page

MARK_COLOUR = (255, 216, 102)
LINE_COLOUR = (125, 227, 255)


@pytest.fixture(scope="module")
def opened(address: str) -> Iterator[Page]:
    """A page with an example study open, for all tests of this file; its maps are there."""
    examples = services.example_studies()
    if not examples:
        pytest.skip("no example study is at hand")
    for page in browser_page(color_scheme="dark", has_touch=True):
        url = open_study(page, address, [Path(examples[0].path)])
        page.evaluate(
            """async url => {
              window.volume = new Int16Array(await (await fetch(url)).arrayBuffer());
            }""",
            url,
        )
        page.locator(".viewer button:not([disabled])", has_text="Lesion map").wait_for()
        yield page


@pytest.fixture
def viewer(opened: Page) -> Page:
    """The viewer as it was at first, in the middle of the study."""
    opened.get_by_role("button", name="None").click()
    opened.get_by_role("button", name="Stroke").click()
    opened.locator(".viewer .stage").focus()
    opened.keyboard.press("0")
    middle = opened.locator(".viewer .strip").bounding_box()
    assert middle is not None
    opened.locator(".viewer .strip").click()
    opened.locator(".viewer .stage").focus()
    return opened


def stage(page: Page) -> tuple[float, float, float, float]:
    box = page.locator(".viewer .stage").bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def position(page: Page) -> str:
    return page.locator(".viewer .position").inner_text()


def window(page: Page) -> tuple[int, int]:
    found = re.search(r"W (\d+) L (−?\d+)", position(page))
    assert found is not None
    return int(found[1]), int(found[2].replace("−", "-"))


def zoom(page: Page) -> float:
    found = re.search(r"× ([\d.]+)", position(page))
    return float(found[1]) if found else 1.0


def line_mm(page: Page) -> float | None:
    found = re.search(r"line ([\d.]+) mm", position(page))
    return float(found[1]) if found else None


def pointer_hu(page: Page) -> int:
    return int(page.locator(".viewer .pointer").inner_text().split(" HU")[0].replace("−", "-"))


def stored_hu(page: Page, row: int, column: int, columns: int) -> int:
    size = len_slice(page)
    at = (slice_number(page) - 1) * size + row * columns + column
    return int(page.evaluate("at => window.volume[at]", at))


def len_slice(page: Page) -> int:
    n_slices = int(position(page).split("/")[1].split(" ")[0])
    return int(page.evaluate("window.volume.length")) // n_slices


def whole_pixel(origin: float, size: float, pixel: float) -> tuple[int, int]:
    """A whole screen coordinate near a pixel of the scan, well inside of it, and that pixel's index."""
    at = round(origin + size * pixel)
    while not 0.2 < ((at - origin) / size) % 1 < 0.8:
        at += 1
    return at, int((at - origin) / size)


def colours(page: Page, x: float, y: float, width: float, height: float) -> list[tuple[int, int, int]]:
    """Colours of a part of the canvas, given in CSS pixels."""
    flat = page.locator(".viewer .stage canvas").first.evaluate(
        "(node, box) => [...node.getContext('2d').getImageData(...box).data]", [round(v) for v in (x, y, width, height)]
    )
    return [tuple(flat[i : i + 3]) for i in range(0, len(flat), 4)]


def wheel_with_control(page: Page, notches: int) -> None:
    page.keyboard.down("Control")
    for _ in range(abs(notches)):
        page.mouse.wheel(0, -100 if notches > 0 else 100)
    page.keyboard.up("Control")


def drag(page: Page, dx: float, dy: float, button: Any = "left") -> None:
    x, y, width, height = stage(page)
    page.mouse.move(x + width / 2, y + height / 2)
    page.mouse.down(button=button)
    page.mouse.move(x + width / 2 + dx, y + height / 2 + dy, steps=4)
    page.mouse.up(button=button)


def touch(page: Page, *steps: list[tuple[float, float]]) -> None:
    """Fingers at each step, in the stage's own pixels."""
    x, y, _, _ = stage(page)
    network = page.context.new_cdp_session(page)
    for i, fingers in enumerate(steps):
        points = [{"x": x + a, "y": y + b, "id": k} for k, (a, b) in enumerate(fingers)]
        kind = "touchStart" if i == 0 else "touchMove"
        network.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    network.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_hu_under_the_pointer_is_the_stored_value_and_stays_under_zoom_and_pan(viewer: Page) -> None:
    x, y, width, height = stage(viewer)
    columns = round(len_slice(viewer) ** 0.5)
    seen = set()
    for share_x, share_y in ((0.0, 0.0), (0.12, -0.2), (-0.15, 0.1), (0.05, 0.25)):
        # Square slices of square pixels fill the stage's height and stand in its middle.
        at_x, column = whole_pixel(x + (width - height) / 2, height / columns, (0.5 + share_x) * columns)
        at_y, row = whole_pixel(y, height / columns, (0.5 + share_y) * columns)
        viewer.mouse.move(at_x, at_y)
        expected = stored_hu(viewer, row, column, columns)
        assert pointer_hu(viewer) == expected
        seen.add(expected)
        wheel_with_control(viewer, 5)
        assert zoom(viewer) > 2
        viewer.mouse.move(at_x, at_y + 1)
        viewer.mouse.move(at_x, at_y)
        assert pointer_hu(viewer) == expected
        viewer.mouse.down()
        viewer.mouse.move(at_x + 23, at_y - 18, steps=3)
        viewer.mouse.up()
        assert pointer_hu(viewer) == expected
        viewer.keyboard.press("0")
        assert zoom(viewer) == 1
    assert len(seen) > 1


def test_the_patients_sides_stay_marked_when_zoomed(viewer: Page) -> None:
    _, _, width, height = stage(viewer)
    plain = pixels(viewer)
    for _ in range(8):
        viewer.keyboard.press("+")
    viewer.keyboard.press("Shift+ArrowRight")
    assert zoom(viewer) > 4
    assert pixels(viewer) != plain
    assert MARK_COLOUR in colours(viewer, 4, height / 2 - 12, 24, 24)
    assert MARK_COLOUR in colours(viewer, width - 28, height / 2 - 12, 24, 24)
    shoot(viewer, "zoomed", full_page=False)


def test_right_button_windows_and_a_double_click_resets(viewer: Page) -> None:
    assert window(viewer) == (40, 40)
    drag(viewer, 200, 0, "right")
    assert window(viewer) == (80, 40)
    assert viewer.get_by_role("button", name="Brain").get_attribute("aria-pressed") == "true"
    drag(viewer, 0, -100, "right")
    assert window(viewer) == (80, 0)
    viewer.keyboard.press("+")
    viewer.locator(".viewer .stage").dblclick()
    assert (window(viewer), zoom(viewer)) == ((40, 40), 1)


def test_a_modifier_windows_too_and_number_keys_choose(viewer: Page) -> None:
    viewer.keyboard.down("Alt")
    drag(viewer, -200, 0)
    viewer.keyboard.up("Alt")
    assert window(viewer) == (20, 40)
    for key, expected in {"4": (2500, 500), "3": (200, 75), "2": (80, 40), "1": (40, 40)}.items():
        viewer.keyboard.press(key)
        assert window(viewer) == expected


def test_letters_window_in_steps_and_lead_back(viewer: Page) -> None:
    viewer.keyboard.press("1")
    for key, expected in {"w": (44, 40), "d": (44, 47), "b": (44, 40), "n": (40, 40)}.items():
        viewer.keyboard.press(key)
        assert window(viewer) == expected


def test_keys_still_work_after_a_press_on_a_button(viewer: Page) -> None:
    here = slice_number(viewer)
    viewer.get_by_role("button", name="Brain").click()
    viewer.keyboard.press("ArrowDown")
    assert slice_number(viewer) == here + 1
    viewer.get_by_role("button", name="Lesion map").click()
    viewer.get_by_label("Overlay opacity").focus()
    viewer.keyboard.press("ArrowDown")
    assert slice_number(viewer) == here + 1


def test_dragging_scrubs(viewer: Page) -> None:
    here = slice_number(viewer)
    drag(viewer, 0, 60)
    assert slice_number(viewer) > here
    drag(viewer, 0, -60)
    assert slice_number(viewer) == here


def test_one_finger_scrubs_and_two_zoom(viewer: Page) -> None:
    here = slice_number(viewer)
    touch(viewer, [(200, 150)], [(200, 190)], [(200, 230)])
    assert slice_number(viewer) > here
    assert zoom(viewer) == 1
    here = slice_number(viewer)
    touch(viewer, [(220, 200), (260, 200)], [(200, 200), (280, 200)], [(180, 200), (300, 200)])
    assert 2.5 < zoom(viewer) < 3.5
    assert slice_number(viewer) == here


def test_the_ruler_measures_in_the_patient(viewer: Page) -> None:
    volume, _ = read_study(Path(services.example_studies()[0].path))
    row_mm, column_mm = volume.pixel_spacing_mm
    _, _, width, height = stage(viewer)
    mm = volume.shape[1] * row_mm / height  # the picture fills the stage's height
    here = slice_number(viewer)
    viewer.keyboard.press("m")
    ruler = viewer.get_by_role("button", name="Ruler")
    assert ruler.get_attribute("aria-pressed") == "true"
    drag(viewer, 90, -120)
    assert column_mm == row_mm and line_mm(viewer) == pytest.approx(150 * mm, abs=0.06)
    assert slice_number(viewer) == here
    flat = colours(viewer, width / 2 - 20, height / 2 - 130, 140, 150)
    assert flat.count(LINE_COLOUR) > 20
    shoot(viewer, "ruler", full_page=False)
    measured = line_mm(viewer)
    viewer.keyboard.press("+")
    assert line_mm(viewer) == measured
    viewer.keyboard.press("ArrowDown")
    assert line_mm(viewer) is None
    viewer.keyboard.press("ArrowUp")
    assert line_mm(viewer) == measured
    viewer.locator(".viewer .stage").click()
    assert line_mm(viewer) == measured
    viewer.keyboard.press("0")
    touch(viewer, [(200, 150)], [(200, 190)], [(200, 230)])
    assert line_mm(viewer) == pytest.approx(80 * mm, abs=0.06)
    assert slice_number(viewer) == here
    ruler.click()
    assert (line_mm(viewer), ruler.get_attribute("aria-pressed")) == (None, "false")
    drag(viewer, 0, 60)
    assert slice_number(viewer) > here


def test_keys_reach_the_picture_after_a_press_on_a_bar(viewer: Page) -> None:
    viewer.locator(".viewer .strip").click()
    here = slice_number(viewer)
    viewer.keyboard.press("ArrowDown")
    assert slice_number(viewer) == here + 1


def test_the_list_of_keys_scrolls_and_closes(viewer: Page) -> None:
    viewer.set_viewport_size({"width": 390, "height": 560})
    viewer.wait_for_timeout(300)
    here = slice_number(viewer)
    viewer.keyboard.press("?")
    listed = viewer.locator(".viewer .help")
    listed.hover()
    viewer.mouse.wheel(0, 400)
    viewer.wait_for_timeout(500)
    assert listed.evaluate("node => node.scrollTop") > 0
    assert slice_number(viewer) == here
    assert listed.evaluate("node => node.scrollWidth <= node.clientWidth")
    shoot(viewer, "keys-narrow", full_page=False)
    viewer.locator(".viewer .stage").focus()
    viewer.keyboard.press("Escape")
    assert not listed.is_visible()
    viewer.set_viewport_size({"width": 1280, "height": 720})
    viewer.wait_for_timeout(300)


@pytest.mark.parametrize("width", [1280, 820, 390])
def test_nothing_below_the_picture_moves(viewer: Page, width: int) -> None:
    """Neither as the pointer comes, nor with another slice, zoom or overlay."""
    viewer.set_viewport_size({"width": width, "height": 720})
    viewer.wait_for_timeout(300)
    seen = set()

    def note() -> None:
        box = viewer.locator(".viewer .strip").bounding_box()
        assert box is not None
        seen.add(box["y"] - stage(viewer)[1])

    note()
    for name in ("None", "Evidence map", "Lesion map"):
        viewer.get_by_role("button", name=name).click()
        viewer.get_by_role("button", name=name).hover()
        note()
        x, y, across, height = stage(viewer)
        viewer.mouse.move(x + across / 2, y + height / 2)
        assert viewer.locator(".viewer .pointer").inner_text()
        note()
    viewer.locator(".viewer .stage").focus()
    for key in ("+", "End", "Home", "4"):
        viewer.keyboard.press(key)
        note()
    viewer.keyboard.press("m")
    drag(viewer, 70, 20)
    assert line_mm(viewer)
    note()
    viewer.keyboard.press("m")
    viewer.set_viewport_size({"width": 1280, "height": 720})
    viewer.wait_for_timeout(300)
    assert len(seen) == 1, seen


def test_map_and_strip_are_both_explained(viewer: Page) -> None:
    for name, words in {"Evidence map": "what moved the model", "Lesion map": "where the model sees"}.items():
        viewer.get_by_role("button", name=name).click()
        assert words in viewer.locator(".viewer .map-caption").inner_text()
        assert "▲ most telling" in viewer.locator(".viewer .caption").inner_text()
    assert viewer.locator(".viewer label").inner_text() == "Opacity"


def test_plain_ct_beside_the_overlay(viewer: Page) -> None:
    assert not viewer.get_by_role("button", name="Side by side").is_visible()
    viewer.keyboard.press("0")
    viewer.get_by_role("button", name="Evidence map").click()
    tools = [viewer.locator(".viewer .tools button").nth(i) for i in range(4)]
    before = [tool.bounding_box() for tool in tools]
    viewer.get_by_role("button", name="Side by side").click()
    x, _, width, height = stage(viewer)
    inner = (height * 0.1, height * 0.2, width / 2 - height * 0.2, height * 0.6)
    left = colours(viewer, *inner)
    right = colours(viewer, inner[0] + (width + 4) / 2, *inner[1:])
    grey = [max(colour) - min(colour) < 3 for colour in left if colour != MARK_COLOUR]
    assert all(grey)
    assert any(max(colour) - min(colour) > 40 for colour in right)
    shoot(viewer, "side-by-side", full_page=False)
    # Nearly the whole width of its half shows the head somewhere.
    half = int(width / 2 - 2)
    flat = colours(viewer, 0, 0, half, height)
    bright = [i % half for i, colour in enumerate(flat) if min(colour) > 200 and colour != MARK_COLOUR]
    assert max(bright) - min(bright) > 0.65 * half
    viewer.keyboard.press("+")
    assert viewer.get_by_role("button", name="Reset").is_visible()
    assert [tool.bounding_box() for tool in tools] == before
    assert all(box is not None and box["x"] >= x + width for box in before)
    viewer.get_by_role("button", name="Side by side").click()


def test_focus_is_visible_and_full_screen_comes_and_goes(viewer: Page) -> None:
    viewer.keyboard.press("Shift+Tab")
    viewer.keyboard.press("Tab")
    outline = viewer.locator(".viewer .stage").evaluate("node => getComputedStyle(node).outline")
    assert "solid" in outline and "3px" in outline
    small = stage(viewer)
    notice = viewer.locator(".viewer .notice")
    assert not notice.is_visible()
    viewer.keyboard.press("f")
    viewer.wait_for_function("document.fullscreenElement !== null")
    viewer.wait_for_timeout(500)
    assert stage(viewer)[2] > small[2] * 1.2
    assert notice.is_visible() and notice.inner_text() == RESEARCH_NOTICE
    assert viewer.locator(".viewer").evaluate("node => node.scrollHeight <= node.clientHeight")
    shoot(viewer, "full-screen", full_page=False)
    viewer.keyboard.press("f")
    viewer.wait_for_function("document.fullscreenElement === null")
    viewer.wait_for_timeout(500)
    assert stage(viewer)[2] == small[2]
