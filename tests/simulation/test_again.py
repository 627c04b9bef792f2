"""A scan made again from its id is the cohort's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from htcore import services
from htcore.errors import CohortError
from htcore.settings import Settings
from htcore.simulation import CohortParameters
from htcore.simulation.again import simulate_again
from htcore.simulation.plan import plan_cohort, plan_person


def test_a_person_alone_is_the_person_of_the_cohort() -> None:
    parameters = CohortParameters(patients=3, seed=5, repeat_share=1.0)
    for branch, member in enumerate(plan_cohort(parameters)):
        alone = plan_person(CohortParameters(seed=5), branch, 2)
        assert (alone.patient_id, alone.spawn_key) == (member.patient_id, member.spawn_key)
        for mine, its in zip(alone.scans, member.scans, strict=True):
            assert (mine.scan_id, mine.spawn_key, mine.onset_to_ct_h) == (its.scan_id, its.spawn_key, its.onset_to_ct_h)
            assert mine.image.depth_hu[0] == its.image.depth_hu[0]


@pytest.mark.parametrize("scan_id", ["P1", "SIM-1-00041", "SIM-1-00000-1", "SIM-1-00041-0", "SIM-x-00041-1", ""])
def test_an_id_of_no_simulated_scan_is_refused(scan_id: str) -> None:
    with pytest.raises(CohortError, match="no scan of a simulated cohort"):
        simulate_again(scan_id, 1.0)


def test_a_scan_of_the_shipped_validation_set_is_scored_as_it_was(tmp_path: Path) -> None:
    bundle = services.load_bundle_by_id(Settings().default_model, Settings())
    row = bundle.validation.set_index("scan_id").loc["SIM-1-00041-1"]
    (tmp_path / "again.nii.gz").write_bytes(simulate_again("SIM-1-00041-1", row["lesion_volume_ml"]))
    opened = services.assess(tmp_path / "again.nii.gz", bundle=bundle, device="cpu", regions=False)
    assert opened.receipt.simulated
    assert opened.risk is not None and opened.risk.logit == pytest.approx(row["logit"], abs=0.01)
    with pytest.raises(CohortError, match="cannot be made again"):
        simulate_again("SIM-1-00041-1", row["lesion_volume_ml"] + 1)
