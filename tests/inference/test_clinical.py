"""The image's score joined with covariates: known weights are found, shares add up, nonsense is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from htcore.errors import UsageError
from htcore.inference.clinical import ClinicalModel, fit_clinical

MODEL = ClinicalModel(("age", "nihss"), (70.0, 10.0), (10.0, 5.0), (0.5, 1.0), 2.0, 0.25, -0.5, 100, 40)


def table(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "patient_id": [f"P{number}" for number in range(n)],
            "logit": rng.normal(0.2, 1.0, n),
            "age": rng.normal(70, 10, n),
            "nihss": rng.integers(0, 30, n).astype(float),
            "sex": "F",
        }
    )
    truth = -0.3 + 1.2 * frame["logit"] + 0.08 * (frame["nihss"] - 15)
    frame["ht"] = (rng.random(n) < expit(truth)).astype(int)
    return frame


def test_shares_are_those_of_a_hand_worked_patient() -> None:
    found = MODEL.risk(0.75, {"age": 80.0, "nihss": 5.0})
    assert [(part.name, part.contribution) for part in found.parts] == [("image", 1.0), ("age", 0.5), ("nihss", -1.0)]
    assert found.probability == pytest.approx(expit(0.0)) and found.base == pytest.approx(expit(-0.5))
    total = logit(found.base) + sum(part.contribution for part in found.parts)
    assert logit(found.probability) == pytest.approx(total)


def test_what_is_not_known_adds_nothing() -> None:
    assert [part.name for part in MODEL.risk(0.25, {"age": 70.0}).parts] == ["image", "age"]
    assert MODEL.risk(0.25, {}).probability == pytest.approx(expit(-0.5))


def test_no_joint_risk_is_certain() -> None:
    assert MODEL.risk(50.0, {}).probability == 0.99


def test_the_fit_agrees_with_scikit_learn_and_finds_what_was_put_in() -> None:
    frame = table(4000)
    found = fit_clinical(frame)
    assert found is not None and found.names == ("age", "nihss")
    design = frame[["logit", "age", "nihss"]].to_numpy() - [found.image_mean, *found.means]
    design /= [1.0, *found.sds]
    other = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(design, frame["ht"])
    np.testing.assert_allclose([found.image, *found.coefficients], other.coef_[0], atol=1e-3)
    assert found.intercept == pytest.approx(other.intercept_[0], abs=1e-3)
    assert found.image == pytest.approx(1.2, abs=0.15)
    assert found.coefficients[1] / found.sds[1] == pytest.approx(0.08, abs=0.015)
    assert abs(found.coefficients[0]) < 0.15  # age has no effect here
    assert ClinicalModel.from_json(found.to_json()) == found


def test_rows_and_single_patients_agree_also_where_cells_are_empty() -> None:
    frame = table(300)
    frame.loc[3, "nihss"] = np.nan
    found = fit_clinical(frame)
    assert found is not None
    risks = found.probabilities(frame)
    for row in (0, 3):
        known = {name: frame.loc[row, name] for name in found.names if np.isfinite(frame.loc[row, name])}
        assert risks[row] == pytest.approx(found.risk(frame.loc[row, "logit"], known).probability, abs=1e-9)


def test_too_few_events_give_no_model() -> None:
    assert fit_clinical(table(40)) is None
    assert fit_clinical(table(400)[["patient_id", "logit", "ht"]]) is None


def test_a_patient_counts_once_however_often_scanned() -> None:
    frame = table(300)
    once = fit_clinical(frame)
    again = frame.assign(logit=frame["logit"] + 0.5)
    assert once is not None and fit_clinical(pd.concat([frame, again])) == once
    assert (once.n_patients, once.n_events) == (300, frame["ht"].sum())
    few = table(40)
    assert fit_clinical(pd.concat([few] * 4)) is None  # 160 scans, but fewer than 20 patients of the rarer outcome


@pytest.mark.parametrize("known", [{"nihss": 60.0}, {"age": 7.0}, {"shoe_size": 43.0}, {"glucose_mmol_l": 6.0}])
def test_nonsense_is_refused(known: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        MODEL.risk(0.0, known)
