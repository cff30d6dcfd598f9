"""The metrics of a network, of images as they are."""

from collections.abc import Mapping

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from stages.common.manifest import LABELS
from stages.evaluate.calibration import Calibration, log_loss, probabilities
from stages.evaluate.conformal import UNSURE, answers, fitting
from stages.evaluate.decision import Decision
from stages.evaluate.reliability import expected_calibration_error
from stages.evaluate.schema import OF_ANSWERS, OF_ANY_SET, OF_HELD_OUT
from stages.evaluate.statistics import accuracy_interval


def measure(
    labels: np.ndarray, logits: np.ndarray, clusters: np.ndarray, fitted: Calibration
) -> dict[str, float]:
    """Return the metrics of a network whose log-odds of FAKE are `logits` (float, [N]).

    An image counts as FAKE from a p_fake of 0.5 on, except in `accuracy_at_threshold`. Precision,
    recall and f1 are means over both labels, weighted by the number of their images. Definitions:
    scikit-learn's of the same names; `stages.evaluate.statistics` and `.reliability` for the rest.

    Args:
        labels: 0 (REAL) or 1 (FAKE): int, [N], both present.
        clusters: the name of the cluster of each image: str, [N].
        fitted: what the network's probabilities and verdicts go by.
    """
    p_raw = probabilities(logits).astype(np.float64)
    p_fake = probabilities(logits, fitted.temperature).astype(np.float64)
    verdicts = (p_fake >= 0.5).astype(int)
    accuracy = accuracy_interval(verdicts == labels, clusters)
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, verdicts, average="weighted", zero_division=0.0
    )
    metrics = {
        "accuracy": accuracy.mean,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "loss": log_loss(labels, logits),
        "loss_calibrated": log_loss(labels, logits, fitted.temperature),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": roc_auc_score(labels, logits),
        "average_precision": average_precision_score(labels, logits),
        "accuracy_real": recall_score(labels, verdicts, pos_label=0),
        "accuracy_fake": recall_score(labels, verdicts, pos_label=1),
        "recall_fake_at_1pct_false_alarms": recall_at(labels, logits, 0.01),
        "recall_fake_at_5pct_false_alarms": recall_at(labels, logits, 0.05),
        "brier_score": brier_score_loss(labels, p_raw),
        "brier_score_calibrated": brier_score_loss(labels, p_fake),
        "ece": expected_calibration_error(labels, p_raw),
        "ece_calibrated": expected_calibration_error(labels, p_fake),
        "temperature": fitted.temperature,
        "threshold": fitted.threshold,
        "accuracy_at_threshold": accuracy_score(labels, p_fake >= fitted.threshold),
    }
    return {name: round(float(value), 6) for name, value in metrics.items()}


def recall_at(labels: np.ndarray, scores: np.ndarray, false_alarms: float) -> float:
    """Return the largest share of FAKE that any threshold on `scores` (float, [N]) recognises.

    Args:
        false_alarms: the share of REAL that may be taken for FAKE meanwhile, 0..1.
    """
    rates, recognised, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(recognised[rates <= false_alarms].max())


def measure_set(
    labels: np.ndarray,
    logits: np.ndarray,
    unlike: np.ndarray,
    clusters: np.ndarray,
    fitted: Decision,
) -> dict[str, float]:
    """Return what can be said of a set of images that may have one label alone.

    That is number of images and of independent observations, accuracy with its 95% interval (FAKE
    from a p_fake of 0.5 on), accuracy at the threshold and on each label that is there, of two
    labels ROC AUC, and what `measure_answers` says.

    Args:
        labels: 0 (REAL) or 1 (FAKE): int, [N].
        logits: log-odds of FAKE: float, [N].
        unlike: whether an image is unlike those that the network learned from: bool, [N].
        clusters: the name of the cluster of each image: str, [N].
    """
    p_fake = probabilities(logits, fitted.temperature).astype(np.float64)
    right = (p_fake >= 0.5) == labels
    accuracy = accuracy_interval(right, clusters)
    metrics = {
        "accuracy": accuracy.mean,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "accuracy_at_threshold": accuracy_score(labels, p_fake >= fitted.threshold),
    }
    for number, label in enumerate(LABELS):
        if (labels == number).any():
            metrics[f"accuracy_{label.lower()}"] = right[labels == number].mean()
    if labels.min() != labels.max():
        metrics["roc_auc"] = roc_auc_score(labels, logits)
    return (
        _numbers(clusters)
        | {name: round(float(value), 6) for name, value in metrics.items()}
        | measure_answers(labels, logits, unlike, clusters, fitted)
    )


def measure_answers(
    labels: np.ndarray,
    logits: np.ndarray,
    unlike: np.ndarray,
    clusters: np.ndarray,
    fitted: Decision,
) -> dict[str, float]:
    """Return how often there is an answer, REAL or FAKE, and how right it is; see `measure_set`.

    `answered` and `unlike` are shares of all images, `accuracy_answered` is over those that have an
    answer. `coverage_...` is the share of a label's images whose label fits, answer or not: that is
    what `error_rate` promises. What has no images is left out.
    """
    given = answers(logits, unlike, fitted.sets)
    answered = given != UNSURE
    right = given == np.take(LABELS, labels)
    metrics = {"answered": answered.mean(), "unlike": unlike.mean()}
    fits = fitting(logits, fitted.sets)
    parts = {"accuracy_answered": (right, answered)} | {
        f"coverage_{label.lower()}": (fits[:, number], labels == number)
        for number, label in enumerate(LABELS)
    }
    for name, (found, chosen) in parts.items():
        if chosen.any():
            share = accuracy_interval(found[chosen], clusters[chosen])
            metrics |= {name: share.mean, f"{name}_low": share.low, f"{name}_high": share.high}
    return {name: round(float(metrics[name]), 6) for name in OF_ANSWERS if name in metrics}


def measure_held_out(
    labels: np.ndarray,
    logits: np.ndarray,
    unlike: np.ndarray,
    clusters: np.ndarray,
    fitted: Decision,
) -> dict[str, float]:
    """Return what `measure_set` says of the slices that are held out; {} where there are none."""
    if not len(labels):
        return {}
    found = measure_set(labels, logits, unlike, clusters, fitted)
    return {f"held_out_{name}": found[name] for name in OF_HELD_OUT if name in found}


def measure_validation(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Return what to choose a network by: of validation images, before it is calibrated on them.

    Args:
        labels: 0 (REAL) or 1 (FAKE): int, [N], both present.
        logits: log-odds of FAKE as the network gives them: float, [N].
    """
    metrics = {
        "validation_accuracy": accuracy_score(labels, probabilities(logits) >= 0.5),
        "validation_loss": log_loss(labels, logits),
        "validation_roc_auc": roc_auc_score(labels, logits),
    }
    return {name: round(float(value), 6) for name, value in metrics.items()}


def of_own_test(clusters: np.ndarray, metrics: Mapping[str, float]) -> dict[str, float]:
    """Return of the `metrics` of the own test split what `measure_set` says of any set."""
    return _numbers(clusters) | {name: metrics[name] for name in OF_ANY_SET if name in metrics}


def _numbers(clusters: np.ndarray) -> dict[str, float]:
    return {"images": len(clusters), "observations": len(np.unique(clusters))}
