"""What accuracies on the same test images say about the models: intervals and tests.

An interval is the middle 95% of 9,999 bootstrap samples of the test images (Efron, Bootstrap
methods: another look at the jackknife, 1979), drawn with a fixed seed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

SIGNIFICANCE = 0.05
"""The share of comparisons of equal models that may come out as a difference."""

RESAMPLES = 9_999


class Interval(NamedTuple):
    """A mean over the test images, and its 95% bootstrap interval."""

    mean: float
    low: float
    high: float


def mean_interval(values: np.ndarray) -> Interval:
    """Return the mean of `values` (float or bool, [N], one a test image) with its interval.

    Of the differences between two models on the same images, this is the paired bootstrap.
    """
    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    if (values == values[0]).all():
        return Interval(mean, mean, mean)
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, 5_000_000 // len(values)),
        confidence_level=1 - SIGNIFICANCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


def accuracy_interval(correct: np.ndarray) -> Interval:
    """Return the share of `correct` (bool, [N], one a test image) with its interval.

    Where all or none are correct, resampling them changes nothing: the interval is then the exact
    one of Clopper and Pearson, The use of confidence or fiducial limits, 1934.
    """
    if correct.all() or not correct.any():
        low, high = proportion_confint(
            correct.sum(), len(correct), alpha=SIGNIFICANCE, method="beta"
        )
        return Interval(float(correct.mean()), float(low), float(high))
    return mean_interval(correct)


def mcnemar_exact(correct: np.ndarray, baseline_correct: np.ndarray) -> float:
    """Return the p-value of McNemar's exact test that two models are right equally often.

    It looks at the images that one of them gets right and the other wrong: McNemar, Note on the
    sampling error of the difference between correlated proportions or percentages, 1947.

    Args:
        correct, baseline_correct: bool, [N], for the same images.
    """
    table = [
        [np.sum(correct & baseline_correct), np.sum(correct & ~baseline_correct)],
        [np.sum(~correct & baseline_correct), np.sum(~correct & ~baseline_correct)],
    ]
    return float(mcnemar(table, exact=True).pvalue)


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
