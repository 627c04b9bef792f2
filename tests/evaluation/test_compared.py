"""Other models' scores: read, matched by scan, measured on first scans."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from htcore.errors import CohortError
from htcore.evaluation import compared_models, delong_difference
from tests.evaluation.cohort import frame


def written(table: pd.DataFrame, **models: object) -> bytes:
    return table[["scan_id"]].assign(**models).to_csv(index=False).encode()


def test_models_are_measured_on_the_first_scans_that_they_scored() -> None:
    table = frame()
    scores = np.where(np.arange(len(table)) % 5 == 2, np.nan, table["age"])
    # In another order: scans are matched by their ids.
    shuffled = table.assign(age=scores).sample(frac=1, random_state=0)
    alone, same = compared_models(written(shuffled, Age=shuffled["age"], Same=shuffled["probability"]), table)
    first = table[~table["patient_id"].duplicated() & np.isfinite(scores)]
    assert (alone.name, alone.n_patients) == ("Age", len(first))
    assert alone.auc.value == pytest.approx(sk.roc_auc_score(first["ht"], first["age"]))
    assert alone.own_auc.value == pytest.approx(sk.roc_auc_score(first["ht"], first["probability"]))
    labels = first["ht"].to_numpy() == 1
    expected = delong_difference(labels, first["probability"].to_numpy(), first["age"].to_numpy())
    assert alone.difference.p_value == pytest.approx(expected.p_value)
    every = table[np.isfinite(scores)]
    assert alone.curve.auc == pytest.approx(sk.roc_auc_score(every["ht"], every["age"]))
    assert same.difference.p_value == 1.0 and same.auc == same.own_auc


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no comma-separated"),
        (b"\xff\xfe", "no comma-separated"),
        (b"scan_id\nS0000\n", "has no model"),
        (b"scan,Age\nS0000,3\n", "lacks scan_id"),
        (b"scan_id,Age\nS0000,3\nS0000,4\n", "a scan twice"),
        (b"scan_id,Age\nS0000,inf\n", "no number"),
        (b"scan_id,Age\nother,3\n", "at least two scans of each outcome"),
    ],
)
def test_a_damaged_file_is_one_sentence(content: bytes, words: str) -> None:
    with pytest.raises(CohortError, match=words):
        compared_models(content, frame())
