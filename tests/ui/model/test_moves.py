from __future__ import annotations

from htcore.ui.model.moves import moves_check

STILL = {"variation": "mirrored", "n": 60, "unreadable": 0, "risk_median": 0.0, "risk_p90": 0.0, "risk_worst": 0.001}
STILL |= {"sides_asked": 29, "wrong_sides": 0}
MOVED = {**STILL, "variation": "noise doubled", "risk_median": 0.079, "risk_p90": 0.193, "risk_worst": 0.473}
MOVED |= {"wrong_sides": 5}


def test_the_worst_stands_first_and_is_said() -> None:
    check = moves_check([STILL, MOVED])
    assert check.verdict == "in part"
    assert "shifts by up to** 47 points under *noise doubled* (median 7.9)" in check.conclusion
    assert "within 10 points in every scan under *mirrored*" in check.conclusion
    assert "wrong in** 5 of 29 (*noise doubled*)" in check.conclusion
    assert check.rows["Variation"].tolist() == ["noise doubled", "mirrored"]
    assert check.rows["Risk: worst scan"].tolist() == ["47.3", "0.1"]
    # Wilson: 5 of 29.
    assert check.rows["Side wrong"][0].replace("\u00a0", " ") == "5 of 29 (8 to 35%)"
    assert "Not read" not in check.rows


def test_verdicts_at_both_ends_and_scans_not_read() -> None:
    good = moves_check([{**STILL, "unreadable": 2}])
    assert good.verdict == "holds" and "never comes out wrong" in good.conclusion and good.rows["Not read"][0] == 2
    assert moves_check([MOVED]).verdict == "does not hold"
    unknown = moves_check([{"variation": "turned", "n": 3}])
    assert unknown.verdict is None and unknown.conclusion == "" and list(unknown.rows) == ["Variation", "Scans"]


def test_a_turn_the_other_way_has_a_minus() -> None:
    row = {"n": 9, "risk_median": 0.1, "risk_worst": 0.4}
    check = moves_check([{**row, "variation": "turned by yaw -15°"}])
    assert check.rows["Variation"].tolist() == ["turned by yaw −15°"]
    assert "40 points under *turned by yaw −15°* (median 10.0)" in check.conclusion
