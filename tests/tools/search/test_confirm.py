"""confirm: intervals are those of the paper."""

import math

import pytest

from tools.search.confirm import Interval, corrected_interval


def test_the_interval_is_nadeau_and_bengios() -> None:
    """By hand: a mean of 0.02, a variance of 0.0001; of two degrees of freedom, t is 4.302653."""
    found = corrected_interval([0.01, 0.03, 0.02], ratio=0.5)
    half = 4.302653 * math.sqrt(0.0001 * (1 / 3 + 1 / 2))
    assert found == pytest.approx(Interval(0.02, 0.02 - half, 0.02 + half), abs=1e-6)


def test_one_difference_has_no_interval() -> None:
    assert corrected_interval([0.1], ratio=0.5) == Interval(0.1, -math.inf, math.inf)
