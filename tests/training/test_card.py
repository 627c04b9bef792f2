from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from htcore.bundle import Calibration, add_measurement, load_bundle
from htcore.training.card import (
    CAVEATS,
    Stage,
    card_of,
    card_values,
    history,
    keep_learning,
    provenance,
    render,
    stages,
)
from tests.small_bundle import small_contents, write_small_bundle

CALIBRATION = Calibration(1.0, 0.0, ((1.0, 0.0),), 0.5, 0.5, 4, 4)


def test_trainings_are_told_apart_from_the_first_to_the_last() -> None:
    data = "9 scans of 8 patients, starting from b (5 scans of 5 patients, starting from a-1 (3 scans of 2 patients))"
    assert stages("c", data) == (
        Stage("a-1", "3 scans of 2 patients"),
        Stage("b", "5 scans of 5 patients"),
        Stage("c", "9 scans of 8 patients"),
    )


def test_a_models_history_in_short_is_its_last_training_or_calibration() -> None:
    assert history("9 scans") == "trained on 9 scans"
    assert history("9 scans, starting from b (5 scans)") == "trained on 9 scans, the last of 2 trainings"
    recalibrated = "no new scans, only calibrated on 4 scans, starting from c (9 scans, starting from b (5 scans))"
    assert history(recalibrated) == "calibrated on 4 scans, with the weights of c"


def test_a_sentence_of_another_form_stays_whole() -> None:
    for data in ("3 scans", "3 scans (from two centres), starting from a (2 scans)", "3, starting from a", ""):
        assert stages("c", data) == (Stage("c", data),)
    # What the earlier model says of itself is kept letter for letter.
    assert stages("c", "3 scans, starting from a (2 scans (one centre))")[0] == Stage("a", "2 scans (one centre)")


def test_too_few_patients_for_the_joint_risk_leave_it_out() -> None:
    # Four scans, but one patient with HT: DeLong has nothing to compare.
    table = pd.DataFrame(
        {
            "patient_id": ["a", "a", "b", "c"],
            "scan_id": list("1234"),
            "ht": [1, 1, 0, 0],
            "probability": [0.9, 0.8, 0.2, 0.4],
            "probability_clinical": [0.9, 0.7, 0.1, 0.3],
        }
    )
    assert card_values("m", "4 scans", True, {}, CALIBRATION, table)["measured"]["with_clinical_data"] is None


def test_the_card_tells_who_trained_from_who_was_measured() -> None:
    table = pd.DataFrame({"patient_id": list("abcd"), "scan_id": list("1234"), "ht": [1, 1, 0, 0]})
    table["probability"] = [0.9, 0.4, 0.2, 0.6]
    simulated = table.assign(p_ht_image=[0.8, 0.5, 0.3, 0.4])
    told = {
        (trained, measured is simulated): render(card_values("m", "4 scans", trained, {}, CALIBRATION, measured))
        for trained in (True, False)
        for measured in (simulated, table)
    }
    assert "Trained and measured on simulated scans" in told[True, True]
    assert "Trained on simulated scans, measured on scans of patients" in told[True, False]
    assert "**Measured on simulated scans" in told[False, True]
    assert "simulated" not in told[False, False] and provenance(False, False) is None


def test_the_card_says_whether_clinical_data_are_joined_and_on_whom() -> None:
    joined, alone = (
        card_values("m", "4 scans", True, {}, CALIBRATION, small_contents().validation, clinical)
        for clinical in ({"names": ["age", "onset_to_ct_h"], "n_patients": 90, "n_events": 41}, None)
    )
    assert "joined with age, onset to ct h; fitted on 90 calibration patients, 41 of them with HT." in render(joined)
    assert alone["clinical"] is None and "Clinical data: none joined. It takes ten" in render(alone)


@pytest.mark.parametrize("part", ["calibration", "out-of-fold", "validation"])
def test_a_model_that_started_from_another_says_whom_it_may_know(part: str) -> None:
    table = pd.DataFrame({"patient_id": list("abcd"), "scan_id": list("1234"), "ht": [1, 1, 0, 0], "part": part})
    table["probability"] = [0.9, 0.4, 0.2, 0.6]
    started = {"started_from": {"id": "before", "weights_sha256": "0" * 64}}
    fresh, later = (
        render(card_values("m", "4 scans", False, record, CALIBRATION, table))
        for record in ({"started_from": None}, started)
    )
    assert CAVEATS[part] in fresh and "too good" not in fresh and "4 scans of 4 other patients.\n" in fresh
    assert f"{CAVEATS[part]} Patients who trained the model that this one started from" in later
    assert "would make these figures too good: the bundle holds no names" in later
    assert (
        "4 other patients; any who trained an earlier model make the risks too sure, which the bundle cannot" in later
    )


def test_what_networks_trained_for_comparison_show_stands_in_the_card(tmp_path: Path) -> None:
    small = write_small_bundle(tmp_path / "m")
    assert card_of(small)["learning"] == {"data_efficiency": [], "ablations": []}
    columns = ["patients", "auc", "low", "high", "share_of_best", "difference", "p", "epochs"]
    rows = [
        [50, 0.51, 0.45, 0.57, 0.6, -0.15, 2e-8, 20],
        [100, 0.61, 0.55, 0.67, 0.7, -0.05, 0.012, 20],
        [474, 0.66, 0.6, 0.72, 0.76, None, None, 20],
    ]
    kept = keep_learning(small.path, "data_efficiency.csv", pd.DataFrame(rows, columns=columns))
    assert kept.card == load_bundle(small.path).card == render(card_of(kept)) and kept.card_values == card_of(kept)
    assert "| 50, 20 epochs | 0.510 | 0.450–0.570 | 0.600 | -0.150 | <0.0001 |" in kept.card
    assert b"2e-08" in (kept.measurement("data_efficiency.csv") or b"")
    assert "| 100, 20 epochs | 0.610 | 0.550–0.670 | 0.700 | -0.050 | 0.012 |" in kept.card
    assert "| 474, 20 epochs | 0.660 | 0.600–0.720 | 0.760 | reference |  |" in kept.card
    assert "What its parts are worth" not in kept.card
    add_measurement(small.path, "ablations.csv", b"model,area\nwhole,0.6\n")
    assert card_of(load_bundle(small.path))["learning"]["ablations"] == []
