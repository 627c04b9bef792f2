from __future__ import annotations

from typing import Any

from htcore.ui.model.files import Check, in_short
from htcore.ui.model.maps import map_checks, overlap_rows


def hit(value: float, low: float, high: float, n: int = 200, **more: float) -> dict[str, float]:
    return {"n": n, "value": value, "low": low, "high": high, **more}


def only(name: str, value: Any) -> Check:
    checks, rest = map_checks({"scans": 500, name: value})
    assert len(checks) == 1 and not rest
    return checks[0]


def test_pointing_says_where_it_fails_and_compares_maps_of_any_name() -> None:
    check = only(
        "pointing",
        {
            "lesion map": {
                "all": hit(0.5, 0.45, 0.55),
                ">20 mL": hit(0.77, 0.7, 0.82),
                "<=20 mL": hit(0.29, 0.24, 0.35),
            },
            "Grad-CAM++ (MONAI)": {"all": hit(0.9, 0.85, 0.95), "<=20 mL": hit(0.8, 0.75, 0.85, 20)},
        },
    )
    assert check.verdict == "in part"
    # The map that is only there to compare with answers for nothing that is shown.
    assert (
        "highest point of the lesion map lies in the true infarct in 77% (70 to 82%) of infarcts over"
        in check.conclusion
    )
    assert "**only** 29% (24 to 35%) of infarcts up to 20 mL" in check.conclusion
    assert "do not search" in check.conclusion
    assert check.rows.to_dict("records")[1] == {
        "Map": "Grad-CAM++ (MONAI)",
        "All infarcts": "90% (85 to 95%), n 200",
        "Infarcts over 20 mL": "not available",
        "Infarcts up to 20 mL": "80% (75 to 85%), n 20",
    }


def test_pointing_names_targets_and_a_missed_one_is_no_success() -> None:
    met = only("pointing", {"a": {"all": hit(0.9, 0.85, 0.95, target=0.85)}})
    missed = only("pointing", {"a": {"all": hit(0.9, 0.85, 0.95, target=0.92)}})
    assert met.verdict == "holds" and "target 85% met" in met.rows["All infarcts"][0]
    assert missed.verdict == "in part" and "target 92% missed" in missed.rows["All infarcts"][0]
    assert only("pointing", {"a": {"all": hit(0.3, 0.2, 0.4)}}).verdict == "does not hold"


def test_what_maps_mark_is_judged_against_random_order() -> None:
    def curves(own: float, chance: float) -> Check:
        maps = {
            "evidence map": {"deletion": own, "insertion": own},
            "integrated gradients": {"deletion": 2, "insertion": 2},
        }
        return only("curves", {**maps, "random order": {"deletion": chance, "insertion": -0.001}})

    good, bad = curves(1.0, 0.2), curves(0.1, 0.2)
    assert good.verdict == "holds" and "fall by 1.00 (evidence map), in random order by 0.20" in good.conclusion
    assert "does not show does better:** integrated gradients (2.00)" in good.conclusion
    assert bad.verdict == "does not hold" and "mark nothing" in bad.conclusion
    assert good.rows.iloc[2, 2] == "0.00"
    alone = only("curves", {"evidence map": {"deletion": 1.0, "insertion": 1.0}})
    assert alone.verdict is None and alone.conclusion == ""


def test_random_weights_and_repeatability() -> None:
    assert only("random weights", {"lesion map": 0.05, "evidence map": 0.11}).verdict == "holds"
    same = only("random weights", {"lesion map": 0.95})
    assert same.verdict == "does not hold" and "whatever the network learnt" in same.conclusion
    steady = {"noise": {"probability change": 0.017, "lesion map": 0.98, "Grad-CAM (captum)": 0.1}}
    check = only("repeatability", steady)
    assert check.verdict == "holds" and "up to 1.7 points" in check.conclusion
    assert check.rows["Risk moves by, points"].tolist() == ["1.7"]
    assert only("repeatability", {"noise": {"probability change": 0.2, "lesion map": 0.5}}).verdict == "does not hold"


def test_regions_say_how_often_the_right_one_is_missed() -> None:
    rows = {
        "first": hit(0.48, 0.3, 0.67, 25),
        "first three": hit(0.64, 0.45, 0.8, 25),
        "side": hit(0.92, 0.75, 0.98, 25),
    }
    check = only("regions", {"median cpu s": 7.04, "all": rows})
    assert check.verdict == "in part" and "in 36% it is not among the three" in check.conclusion
    assert "Only 25 scans" in check.conclusion and "7.0 s of processor time" in check.caption
    assert check.rows["Scans"].tolist() == [25]


def test_parts_of_another_form_are_left_to_be_shown_as_they_are() -> None:
    odd = {"pointing": 3, "curves": {"a": 1.0}, "regions": {}, "random weights": {}, "repeatability": {"noise": {}}}
    checks, rest = map_checks({**odd, "scans": 5, "new": {"x": 1}})
    assert not checks and rest == {**odd, "new": {"x": 1}}
    assert overlap_rows(3) is None and overlap_rows(None) is None and overlap_rows({"a": {"all": {"n": 3}}}) is None


def test_bad_results_stand_before_good_ones() -> None:
    bad = only("random weights", {"lesion map": 0.95})
    good = only("curves", {"a": {"deletion": 1, "insertion": 1}, "random order": {"deletion": 0, "insertion": 0}})
    first, second = in_short([good, bad]).splitlines()
    assert "does not hold" in first and "depends on" in first and "holds" in second and "moves the risk" in second
