"""statistics: by hand, and by SciPy and statsmodels where they have the same."""

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_ind
from statsmodels.stats.proportion import proportion_confint

from stages.evaluate.statistics import (
    Interval,
    accuracy_interval,
    holm,
    mcnemar_exact,
    mean_interval,
    seed_test,
)


@pytest.mark.parametrize("right", [500, 742, 950])
def test_the_interval_of_an_accuracy_is_wilsons(right: int) -> None:
    correct = np.arange(1000) < right
    found = mean_interval(correct)
    low, high = proportion_confint(right, 1000, alpha=0.05, method="wilson")
    assert found.mean == right / 1000
    # The two definitions differ by a fraction of the interval's width, 0.027 to 0.062.
    assert found.low == pytest.approx(low, abs=0.003)
    assert found.high == pytest.approx(high, abs=0.003)


def test_the_interval_of_a_difference_is_the_paired_one() -> None:
    # One model is right where the other is wrong on 60 images, and the other way on 20.
    difference = np.array([1.0] * 60 + [-1.0] * 20 + [0.0] * 920)
    found = mean_interval(difference)
    # By hand: the variance of an image's difference is 0.08 - 0.04**2.
    half = 1.96 * ((0.08 - 0.04**2) / 1000) ** 0.5
    assert found.mean == pytest.approx(0.04)
    assert found.low == pytest.approx(0.04 - half, abs=0.0015)
    assert found.high == pytest.approx(0.04 + half, abs=0.0015)


def test_the_interval_is_the_same_on_every_call() -> None:
    values = np.random.default_rng(1).random(50)
    np.random.seed(1)
    first = mean_interval(values)
    np.random.seed(2)
    assert mean_interval(values) == first


@pytest.mark.parametrize("value", [0.0, 1.0, 0.3])
def test_equal_values_have_an_interval_of_no_width(value: float) -> None:
    assert mean_interval(np.full(8, value)) == Interval(value, value, value)
    assert mean_interval(np.array([value])) == Interval(value, value, value)


def paired(only_model: int, only_baseline: int, both: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return whether a model and a baseline are right, by the numbers of images."""
    neither = [False] * 5
    model = [True] * only_model + [False] * only_baseline + [True] * both + neither
    baseline = [False] * only_model + [True] * only_baseline + [True] * both + neither
    return np.array(model), np.array(baseline)


@pytest.mark.parametrize(("model", "baseline"), [(3, 12), (12, 3), (40, 60), (1, 0), (9, 9)])
def test_mcnemar_is_the_exact_two_sided_binomial_test(model: int, baseline: int) -> None:
    expected = binomtest(model, model + baseline, 0.5).pvalue
    assert mcnemar_exact(*paired(model, baseline)) == pytest.approx(expected)


def test_mcnemar_by_hand() -> None:
    # Of 6 coins, at most one comes up heads in 1 + 6 of 64 cases; as few tails: as often.
    assert mcnemar_exact(*paired(1, 5)) == pytest.approx(2 * 7 / 64)
    assert mcnemar_exact(*paired(0, 0)) == 1


def test_holm_by_hand() -> None:
    # From the smallest: 4 * 0.01, 3 * 0.02 and then no less than what came before, at most 1.
    assert holm([0.04, 0.01, 0.6, 0.02]) == pytest.approx([0.08, 0.04, 0.6, 0.06])
    assert holm([0.03, 0.021, 0.02]) == pytest.approx([0.06, 0.06, 0.06])
    assert holm([0.7, 0.8]) == pytest.approx([1, 1])
    assert holm([0.03]) == pytest.approx([0.03])
    assert holm([]) == []


def test_seeds_are_compared_by_students_t_test() -> None:
    model, baseline = [0.74, 0.76, 0.75], [0.71, 0.75, 0.70, 0.72]
    expected = ttest_ind(model, baseline).pvalue
    assert seed_test(model, baseline) == pytest.approx(expected)
    assert 0.01 < expected < 0.1


def test_one_run_against_several_by_hand() -> None:
    # Mean 0.61, variance 0.0001 with 2 degrees of freedom; t = 0.09 / sqrt(0.0001 * (1 + 1/3)).
    t = 0.09 / (0.0001 * 4 / 3) ** 0.5
    # With 2 degrees of freedom, t's two-sided p is 1 - t / sqrt(2 + t**2).
    expected = 1 - t / (2 + t**2) ** 0.5
    assert seed_test([0.7], [0.60, 0.61, 0.62]) == pytest.approx(expected)
    assert seed_test([0.60, 0.61, 0.62], [0.7]) == pytest.approx(expected)


def test_two_runs_tell_nothing_of_seeds() -> None:
    assert seed_test([0.7], [0.8]) is None


def test_seeds_without_any_spread() -> None:
    assert seed_test([0.7, 0.7], [0.7]) == 1
    assert seed_test([0.7, 0.7], [0.8, 0.8]) == 0
    assert seed_test([0.7], [0.8, 0.8]) == 0


@pytest.mark.filterwarnings("error")
def test_spread_of_one_model_is_enough() -> None:
    # The pooled variance is (0 + 0.0002) / 2; t = 0.1 / sqrt(0.0001 * (1/2 + 1/2)), 2 degrees.
    expected = 1 - 10 / (2 + 10**2) ** 0.5
    assert seed_test([0.7, 0.7], [0.79, 0.81]) == pytest.approx(expected)


def test_no_mistake_in_a_few_images_is_no_certainty() -> None:
    """Clopper and Pearson: with all of n right, the lower end is 0.025 ** (1 / n)."""
    assert accuracy_interval(np.ones(4, bool)) == pytest.approx((1, 0.025**0.25, 1))
    assert accuracy_interval(np.zeros(4, bool)) == pytest.approx((0, 0, 1 - 0.025**0.25))
    some = np.arange(100) < 70
    assert accuracy_interval(some) == mean_interval(some)
