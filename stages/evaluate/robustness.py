"""How a network does on test images that were changed."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, roc_auc_score
from tqdm import tqdm

from stages.common.arrays import Split, read
from stages.evaluate.calibration import Calibration, probabilities
from stages.evaluate.classifier import Classifier
from stages.evaluate.schema import RobustnessParams
from stages.networks.perturb import blur, downscale, jpeg, noise


class Perturbation(NamedTuple):
    """A kind of change and how strong it is."""

    kind: str
    level: float
    change: Callable[[np.ndarray], np.ndarray]
    """Takes and returns images: uint8, [N, height, width, 3], 0..255."""


def perturbations(params: RobustnessParams) -> Iterator[Perturbation]:
    """Yield every perturbation that `params` asks for, after the one that changes nothing."""
    yield Perturbation("none", 0, lambda images: images)
    for quality in params.jpeg_quality:
        yield Perturbation("JPEG", quality, partial(jpeg, quality=quality))
    for sigma in params.blur_sigma:
        yield Perturbation("blur", sigma, partial(blur, sigma=sigma))
    for sigma in params.noise_sigma:
        yield Perturbation("noise", sigma, partial(noise, sigma=sigma, seed=params.seed))
    for size in params.downscale_to:
        yield Perturbation("downscale", size, partial(downscale, size=size))


def under_perturbations(
    classifier: Classifier, fitted: Calibration, split: Split, params: RobustnessParams
) -> pd.DataFrame:
    """Return kind, level and metrics, a row a perturbation; the first one is of the images as are.

    Images are never scaled up where they are to be scaled down.
    """
    smaller = [size for size in params.downscale_to if size < min(split.images.shape[1:3])]
    params = params.model_copy(update={"downscale_to": smaller})
    rows = [
        {"kind": kind, "level": level} | measure(split.labels, logits, fitted)
        for (kind, level), logits in scores(classifier, split, params).items()
    ]
    return pd.DataFrame(rows)


def scores(
    classifier: Classifier, split: Split, params: RobustnessParams
) -> dict[tuple[str, float], np.ndarray]:
    """Return the log-odds of FAKE (float32, [N]) under each kind and level of perturbation.

    Only one batch of images is in memory, so that any number of them will do.
    """
    size = classifier.batch_size
    parts: dict[tuple[str, float], list[np.ndarray]] = {}
    for start in tqdm(
        range(0, len(split.labels), size), desc="robustness", unit=" batches", disable=None
    ):
        images = read(split.images, slice(start, start + size))
        for kind, level, change in perturbations(params):
            parts.setdefault((kind, level), []).append(classifier.logits(change(images)))
    return {changed: np.concatenate(logits) for changed, logits in parts.items()}


def measure(labels: np.ndarray, logits: np.ndarray, fitted: Calibration) -> dict[str, float]:
    """Return accuracy (FAKE from p_fake 0.5 on), accuracy at the threshold, and ROC AUC."""
    p_fake = probabilities(logits, fitted.temperature)
    return {
        "accuracy": round(accuracy_score(labels, p_fake >= 0.5), 6),
        "accuracy_at_threshold": round(accuracy_score(labels, p_fake >= fitted.threshold), 6),
        "roc_auc": round(roc_auc_score(labels, logits), 6),
    }


def summary(table: pd.DataFrame) -> dict[str, float]:
    """Return the mean accuracy under each kind of perturbation, and the mean of these.

    Kinds weigh the same, however many levels each has, as in Hendrycks and Dietterich, Benchmarking
    Neural Network Robustness to Common Corruptions and Perturbations, 2019,
    https://arxiv.org/abs/1903.12261.
    """
    clean = float(table.loc[table["kind"] == "none", "accuracy"].iloc[0])
    means = table[table["kind"] != "none"].groupby("kind", sort=False)["accuracy"].mean()
    mean = float(means.mean()) if len(means) else clean
    return {
        "accuracy_clean": clean,
        "accuracy_perturbed": round(mean, 6),
        "accuracy_lost": round(clean - mean, 6),
        **{f"accuracy_{str(kind).lower()}": round(value, 6) for kind, value in means.items()},
    }
