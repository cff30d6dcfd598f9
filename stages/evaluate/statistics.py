"""What accuracies on the same test images say about the models: intervals and tests.

The images of one cluster, such as crops of one photograph, are not independent of each other. So it
is clusters that are counted: an image that stands alone is a cluster of its own. Which intervals
cover the truth how often, `python -m benchmarks.coverage` shows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import signal, stats
from scipy.special import expit, logit
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

SIGNIFICANCE = 0.05
"""The share of comparisons of equal models that may come out as a difference."""


class Interval(NamedTuple):
    """A mean over the test images, and its 95% interval."""

    mean: float
    low: float
    high: float


def by_cluster(values: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sum (float, [G]) and number (int, [G]) of the `values` of each cluster.

    Args:
        values: float or bool, [N].
        clusters: the name of the cluster of each value, [N]; as they appear, so is the result.
    """
    numbers = pd.factorize(clusters)[0]
    return np.bincount(numbers, weights=values), np.bincount(numbers)


def effective_clusters(counts: np.ndarray) -> float:
    """Return how many clusters of equal size tell as much of a variance as these, at least 2.

    Carter, Schnepel and Steigerwald, Asymptotic behavior of a t-test robust to cluster
    heterogeneity, 2017, https://doi.org/10.1162/REST_a_00639, for images of a cluster that are all
    alike: 20 of 25 images beside 500 of one are 21.6.

    Args:
        counts: the number of images of each cluster: int, [G].
    """
    squares = counts.astype(np.float64) ** 2
    return max(2.0, float(squares.sum() ** 2 / (squares**2).sum()))


def mean_interval(values: np.ndarray, clusters: np.ndarray) -> Interval:
    """Return the mean of `values` with its 95% interval, by Student's t and linearised error.

    The mean is a ratio, the sum over the clusters by the number of their images: Cochran, Sampling
    techniques, 1977, section 6.3. Of the differences between two models on the same images, the
    interval is the paired one. Of a single cluster nothing is known but that it is in -1..1.

    Args:
        values: float or bool, [N], -1..1, one a test image.
        clusters: the name of the cluster of each image, [N].
    """
    mean, half = _mean_and_half(values, clusters)
    return Interval(mean, max(mean - half, -1.0), min(mean + half, 1.0))


def _mean_and_half(values: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """Return the mean of `values` and half the width of its interval."""
    sums, counts = by_cluster(values, clusters)
    mean = float(sums.sum() / counts.sum())
    if len(sums) == 1:
        return mean, np.inf
    variance = len(sums) / (len(sums) - 1) * ((sums - mean * counts) ** 2).sum()
    quantile = stats.t.ppf(1 - SIGNIFICANCE / 2, effective_clusters(counts) - 1)
    return mean, float(quantile * np.sqrt(variance) / counts.sum())


def accuracy_interval(correct: np.ndarray, clusters: np.ndarray) -> Interval:
    """Return the share of `correct` with its 95% interval, which is symmetric in log-odds.

    Lumley, Complex surveys, 2010, as svyciprop(method="xlogit") of R's `survey`. Where all
    clusters agree there is no variance: the interval is then the exact one of Clopper and Pearson,
    The use of confidence or fiducial limits, 1934, for as many trials as there are clusters.

    Args:
        correct: bool, [N], one a test image.
        clusters: the name of the cluster of each image, [N].
    """
    share, half = _mean_and_half(correct, clusters)
    if share in (0, 1) or half == 0:
        number = len(np.unique(clusters))
        low, high = proportion_confint(share * number, number, alpha=SIGNIFICANCE, method="beta")
    else:
        # The slope of log-odds is 1 / (share * (1 - share)).
        low, high = expit(logit(share) + np.array([-1, 1]) * half / (share * (1 - share)))
    return Interval(share, float(low), float(high))


def sign_flip_test(
    correct: np.ndarray, baseline_correct: np.ndarray, clusters: np.ndarray
) -> float:
    """Return the p-value of the exact two-sided test that two models are right equally often.

    If they are, a cluster may as well have had its results the other way round: of all ways to give
    the clusters' differences their signs, it is the share in which they add up to at least as much.
    Fisher, The design of experiments, 1935, section 21; Good, Permutation, parametric and bootstrap
    tests of hypotheses, 2005. Where each image stands alone, it is McNemar's exact test.

    Args:
        correct, baseline_correct: bool, [N], for the same images.
        clusters: the name of the cluster of each image, [N].
    """
    sums, _ = by_cluster(np.subtract(correct, baseline_correct, dtype=np.float64), clusters)
    differences = np.rint(sums).astype(int)
    sizes, numbers = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    # How likely each sum of those differences is that turn out positive.
    chances = np.ones(1)
    for size, number in zip(sizes, numbers, strict=True):
        of_size = np.zeros(size * number + 1)
        of_size[::size] = stats.binom.pmf(np.arange(number + 1), number, 0.5)
        chances = signal.convolve(chances, of_size)
    total = len(chances) - 1
    extreme = np.abs(2 * np.arange(total + 1) - total) >= abs(differences.sum())
    return float(np.clip(chances[extreme].sum(), 0, 1))


def seed_test(accuracies: Sequence[float], baseline: Sequence[float]) -> float | None:
    """Return the p-value of Student's t-test that two models are equally accurate over seeds.

    With one run of either and several of the other, it asks whether that run could be another
    seed of the other; with one run of both, nothing is known of the seeds: None.
    """
    if len(accuracies) + len(baseline) < 3:
        return None
    if len({*accuracies, *baseline}) == 1:
        return 1.0
    if len({*accuracies}) == len({*baseline}) == 1:
        return 0.0  # no spread at all, and yet a difference
    found = stats.ttest_ind_from_stats(*_moments(accuracies), *_moments(baseline), equal_var=True)
    return float(found.pvalue)


def _moments(values: Sequence[float]) -> tuple[float, float, int]:
    """Return mean, standard deviation (0 for one value) and number of `values`."""
    deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return float(np.mean(values)), float(deviation), len(values)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return `p_values`, corrected for being a family of tests.

    Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    return [float(p) for p in multipletests(p_values, method="holm")[1]]
