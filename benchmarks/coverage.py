"""How often intervals hold the truth where images come in clusters: 95% is what they promise.

Prints Markdown tables of coverage in percent, with the mean width in brackets. In each of 1,000
draws a cluster has an accuracy of its own, from the beta distribution that gives two of its images
the correlation `icc`. `mixed`: 20 clusters of 25 images beside 500 alone, as in data/demo.zip.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from stages.evaluate.statistics import (
    Interval,
    accuracy_interval,
    by_cluster,
    effective_clusters,
    mean_interval,
)
from stages.pages.markdown import table

DRAWS = 1_000
RESAMPLES = 999
SIZES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "equal": lambda _, number: np.full(number, 25),
    "unequal": lambda random, number: random.integers(1, 50, number),
    "mixed": lambda _, number: np.repeat([25, 1], [20, number - 20]),
}
SETTINGS = [
    (number, sizes, icc)
    for number, sizes in [(n, s) for n in (10, 20, 100) for s in ("equal", "unequal")]
    + [(520, "mixed")]
    for icc in (0.1, 0.3)
]


def correct(
    random: np.random.Generator, clusters: np.ndarray, mean: float, icc: float
) -> np.ndarray:
    """Return whether a model of the accuracy `mean` is right: bool, [N]."""
    spread = (1 - icc) / icc
    of_cluster = random.beta(mean * spread, (1 - mean) * spread, clusters.max() + 1)
    return random.random(len(clusters)) < of_cluster[clusters]


def percentiles(
    random: np.random.Generator, values: np.ndarray, clusters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile interval over clusters, and the one expanded for few of them.

    Efron, Bootstrap methods, 1979; Hesterberg, What teachers should know about the bootstrap, 2015.
    """
    sums, counts = by_cluster(values, clusters)
    drawn = random.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), RESAMPLES)
    means = drawn @ sums / (drawn @ counts)
    n = effective_clusters(counts)
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.025, n - 1))
    return np.quantile(means, [0.025, 0.975]), np.quantile(means, [tail, 1 - tail])


def coverage(number: int, sizes: str, icc: float, mean: float, baseline: float | None) -> list[str]:
    """Return of each method how often its interval held the truth, and how wide it was.

    Args:
        baseline: the accuracy of another model to compare with; None: one model alone.
    """
    random = np.random.default_rng(0)
    truth = mean - (baseline or 0)
    interval: Callable[[np.ndarray, np.ndarray], Interval] = mean_interval
    if baseline is None:
        interval = accuracy_interval
    found = []
    for _ in range(DRAWS):
        clusters = np.repeat(np.arange(number), SIZES[sizes](random, number))
        values = correct(random, clusters, mean, icc)
        if baseline is not None:
            values = values * 1.0 - correct(random, clusters, baseline, icc)
        ends = np.array(
            [
                interval(values, np.arange(len(values)))[1:],
                *percentiles(random, values, clusters),
                interval(values, clusters)[1:],
            ]
        )
        found.append([[low <= truth <= high, high - low] for low, high in ends])
    return [f"{100 * held:.1f} ({width:.3f})" for held, width in np.mean(found, axis=0)]


def main() -> None:
    header = ["clusters", "sizes", "icc", "truth", "by image", "percentile", "expanded", "used"]
    accuracies = [(mean, None) for mean in (0.75, 0.9)]
    for title, cases in (("Accuracy", accuracies), ("Difference", [(0.75, 0.7), (0.9, 0.9)])):
        rows = [
            [
                *setting,
                mean if baseline is None else f"{mean} - {baseline}",
                *coverage(*setting, mean, baseline),
            ]
            for mean, baseline in cases
            for setting in SETTINGS
        ]
        print(f"## {title}\n\n{table(header, rows)}\n")


if __name__ == "__main__":
    main()
