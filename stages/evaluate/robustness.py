"""How a network does on test images that were changed."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, roc_auc_score

from stages.common.arrays import PERTURBATIONS, load_folder
from stages.common.command import InputError
from stages.common.progress import progress
from stages.evaluate.calibration import Calibration, probabilities
from stages.evaluate.classifier import Classifier


def under_perturbations(classifier: Classifier, fitted: Calibration, folder: Path) -> pd.DataFrame:
    """Return kind, level and metrics, a row a perturbation; the first one is of the images as are.

    Args:
        folder: what the stage `perturb` wrote.

    Raises:
        InputError: it has not written it.
    """
    split = load_folder(folder, "perturb")
    try:
        levels = pd.read_csv(folder / PERTURBATIONS)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be read: {error}; run `dvc repro perturb`") from None
    if len(levels) != split.images.shape[1]:
        raise InputError(
            f"{folder}: {split.images.shape[1]} perturbations, but {len(levels)} in "
            f"{PERTURBATIONS}; run `dvc repro perturb`"
        )
    numbers = progress(range(len(levels)), desc="robustness", unit=" perturbations")
    measured = [
        measure(split.labels, classifier.logits(split.images[:, number], split.views), fitted)
        for number in numbers
    ]
    return pd.concat([levels, pd.DataFrame(measured)], axis=1)


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
