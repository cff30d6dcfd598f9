"""How far probabilities can be taken at their word: calibration error and reliability diagram."""

import numpy as np
import pandas as pd

BINS = 15
"""Of equal width, as in Guo et al., 2017, https://arxiv.org/abs/1706.04599."""


def reliability(labels: np.ndarray, p_fake: np.ndarray) -> pd.DataFrame:
    """Return for each bin of p_fake that holds images: their mean p_fake, share of FAKE, number.

    Args:
        labels: 0 (REAL) or 1 (FAKE): int, [N].
        p_fake: probability of FAKE: float, [N], 0..1.
    """
    bins = np.minimum((np.asarray(p_fake, np.float64) * BINS).astype(int), BINS - 1)
    images = pd.DataFrame({"p_fake": np.asarray(p_fake, np.float64), "is_fake": labels})
    return (
        images.groupby(bins)
        .agg(p_fake=("p_fake", "mean"), share_fake=("is_fake", "mean"), images=("is_fake", "size"))
        .reset_index(drop=True)
    )


def expected_calibration_error(labels: np.ndarray, p_fake: np.ndarray) -> float:
    """Return the mean distance of p_fake from the share of FAKE, 0..1, over the bins' images.

    Naeini, Cooper, Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning,
    2015: of two labels, the probability of the positive one is binned.
    """
    table = reliability(labels, p_fake)
    distance = (table["p_fake"] - table["share_fake"]).abs()
    return float(np.average(distance, weights=table["images"]))
