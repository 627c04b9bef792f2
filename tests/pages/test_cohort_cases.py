"""The cohort page's cases: the chosen row stays that of its scan, and the table stays where it is."""

from __future__ import annotations

import json
import math

import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from tests.evaluation.cohort import frame
from tests.pages.test_cohort import case_rows, page_with, slider

ALL = "cohort-cases"


def choose(page: AppTest, row: int) -> str:
    """Choose a row of the table of all scans; the scan's name."""
    page.session_state[ALL] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    page.run()
    assert not page.exception
    return str(case_rows(page)[2]["scan_id"].iloc[row])


def offered(page: AppTest) -> list[str]:
    """What stands above the table of all scans."""
    return [button.label for button in page.button if button.key.startswith("open-") and button.key.endswith(ALL)]


def test_a_scan_stays_chosen_over_another_threshold_and_another_section(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame(), "Cases")
    scan = choose(page, 3)
    opening = [f"Open {scan} on the review page · simulated"]
    assert offered(page) == opening
    slider(page).set_value(70.0).run()
    place = case_rows(page)[2]["scan_id"].tolist().index(scan)
    assert place != 3, "nothing moved"
    assert offered(page) == opening and page.session_state[ALL]["selection"]["rows"] == [place]
    for section in ("Risks", "Cases"):
        page.session_state["cohort-section"] = section
        page.run()
        assert (ALL in page.session_state) is (section == "Cases")
    assert offered(page) == opening
    choose(page, 5)
    assert offered(page) == [f"Open {case_rows(page)[2]['scan_id'].iloc[5]} on the review page · simulated"]


def test_a_scan_that_is_not_shown_any_more_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame(), "Cases")
    choose(page, 3)
    kinds = [kind for kind in ("TP", "FP", "FN", "TN") if kind != case_rows(page)[2]["kind"].iloc[3]]
    page.button_group(key="cohort-kinds").set_value(kinds).run()
    assert not page.exception and offered(page) == ["Choose a row to open its scan"]


def test_the_room_of_the_button_is_taken_before_a_row_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame(), "Cases")
    held = [button for button in page.button if button.key.startswith("open-none-")]
    assert len(held) == 3 and all(button.disabled for button in held)
    choose(page, 0)
    assert len(offered(page)) == 1 and offered(page)[0].startswith("Open ")


def test_the_narrow_tables_have_short_headings_and_the_wide_one_whole_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame(), "Cases")
    for number, heading in enumerate(("Lesion, mL", "Lesion, mL", "True lesion, mL")):
        columns = json.loads(page.dataframe[number].proto.columns)
        assert columns["lesion_volume_ml"]["label"] == heading


def test_the_share_of_these_scans_fits_its_narrow_field(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    page = page_with(monkeypatch, table)
    assert page.number_input(key="cohort-prevalence").placeholder == f"{100 * table['ht'].mean():.1f} as here"


def test_a_tilt_the_other_way_has_a_minus(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    table["tilt_deg"] = [-15.5, math.nan, 7.25] + [0.0] * (len(table) - 3)
    page = page_with(monkeypatch, table, "Cases")
    shown = convert_arrow_bytes_to_pandas_df(page.dataframe[2].proto.arrow_data.styler.display_values)
    told = dict(zip(shown["scan_id"], shown["tilt_deg"], strict=True))
    assert [told[scan] for scan in table["scan_id"][:3]] == ["−15.5", "not available", "7.2"]
