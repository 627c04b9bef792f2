from __future__ import annotations

import json

from htcore.serialise import json_safe, quality_json
from htcore.types import Finding, QualityReport


def test_a_findings_place_stands_beside_the_keys_of_the_contract() -> None:
    report = QualityReport(
        (Finding("acute_blood", "refuse", "Blood.", (1.5, -2.0, 3.0)), Finding("tilt", "info", "T."))
    )
    found = json.loads(json.dumps(json_safe(quality_json(report))))
    assert found == {
        "verdict": "refuse",
        "findings": [
            {"code": "acute_blood", "severity": "refuse", "message": "Blood.", "place_mm": [1.5, -2.0, 3.0]},
            {"code": "tilt", "severity": "info", "message": "T.", "place_mm": None},
        ],
    }
