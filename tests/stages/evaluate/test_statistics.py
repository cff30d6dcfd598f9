"""statistics: by hand, by brute force, and by SciPy and statsmodels where they have the same."""

from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import beta, ttest_ind
from scipy.stats import t as student
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from stages.evaluate.statistics import (
    accuracy_interval,
    effective_clusters,
    holm,
    mean_interval,
    seed_test,
    sign_flip_test,
)


def alone(number: int) -> np.ndarray:
    """Return the clusters of `number` images that stand alone."""
    return np.arange(number).astype(str)


@pytest.mark.parametrize("right", [500, 742, 950])
def test_of_images_that_stand_alone_the_interval_of_an_accuracy_is_wilsons(right: int) -> None:
    found = accuracy_interval(np.arange(1000) < right, alone(1000))
    low, high = proportion_confint(right, 1000, alpha=0.05, method="wilson")
    assert found.mean == right / 1000
    # The two definitions differ by a fraction of the interval's width, 0.027 to 0.062.
    assert found.low == pytest.approx(low, abs=0.001)
    assert found.high == pytest.approx(high, abs=0.001)


def test_the_interval_of_a_difference_is_the_paired_one() -> None:
    # One model is right where the other is wrong on 60 images, and the other way on 20.
    difference = np.array([1.0] * 60 + [-1.0] * 20 + [0.0] * 920)
    found = mean_interval(difference, alone(1000))
    # By hand: the variance of an image's difference is 0.08 - 0.04**2; t with 999 degrees.
    half = 1.96234 * ((0.08 - 0.04**2) / 999) ** 0.5
    assert found == pytest.approx((0.04, 0.04 - half, 0.04 + half), abs=1e-6)


