"""One scan of a simulated cohort made again from its ids alone."""

from __future__ import annotations

import re

import numpy as np

from htcore.errors import CohortError
from htcore.simulation.plan import CohortParameters, plan_person
from htcore.simulation.scan import simulate_person_scan
from htcore.simulation.writer import nifti_bytes, uniform_affine

_SCAN = re.compile(r"SIM-(\d{1,18})-(\d{5,9})-([1-9])")
_SAME_ML = 0.01
"""Volumes are stored to a thousandth of a millilitre."""


def simulate_again(scan_id: str, lesion_volume_ml: float) -> bytes:
    """The scan as gzipped NIfTI, which says of itself that it is simulated.

    Parameters
    ----------
    scan_id
        As `simulate_cohort` names it: ``SIM-seed-patient-scan``. The cohort must have been one of NIfTI, of the
        default matrix, prevalence and effects.
    lesion_volume_ml
        The infarct's volume in the first scan's truth: what shows that the same scan was made.

    Raises
    ------
    CohortError
        If the id is of no simulated scan, or another scan came out.
    """
    found = _SCAN.fullmatch(scan_id)
    if found is None or int(found[2]) < 1:
        raise CohortError("This is no scan of a simulated cohort: open its files instead.")
    parameters = CohortParameters(seed=int(found[1]))
    number = int(found[3])
    patient = plan_person(parameters, int(found[2]) - 1, number)
    planned = patient.scans[number - 1]
    person, acquisition = (
        np.random.SeedSequence(parameters.seed, spawn_key=key) for key in (patient.spawn_key, planned.spawn_key)
    )
    volume, _, truth = simulate_person_scan(person, acquisition, planned.image, parameters.pixels, one_affine=True)
    if abs(truth.lesion_volume_ml - lesion_volume_ml) > _SAME_ML:
        raise CohortError(
            "This scan cannot be made again: its cohort came from another simulator or other parameters. Simulate the "
            "cohort anew, or open the scan's files."
        )
    return nifti_bytes(volume.hu, uniform_affine(volume))
