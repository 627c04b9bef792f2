from __future__ import annotations

import io

import pandas as pd
import pytest

from htcore.ui.model.learning import (
    ablation_rows,
    ablation_words,
    best_possible,
    efficiency_rows,
    efficiency_words,
    learning_points,
)


def table(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


SIZES = """patients,auc,low,high,share_of_best,difference,p,preparation,epochs
100,0.6217,0.5717,0.6718,0.6866,-0.0642,0.009,1,6
474,0.6859,0.6381,0.7337,0.7575,,,1,6
992,0.7200,0.6700,0.7700,0.7952,0.0341,0.08,1,6
"""
PARTS = """model,patients,auc,low,high,share_of_best,difference,p,preparation
lesion-gated residual network,474,0.6859,0.6381,0.7337,0.7575,,,1
no difference from the mirror image,474,0.5188,0.4667,0.5709,0.5729,-0.1671,0.0,1
scans not varied,474,0.7014,0.6543,0.7484,0.7746,0.0155,0.2484,1
something new,474,0.75,0.7,0.8,0.82,0.0641,0.01,1
"""


def test_the_best_possible_follows_from_the_shares() -> None:
    assert best_possible(table(SIZES)) == pytest.approx(0.9055, abs=2e-4)
    assert best_possible(table("patients,auc\n100,0.6\n")) is None


def test_points_have_intervals_and_are_told_apart_by_what_differs() -> None:
    points = learning_points(table(SIZES))
    assert [point.patients for point in points] == [100, 474, 992]
    assert (points[0].auc.low, points[0].auc.high) == (0.5717, 0.6718) and {point.kind for point in points} == {""}
    mixed = learning_points(table("patients,auc,epochs\n100,0.6,6\n100,0.7,20\n0,0.5,6\n50,,6\n"))
    assert [point.kind for point in mixed] == ["epochs 6", "epochs 20"]


def test_what_more_patients_bring_in_a_sentence() -> None:
    first_two = efficiency_words(table(SIZES).iloc[:2])
    assert "From 100 to 474 patients learnt from, the AUC goes from 0.622 (0.572 to 0.672) to" in first_two
    assert "+0.064. **More patients helped**: 474 against 100, p = 0.009." in first_two and "is 0.905" in first_two
    # Fewest and most are compared with a third here: no p of their own difference is known.
    whole = efficiency_words(table(SIZES))
    assert "+0.098. **That more patients help is not shown**: 992 against 474, p = 0.080." in whole
    chance = efficiency_words(table("patients,auc,difference,p\n100,0.6,-0.05,0.2\n200,0.65,,\n"))
    assert "is not shown**: 200 against 100, p = 0.20" in chance
    worse = efficiency_words(table("patients,auc,difference,p\n100,0.7,0.05,0.01\n200,0.65,,\n"))
    assert "−0.050. **More patients did not help**: 200 against 100, p = 0.010" in worse
    rising = efficiency_words(table("patients,auc,difference,p,epochs\n100,0.6,,,20\n200,0.65,0.05,0.0,12\n"))
    assert "not all for as many epochs" in rising and "helped**: 200 against 100, p < 0.001" in rising
    untested = efficiency_words(table("patients,auc\n100,0.6\n200,0.65\n"))
    assert "+0.050. How it goes on" in untested
    assert "nothing to compare" in efficiency_words(table("patients,auc\n100,0.6\n"))
    unlike = efficiency_words(table("patients,auc,preparation\n100,0.6,1\n200,0.7,2\n"))
    assert "nothing to compare" in unlike


def test_cells_in_words() -> None:
    rows = efficiency_rows(table(SIZES))
    assert rows.to_dict("records")[1] == {
        "Patients learnt from": "474",
        "auc": "0.686 (0.638 to 0.734)",
        "share_of_best": "76%",
        "difference": "reference",
        "p": "–",
        "epochs": 6,
    }
    parts = ablation_rows(table(PARTS))
    assert parts["Network"].tolist()[:2] == ["The whole network", "Without the difference from the mirror image"]
    assert parts["p"].tolist() == ["–", "< 0.001", "0.25", "0.010"] and "patients" not in parts


def test_what_each_part_is_worth_in_a_sentence() -> None:
    said = ablation_words(table(PARTS))
    assert "**Lower AUC:** *without the difference from the mirror image* (−0.167, p < 0.001)." in said
    assert "**Higher AUC, the part does harm:** *something new* (+0.064, p = 0.010)." in said
    assert "**No difference shown:** *without varying the scans during training* (+0.015, p = 0.25)." in said
    assert ablation_words(table("model,auc\nwhole,0.6\n")) == ""
