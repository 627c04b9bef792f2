"""The cohort page's filters: the figures follow them, and what else is set stays."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from htcore.errors import CohortError
from htcore.evaluation import ValidationSet, evaluate
from htcore.ui.cohort.data import Cohort, measured_cohort
from tests.evaluation.cohort import frame
from tests.pages.test_cohort import MODEL, OWN_THRESHOLD, page_with, slider, source, texts


def ages(page: AppTest) -> Any:
    """The filter by age."""
    return next(found for found in page.slider if found.key.startswith("filter-age"))


def test_all_filters_are_taken_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame(n_patients=120)
    page = page_with(monkeypatch, table)
    assert not any(button.key == "reset-filters" for button in page.button)
    whole = ages(page).value
    for low in (60.0, ages(page).max):
        ages(page).set_range(low, ages(page).max).run()
        thickness = next(found for found in page.slider if found.key.startswith("filter-thickness"))
        thickness.set_range(thickness.min, thickness.max - 1).run()
        page.button(key="reset-filters").click().run()
        assert not page.exception and not page.error
        assert ages(page).value == whole and "only" not in source(page)
        assert source(page).startswith(f"120 patients · {len(table)} scans")
    assert not any(button.key == "reset-filters" for button in page.button)


def test_what_was_set_stays_while_nothing_can_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_with(monkeypatch, frame(n_patients=120), "Cases")
    page.number_input(key="cohort-prevalence").set_value(15.0).run()
    page.number_input(key="cost-ratio").set_value(7.0).run()
    page.button_group(key="cohort-kinds").set_value(["FN"]).run()
    slider(page).set_value(33.0).run()
    age = ages(page)
    age.set_range(age.max, age.max).run()
    assert page.error and not page.number_input
    # A control that the server remembers and the browser does not would be drawn as it was at first.
    assert not any(key in page.session_state for key in ("cohort-prevalence", "cost-ratio", "cohort-kinds"))
    ages(page).set_range(age.min, age.max).run()
    assert not page.error
    assert page.number_input(key="cohort-prevalence").value == 15.0
    assert page.number_input(key="cost-ratio").value == 7.0
    assert page.button_group(key="cohort-kinds").value == ["FN"]
    assert slider(page).value == 33.0


def test_filters_are_followed_and_few_events_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame(n_patients=120)
    page = page_with(monkeypatch, table)
    age = ages(page)
    age.set_range(60.0, age.max).run()
    assert not page.exception
    older = table[table["age"] >= 60]
    assert source(page).startswith(f"{older['patient_id'].nunique()} patients · {len(older)} scans")
    assert "only age 60 to" in source(page)
    auc = evaluate(ValidationSet.from_frame(older.reset_index(drop=True)), 0.5).metrics["auc"]
    assert f"AUC {auc.value:.3f}" in texts(page)
    assert "the intervals are unsteady" not in texts(page)
    ages(page).set_range(80.0, age.max).run()
    assert "the intervals are unsteady" in texts(page)
    ages(page).set_range(age.max, age.max).run()
    assert not page.exception and page.error[0].value.endswith(": widen the filter.")
    assert re.search(r"Filter: age .* years\. It leaves \d+ of \d+ scans\.", texts(page))
    ages(page).set_range(age.min, age.max).run()
    assert not page.error and "120 patients" in source(page)
    assert slider(page).value == pytest.approx(100 * OWN_THRESHOLD, abs=0.051)


@pytest.mark.parametrize(
    ("bled", "patients", "words"),
    [
        ([], "", "No scan is left"),
        ([1], "A", "The one scan that is left had hemorrhagic transformation"),
        ([0], "A", "The one scan that is left had no hemorrhagic transformation"),
        ([1, 1, 1], "ABC", "All 3 scans that are left had hemorrhagic transformation"),
        ([0, 0], "AB", "None of the 2 scans that are left had hemorrhagic transformation"),
        ([0, 1, 1], "AAB", "The 3 scans that are left are of 2 patients; figures need at least 3"),
    ],
)
def test_a_filter_that_leaves_too_little_is_told_in_words_of_the_page(
    bled: list[int], patients: str, words: str
) -> None:
    left = frame().iloc[: len(bled)].assign(ht=bled, patient_id=list(patients), age=200.0)
    table = pd.concat([frame(), left.assign(scan_id=[f"L{row}" for row in range(len(left))])], ignore_index=True)
    cohort = Cohort(table, "k" * 64, MODEL, "validation", 0.5, simulated=True)
    with pytest.raises(CohortError, match=f"^{re.escape(words)}: widen the filter\\.$") as caught:
        measured_cohort(cohort, table["age"].to_numpy() == 200.0)
    assert caught.value.code == "one_class"
