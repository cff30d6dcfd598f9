"""How a network's logits become probabilities and verdicts."""

import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.metrics import roc_curve

from stages.common.params import Schema

TEMPERATURES = (0.05, 20.0)
"""Bounds of the search: without them, logits that make no mistake would ask for temperature 0."""


class Calibration(Schema):
    """Two numbers fitted on validation, which travel with a network."""

    temperature: float = Field(gt=0, description="what logits are divided by")
    threshold: float = Field(ge=0, le=1, description="from this p_fake on, the verdict is FAKE")


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return p_fake (float32, [N], 0..1) of `logits`, the log-odds of FAKE (float, [N])."""
    return expit(logits.astype(np.float64) / temperature).astype(np.float32)


def log_loss(labels: np.ndarray, logits: np.ndarray, temperature: float = 1.0) -> float:
    """Return the mean log loss, of log-odds: probabilities near 0 and 1 would be rounded.

    Args:
        labels: 0 (REAL) or 1 (FAKE), [N].
        logits: log-odds of FAKE: float, [N].
    """
    of_label = np.where(labels == 1, logits, -logits).astype(np.float64)
    return float(np.logaddexp(0, -of_label / temperature).mean())


def fit(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """Return the calibration that suits validation images best.

    The temperature minimises the log loss: Guo et al., On Calibration of Modern Neural Networks,
    2017, https://arxiv.org/abs/1706.04599. The threshold maximises Youden's J, the rate of FAKE
    that is recognised less that of REAL taken for FAKE: Youden, Index for rating diagnostic tests,
    1950; of several that do, it is the highest. Where none is better than chance, it is 0.5.

    Args:
        logits: log-odds of FAKE as the network gives them: float, [N].
        labels: 0 (REAL) or 1 (FAKE), [N], both present.
    """
    best = minimize_scalar(
        lambda log_t: log_loss(labels, logits, np.exp(log_t)),
        bounds=np.log(TEMPERATURES),
        method="bounded",
    )
    temperature = float(np.exp(best.x))
    false_alarms, recognised, thresholds = roc_curve(labels, probabilities(logits, temperature))
    # Rounded, so that places that are equally good stay so; the first is the highest threshold.
    place = int(np.argmax(np.round(recognised - false_alarms, 12)))
    # The first threshold stands above every image and calls none FAKE.
    threshold = float(thresholds[place]) if place else 0.5
    return Calibration(temperature=temperature, threshold=threshold)
