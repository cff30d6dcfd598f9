"""The long tables behind the charts: a column `variant`, and a row for each point of a chart."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from stages.common.manifest import LABELS
from stages.evaluate.calibration import probabilities
from stages.evaluate.conformal import UNSURE
from stages.evaluate.reliability import reliability

ANSWERS = (*LABELS, UNSURE)


def training(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return training curves with a row for each variant, split and epoch (counted from 1).

    Args:
        epochs: `variant`, and what Keras logs of each epoch.
    """
    splits = {"train": "", "validation": "val_"}
    parts = [
        pd.DataFrame(
            {
                "variant": epochs["variant"],
                "split": split,
                "epoch": epochs["epoch"] + 1,
                "accuracy": epochs[f"{prefix}accuracy"],
                "loss": epochs[f"{prefix}loss"],
            }
        )
        for split, prefix in splits.items()
    ]
    return pd.concat(parts, ignore_index=True)


def roc(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the corners of each variant's ROC curve: false and true positive rate, 0..1."""

    def of_variant(rows: pd.DataFrame) -> pd.DataFrame:
        false_positive_rate, true_positive_rate, _ = roc_curve(_is_fake(rows), rows["logit"])
        return pd.DataFrame(
            {"false_positive_rate": false_positive_rate, "true_positive_rate": true_positive_rate}
        )

    return _by_variant(predictions, of_variant)


def precision_recall(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return each variant's precision-recall curve for FAKE: recall and precision, 0..1."""

    def of_variant(rows: pd.DataFrame) -> pd.DataFrame:
        precision, recall, _ = precision_recall_curve(
            _is_fake(rows), rows["logit"], drop_intermediate=True
        )
        return pd.DataFrame({"recall": recall[::-1], "precision": precision[::-1]})

    return _by_variant(predictions, of_variant)


def calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return each variant's reliability diagram, with and without temperature scaling."""

    def of_variant(rows: pd.DataFrame) -> pd.DataFrame:
        found = {
            "as trained": probabilities(rows["logit"].to_numpy()),
            "calibrated": rows["p_fake"].to_numpy(float),
        }
        parts = {name: reliability(_is_fake(rows), p_fake) for name, p_fake in found.items()}
        return pd.concat(parts, names=["probabilities"]).reset_index("probabilities")

    return _by_variant(predictions, of_variant)


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the number of test images for each variant, actual label and answer.

    Answers are what people get; how often a verdict that knows no doubt is right, tables say.
    """
    counts = predictions.groupby(["variant", "label", "answer"]).size()
    every = pd.MultiIndex.from_product(
        [predictions["variant"].unique(), LABELS, ANSWERS],
        names=["variant", "actual", "predicted"],
    )
    return counts.reindex(every, fill_value=0).rename("images").reset_index()


def robustness(table: pd.DataFrame) -> pd.DataFrame:
    """Return the levels of each kind of perturbation as texts, from `none`, the images as they are.

    Args:
        table: a row for each variant, kind and level, with kind `none` for the images as they are.
    """
    clean = table[table["kind"] == "none"]
    changed = table[table["kind"] != "none"]
    starts = [clean.assign(kind=kind, level="none") for kind in changed["kind"].unique()]
    levels = changed.assign(level=changed["level"].map("{:g}".format))
    return pd.concat([*starts, levels], ignore_index=True)


def _is_fake(rows: pd.DataFrame) -> np.ndarray:
    return (rows["label"] == "FAKE").to_numpy(int)


def _by_variant(
    predictions: pd.DataFrame, of_variant: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    tables = {name: of_variant(rows) for name, rows in predictions.groupby("variant", sort=False)}
    return pd.concat(tables, names=["variant"]).reset_index("variant").round(6)
