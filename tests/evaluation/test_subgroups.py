from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from htcore.errors import CohortError
from htcore.evaluation import Bootstrap, ValidationSet, subgroups
from tests.evaluation.cohort import frame


def whole() -> pd.DataFrame:
    table, rng = frame(n_patients=150), np.random.default_rng(5)
    n = len(table)
    return table.assign(
        onset_to_ct_h=rng.uniform(0, 30, n),
        tilt_deg=rng.uniform(-25, 25, n),
        lesion_side=np.where(rng.random(n) < 0.5, "left", "right"),
        manufacturer=np.where(rng.random(n) < 0.5, "Alpha", "Beta"),
    )


@pytest.fixture(scope="module")
def validation() -> ValidationSet:
    return ValidationSet.from_frame(whole())


def test_every_factor_holds_each_scan_once(validation: ValidationSet) -> None:
    parts = subgroups(validation, Bootstrap(validation, 20))
    factors = {part.factor for part in parts}
    assert factors == {"Lesion", "Age", "Onset to scan", "Slice thickness", "Gantry tilt", "Sex", "Side", "Scanner"}
    for factor in factors:
        mine = [part for part in parts if part.factor == factor]
        assert sum(part.n_scans for part in mine) == validation.n_scans, factor
        assert sum(part.n_events for part in mine) == validation.n_events, factor


def test_a_subgroup_is_measured_on_its_scans_alone(validation: ValidationSet) -> None:
    parts = {part.name: part for part in subgroups(validation, Bootstrap(validation, 50))}
    tilted = parts["Gantry tilt 15 and over degrees either way"]
    mask = np.abs(validation.columns["tilt_deg"]) >= 15
    assert tilted.n_scans == mask.sum() and tilted.n_events == validation.labels[mask].sum()
    assert tilted.auc.value == pytest.approx(sk.roc_auc_score(validation.labels[mask], validation.probability[mask]))
    assert tilted.auc.low < tilted.auc.value < tilted.auc.high
    assert (
        parts["Side left"].n_patients == np.unique(validation.patient[validation.texts["lesion_side"] == "left"]).size
    )


def test_unknown_values_are_in_no_part() -> None:
    table = whole()
    table.loc[:9, "age"] = np.nan
    table.loc[:4, "lesion_side"] = None
    validation = ValidationSet.from_frame(table)
    parts = subgroups(validation, Bootstrap(validation, 5))
    assert sum(part.n_scans for part in parts if part.factor == "Age") == validation.n_scans - 10
    assert sum(part.n_scans for part in parts if part.factor == "Side") == validation.n_scans - 5


def test_one_outcome_alone_has_no_auc() -> None:
    table = whole()
    table["lesion_side"] = np.where(table["ht"] == 1, "left", "right")
    validation = ValidationSet.from_frame(table)
    sides = [part for part in subgroups(validation, Bootstrap(validation, 5)) if part.factor == "Side"]
    assert len(sides) == 2 and all(np.isnan(part.auc.value) for part in sides)


def test_numbers_instead_of_kinds_are_no_grouping() -> None:
    table = whole()
    validation = ValidationSet.from_frame(table.assign(scanner=[f"device {k}" for k in range(len(table))]))
    named = ValidationSet.from_frame(table.drop(columns="manufacturer").assign(scanner="A"))
    assert not [p for p in subgroups(validation, Bootstrap(validation, 2)) if "device" in p.name]
    assert [p.name for p in subgroups(named, Bootstrap(named, 2)) if p.factor == "Scanner"] == ["Scanner A"]


def test_subset_keeps_rows_together_and_numbers_patients_anew(validation: ValidationSet) -> None:
    mask = validation.columns["age"] >= 60
    part = validation.subset(mask)
    table = whole()[mask]
    again = ValidationSet.from_frame(table.reset_index(drop=True))
    assert (part.n_patients, part.n_scans, part.n_events) == (again.n_patients, again.n_scans, again.n_events)
    np.testing.assert_array_equal(part.patient, again.patient)
    np.testing.assert_array_equal(part.texts["lesion_side"], table["lesion_side"])
    np.testing.assert_array_equal(part.columns["tilt_deg"], table["tilt_deg"])
    assert part.sex is not None and part.sex.tolist() == table["sex"].tolist()


def test_a_subset_of_one_outcome_or_of_nothing_is_refused(validation: ValidationSet) -> None:
    for mask in (validation.labels, ~validation.labels, np.zeros(validation.n_scans, dtype=bool)):
        with pytest.raises(CohortError) as caught:
            validation.subset(mask)
        assert caught.value.code == "one_class"
