"""Which labels fit a network's log-odds; where not exactly one does, the answer is UNSURE.

Split conformal prediction by class, on validation: of images like those of validation, the set of
labels holds the true one with a share of at least 1 - `error_rate`, on average over validation
sets, for REAL and for FAKE alike. Vovk, Conditional validity of inductive conformal predictors,
2012, https://arxiv.org/abs/1209.2673; Sadinle, Lei and Wasserman, Least ambiguous set-valued
classifiers with bounded error levels, 2019, https://arxiv.org/abs/1609.00451; Angelopoulos and
Bates, A gentle introduction to conformal prediction, 2021, https://arxiv.org/abs/2107.07511.
"""

import math

import numpy as np
from pydantic import Field

from stages.common.manifest import LABELS
from stages.common.params import Schema

UNSURE = "UNSURE"


class ConformalSets(Schema):
    """From which log-odds on a label fits, both ends included; none: it always does."""

    real_up_to: float | None = Field(
        allow_inf_nan=False, description="up to these log-odds of FAKE, REAL fits"
    )
    fake_from: float | None = Field(
        allow_inf_nan=False, description="from these log-odds of FAKE on, FAKE fits"
    )


def fit(logits: np.ndarray, labels: np.ndarray, error_rate: float) -> ConformalSets:
    """Return the bounds that leave out the true label of at most `error_rate` of images.

    A label fits as far as `bound` of its validation images; images with equal log-odds fit
    together. With fewer than 1 / error_rate - 1 images of a label (9 for 0.1), nothing can be left
    out: it fits every image.

    Args:
        logits: log-odds of FAKE, on any scale that grows with them: float, [N], finite.
        labels: 0 (REAL) or 1 (FAKE), [N].
        error_rate: above 0, below 1.
    """
    of_real = bound(logits[labels == 0], error_rate)
    of_fake = bound(-logits[labels == 1], error_rate)
    return ConformalSets(real_up_to=of_real, fake_from=None if of_fake is None else -of_fake)


def bound(unlikeness: np.ndarray, error_rate: float) -> float | None:
    """Return what the next of such numbers exceeds with a probability of at most `error_rate`.

    It is the k-th smallest of the n, k being (n + 1)(1 - error_rate), rounded up; None where that
    is more than n.
    """
    # Rounded first, since 150 * (1 - 0.18) comes out above 123.
    rank = math.ceil(round((len(unlikeness) + 1) * (1 - error_rate), 9))
    return float(np.sort(unlikeness)[rank - 1]) if rank <= len(unlikeness) else None


def fitting(logits: np.ndarray, sets: ConformalSets) -> np.ndarray:
    """Return whether REAL fits, and whether FAKE does (bool, [N, 2]), of log-odds [N]."""
    real = np.full(len(logits), True) if sets.real_up_to is None else logits <= sets.real_up_to
    fake = np.full(len(logits), True) if sets.fake_from is None else logits >= sets.fake_from
    return np.stack([real, fake], axis=1)


def answers(logits: np.ndarray, unlike: np.ndarray, sets: ConformalSets) -> np.ndarray:
    """Return the one label that fits, or UNSURE where both or none do: texts, [N].

    Args:
        logits: log-odds of FAKE, as `fit` was given: float, [N].
        unlike: whether an image is so unlike those of training that no label fits: bool, [N].
    """
    fits = fitting(logits, sets) & ~unlike[:, np.newaxis]
    return np.where(fits.sum(1) == 1, np.take(LABELS, fits.argmax(1)), UNSURE)