def grouped(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return whether a model is right about each image of 12 clusters, and the clusters' names."""
    random = np.random.default_rng(seed)
    numbers = random.permutation(np.repeat(np.arange(12), random.integers(1, 30, 12)))
    return random.random(len(numbers)) < random.beta(3, 1, 12)[numbers], numbers.astype(str)


@pytest.mark.parametrize("seed", range(3))
def test_intervals_have_the_clustered_errors_of_statsmodels(seed: int) -> None:
    correct, clusters = grouped(seed)
    counts = np.unique(clusters, return_counts=True)[1].astype(float)
    quantile = student.ppf(0.975, (counts**2).sum() ** 2 / (counts**4).sum() - 1)
    ones = np.ones(len(correct))
    linear, logistic = (
        model.fit(cov_type="cluster", cov_kwds={"groups": clusters.astype(int)}, **options)
        for model, options in (
            (sm.OLS(correct * 1.0, ones), {}),
            (sm.Logit(correct * 1.0, ones), {"disp": False, "tol": 1e-12}),
        )
    )
    share, half = correct.mean(), quantile * linear.bse[0]
    expected = (share, share - half, min(share + half, 1))
    assert mean_interval(correct, clusters) == pytest.approx(expected)
    log_odds = logistic.params[0] + np.array([-1, 1]) * quantile * logistic.bse[0]
    expected = (share, *(1 / (1 + np.exp(-log_odds))))
    assert accuracy_interval(correct, clusters) == pytest.approx(expected)


def test_two_clusters_by_hand() -> None:
    """Three of 4 and one of 4: the mean is 1/2, each sum is 1 off, and t with 1 degree is 12.7."""
    correct = np.array([1, 1, 1, 0, 1, 0, 0, 0], bool)
    clusters = np.array(list("aaaabbbb"))
    # The variance of the total is 2 / 1 * (1 + 1), so that of the mean is 4 / 64.
    half = np.tan(0.475 * np.pi) * 0.25
    # The slope of log-odds is 4.
    expected = 1 / (1 + np.exp([4 * half, -4 * half]))
    assert accuracy_interval(correct, clusters) == pytest.approx((0.5, *expected))
    assert mean_interval(correct, clusters) == (0.5, -1, 1), "cut off at what can be"


def test_copies_of_images_tell_no_more_than_the_images() -> None:
    correct, base = np.arange(100) < 70, np.arange(100) % 3 > 0
    names = alone(100)
    five, five_base, five_names = (np.repeat(values, 5) for values in (correct, base, names))
    for interval in (accuracy_interval, mean_interval):
        assert interval(five, five_names) == pytest.approx(interval(correct, names))
    expected = sign_flip_test(correct, base, names)
    assert sign_flip_test(five, five_base, five_names) == pytest.approx(expected)


def test_effective_clusters_by_hand() -> None:
    assert effective_clusters(np.full(17, 25)) == pytest.approx(17)
    # 20 of 25 images and 500 of one: (20 * 625 + 500)**2 / (20 * 390625 + 500).
    assert effective_clusters(np.repeat([25, 1], [20, 500])) == pytest.approx(13000**2 / 7813000)
    assert effective_clusters(np.array([1000, 1])) == 2


@pytest.mark.parametrize("value", [0.0, 1.0, 0.3])
def test_equal_values_have_an_interval_of_no_width_but_one_cluster_says_nothing(
    value: float,
) -> None:
    assert mean_interval(np.full(8, value), alone(8)) == pytest.approx((value, value, value))
    assert mean_interval(np.full(8, value), np.zeros(8)) == pytest.approx((value, -1, 1))


def test_the_order_of_the_images_changes_nothing() -> None:
    correct, clusters = grouped(0)
    order = np.random.default_rng(0).permutation(len(correct))
    expected = accuracy_interval(correct, clusters)
    assert accuracy_interval(correct[order], clusters[order]) == pytest.approx(expected)


@pytest.mark.parametrize(("clusters", "icc"), [(10, 0.1), (20, 0.3), (100, 0.1)])
def test_intervals_of_clustered_accuracies_hold_the_truth(clusters: int, icc: float) -> None:
    """Each cluster of 25 has an accuracy of its own, 0.9 on average."""
    random = np.random.default_rng(0)
    spread = (1 - icc) / icc
    names = np.repeat(np.arange(clusters), 25)
    held, held_by_image = 0, 0
    for accuracies in random.beta(0.9 * spread, 0.1 * spread, (500, clusters)):
        correct = random.random(len(names)) < accuracies[names]
        _, low, high = accuracy_interval(correct, names)
        held += low <= 0.9 <= high
        _, low, high = accuracy_interval(correct, np.arange(len(names)))
        held_by_image += low <= 0.9 <= high
    assert 0.92 <= held / 500 <= 0.98
    assert held_by_image / 500 < 0.85


def paired(only_model: int, only_baseline: int, both: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return whether a model and a baseline are right, by the numbers of images."""
    neither = [False] * 5
    model = [True] * only_model + [False] * only_baseline + [True] * both + neither
    baseline = [False] * only_model + [True] * only_baseline + [True] * both + neither
    return np.array(model), np.array(baseline)


def test_where_images_stand_alone_the_sign_flip_test_is_mcnemars_exact_test() -> None:
    random = np.random.default_rng(0)
    tables = [(0, 0), (1, 0), (9, 9), (40, 60), *random.integers(0, 80, (100, 2))]
    for only_model, only_baseline in tables:
        correct = paired(only_model, only_baseline)
        expected = mcnemar([[7, only_model], [only_baseline, 5]], exact=True).pvalue
        found = sign_flip_test(*correct, alone(len(correct[0])))
        assert found == pytest.approx(expected), (only_model, only_baseline)


def test_the_sign_flip_test_by_hand() -> None:
    # Of 6 coins, at most one comes up heads in 1 + 6 of 64 cases; as few tails: as often.
    assert sign_flip_test(*paired(1, 5), alone(18)) == pytest.approx(2 * 7 / 64)
    # Clusters that differ by 3, 2 and -1, and one by 1 - 1: of the sums 6, 4, 2, 0, 0, -2, -4 and
    # -6, four are as far off as 4 is.
    correct = np.array([1, 1, 1, 1, 1, 0, 1, 0], bool)
    baseline = np.array([0, 0, 0, 0, 0, 1, 0, 1], bool)
    clusters = np.array(list("aaabbcdd"))
    assert sign_flip_test(correct, baseline, clusters) == pytest.approx(4 / 8)
    # One cluster alone tells nothing, however many images it has.
    assert sign_flip_test(np.ones(50, bool), np.zeros(50, bool), np.zeros(50)) == 1


def test_the_sign_flip_test_is_the_share_of_all_ways_to_give_signs() -> None:
    random = np.random.default_rng(0)
    for number in (1, 2, 5, 8, 12):
        clusters = random.integers(0, number, 60)
        correct, baseline = random.random((2, 60)) < [[0.7], [0.5]]
        sums = [correct[clusters == c].sum() - baseline[clusters == c].sum() for c in {*clusters}]
        ways = np.array(list(product([-1, 1], repeat=len(sums)))) @ np.array(sums, int)
        expected = (np.abs(ways) >= abs(int(sum(sums)))).mean()
        assert sign_flip_test(correct, baseline, clusters) == pytest.approx(expected)


def test_models_that_guess_are_told_apart_by_clusters_in_at_most_7_percent_of_draws() -> None:
    """Each guesses once a cluster of 1 to 8 images; counted by image, they often differ."""
    random = np.random.default_rng(0)
    told_apart, by_image = 0, 0
    for draw in range(1000):
        clusters = np.repeat(np.arange(40), random.integers(1, 9, 40))
        model, baseline = random.random((2, 40)) < 0.5
        correct = model[clusters], baseline[clusters]
        told_apart += sign_flip_test(*correct, clusters) < 0.05
        if draw < 100:
            by_image += sign_flip_test(*correct, np.arange(len(clusters))) < 0.05
    assert 20 <= told_apart <= 70
    assert by_image > 20


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
    assert accuracy_interval(np.ones(4, bool), alone(4)) == pytest.approx((1, 0.025**0.25, 1))
    assert accuracy_interval(np.zeros(4, bool), alone(4)) == pytest.approx((0, 0, 1 - 0.025**0.25))
    of_two = np.repeat(["a", "b"], 50)
    assert accuracy_interval(np.ones(100, bool), of_two) == pytest.approx((1, 0.025**0.5, 1))


def test_clusters_that_all_agree_leave_an_interval() -> None:
    """20 pairs, one right of each: as 10 of 20 trials, by Clopper and Pearson."""
    found = accuracy_interval(np.array([True, False] * 20), np.repeat(np.arange(20), 2))
    low, high = beta.ppf([0.025, 0.975], [10, 11], [11, 10])
    assert found == pytest.approx((0.5, low, high))
