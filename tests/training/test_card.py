from __future__ import annotations

import pandas as pd

from htcore.bundle import Calibration
from htcore.training.card import Stage, card_values, provenance, render, stages

CALIBRATION = Calibration(1.0, 0.0, ((1.0, 0.0),), 0.5, 0.5, 4, 4)


def test_trainings_are_told_apart_from_the_first_to_the_last() -> None:
    data = "9 scans of 8 patients, starting from b (5 scans of 5 patients, starting from a-1 (3 scans of 2 patients))"
    assert stages("c", data) == (
        Stage("a-1", "3 scans of 2 patients"),
        Stage("b", "5 scans of 5 patients"),
        Stage("c", "9 scans of 8 patients"),
    )


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
