from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference

from htcore.evaluation import mcnemar


def calls(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and two calls, right in so many scans; outcomes alternate, so that right is not the same as positive."""
    right_first = np.repeat([True, True, False, False], [both, first, second, neither])
    right_second = np.repeat([True, False, True, False], [both, first, second, neither])
    labels = np.arange(right_first.size) % 2 == 0
    return labels, np.where(right_first, labels, ~labels), np.where(right_second, labels, ~labels)


@pytest.mark.parametrize("counts", [(10, 7, 2, 3), (0, 1, 0, 0), (5, 4, 4, 5), (101, 121, 59, 33), (20, 0, 6, 0)])
def test_agrees_with_statsmodels(counts: tuple[int, int, int, int]) -> None:
    found = mcnemar(*calls(*counts))
    both, first, second, neither = counts
    expected = reference([[both, first], [second, neither]], exact=True)
    assert (found.only_first, found.only_second) == (first, second)
    assert found.p_value == pytest.approx(expected.pvalue)


def test_two_models_that_never_disagree_do_not_differ() -> None:
    assert mcnemar(*calls(8, 0, 0, 2)).p_value == 1.0
    assert mcnemar(*calls(0, 0, 0, 0)).p_value == 1.0
