from __future__ import annotations

import numpy as np
import pytest

from htcore.evaluation import ValidationSet
from htcore.inference.calibrate import shift_prevalence
from htcore.inference.peers import MIN_SCANS, find_peers, wilson


def made(n_low: int, n_high: int) -> ValidationSet:
    """``n_low`` scans of risk 0.3, a quarter of which bled, and ``n_high`` of 0.7, three quarters; one a patient."""
    labels = np.array([k % 4 == 0 for k in range(n_low)] + [k % 4 != 0 for k in range(n_high)])
    probability = np.array([0.3] * n_low + [0.7] * n_high)
    return ValidationSet(np.arange(n_low + n_high), labels, probability)


def test_scans_that_score_alike_are_counted_and_the_others_are_not() -> None:
    peers = find_peers(made(40, 24), 0.33, 0.5, 0.5)
    assert (peers.n_scans, peers.n_patients, peers.n_events) == (40, 40, 10)
    assert peers.share is not None and peers.share.value == pytest.approx(0.25)
    # Wilson for 10 of 40: (0.25 + 0.048) / 1.096 -+ 0.130.
    assert peers.share.low == pytest.approx(0.1419, abs=1e-3) and peers.share.high == pytest.approx(0.4019, abs=1e-3)
    assert (peers.low, peers.high) == pytest.approx((0.28, 0.38))


def test_the_range_widens_once_and_too_few_give_no_share() -> None:
    assert find_peers(made(40, 24), 0.38, 0.5, 0.5).n_scans == 40
    alone = find_peers(made(40, 24), 0.5, 0.5, 0.5)
    assert (alone.n_scans, alone.share) == (0, None)
    assert find_peers(made(MIN_SCANS - 1, 24), 0.3, 0.5, 0.5).share is None
    assert find_peers(made(MIN_SCANS, 24), 0.3, 0.5, 0.5).share is not None


def test_another_prevalence_moves_share_interval_and_range_alike() -> None:
    here, there = (find_peers(made(40, 24), 0.33, 0.5, after) for after in (0.5, 0.27))
    assert here.share is not None and there.share is not None
    # Of the 64, 28 bled: outcomes are shifted from there, the range from the model's own prevalence.
    assert there.share.value == pytest.approx(shift_prevalence(0.25, 28 / 64, 0.27))
    assert there.share.high == pytest.approx(shift_prevalence(here.share.high, 28 / 64, 0.27))
    assert there.low == pytest.approx(shift_prevalence(here.low, 0.5, 0.27))
    assert there.n_events == 10


def test_asked_for_the_validation_scans_own_prevalence_the_share_is_as_observed() -> None:
    peers = find_peers(made(40, 24), 0.33, 0.6, 28 / 64)
    assert peers.share is not None and peers.share.value == pytest.approx(0.25)


def test_many_scans_of_one_patient_do_not_narrow_the_interval() -> None:
    single = made(40, 24)
    repeated = ValidationSet(single.patient // 4, single.labels, single.probability)
    narrow, wide = (find_peers(one, 0.3, 0.5, 0.5).share for one in (single, repeated))
    assert narrow is not None and wide is not None
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_wilson_at_the_ends_and_in_the_middle() -> None:
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
