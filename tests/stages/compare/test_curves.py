"""curves: the tables behind the charts, by hand."""

import numpy as np
import pandas as pd

from stages.compare.curves import calibration, confusion, precision_recall, roc, training


def predictions(variant: str, labels: str, logits: list[float]) -> pd.DataFrame:
    """Return predictions with a label for each letter of `labels`, R or F."""
    return pd.DataFrame(
        {
            "variant": variant,
            "label": ["FAKE" if letter == "F" else "REAL" for letter in labels],
            "logit": logits,
        }
    )


def rows(table: pd.DataFrame) -> list[tuple]:
    return list(table.itertuples(index=False, name=None))


def test_confusion_counts_answers_and_every_cell_even_empty_ones() -> None:
    table = pd.DataFrame(
        {
            "variant": ["b"] * 5 + ["a"],
            "label": ["REAL", "REAL", "FAKE", "FAKE", "FAKE", "REAL"],
            "verdict": ["REAL", "FAKE", "FAKE", "FAKE", "FAKE", "REAL"],
            "answer": ["REAL", "FAKE", "FAKE", "UNSURE", "FAKE", "UNSURE"],
        }
    )
    found = confusion(table)
    assert list(found.columns) == ["variant", "actual", "predicted", "images"]
    assert rows(found) == [
        ("b", "REAL", "REAL", 1),
        ("b", "REAL", "FAKE", 1),
        ("b", "REAL", "UNSURE", 0),
        ("b", "FAKE", "REAL", 0),
        ("b", "FAKE", "FAKE", 2),
        ("b", "FAKE", "UNSURE", 1),
        ("a", "REAL", "REAL", 0),
        ("a", "REAL", "FAKE", 0),
        ("a", "REAL", "UNSURE", 1),
        ("a", "FAKE", "REAL", 0),
        ("a", "FAKE", "FAKE", 0),
        ("a", "FAKE", "UNSURE", 0),
    ]


def test_training_has_a_row_for_each_split_and_epochs_count_from_1() -> None:
    epochs = pd.DataFrame(
        {
            "variant": ["a", "a"],
            "epoch": [0, 1],
            "accuracy": [0.5, 0.6],
            "loss": [0.7, 0.6],
            "val_accuracy": [0.4, 0.5],
            "val_loss": [0.9, 0.8],
        }
    )
    found = training(epochs)
    assert list(found.columns) == ["variant", "split", "epoch", "accuracy", "loss"]
    assert rows(found) == [
        ("a", "train", 1, 0.5, 0.7),
        ("a", "train", 2, 0.6, 0.6),
        ("a", "validation", 1, 0.4, 0.9),
        ("a", "validation", 2, 0.5, 0.8),
    ]


def test_the_roc_curve_by_hand() -> None:
    found = roc(predictions("a", "RFRF", [-2.0, -0.5, 0.5, 2.0]))
    assert list(found.columns) == ["variant", "false_positive_rate", "true_positive_rate"]
    # From the highest: a FAKE, a REAL, a FAKE, a REAL.
    assert rows(found) == [
        ("a", 0.0, 0.0), ("a", 0.0, 0.5), ("a", 0.5, 0.5), ("a", 0.5, 1.0), ("a", 1.0, 1.0),
    ]  # fmt: skip


def test_the_precision_recall_curve_by_hand() -> None:
    found = precision_recall(predictions("a", "RFFRF", [-2.0, -1.0, 0.5, 1.0, 2.0]))
    assert list(found.columns) == ["variant", "recall", "precision"]
    # From the highest, F R F F R: of the first 1, 2, 3, 4 and 5, as many are FAKE as 1, 1, 2, 3, 3.
    assert rows(found) == [
        ("a", 0.0, 1.0), ("a", 0.333333, 1.0), ("a", 0.333333, 0.5), ("a", 0.666667, 0.666667),
        ("a", 1.0, 0.75), ("a", 1.0, 0.6),
    ]  # fmt: skip


def test_curves_go_by_log_odds_where_probabilities_are_the_same() -> None:
    sure = predictions("a", "RF", [40.0, 50.0]).assign(p_fake=1.0)
    # A threshold between them makes no mistake.
    assert ("a", 0.0, 1.0) in rows(roc(sure))
    assert ("a", 1.0, 1.0) in rows(precision_recall(sure))


def test_variants_come_in_their_order_each_with_a_curve_of_its_own() -> None:
    table = pd.concat(
        [predictions("b", "RF", [0.0, 1.0]), predictions("a", "RF", [1.0, 0.0])], ignore_index=True
    )
    found = roc(table)
    assert list(found["variant"].unique()) == ["b", "a"]
    assert ("b", 0.0, 1.0) in rows(found)
    assert ("a", 1.0, 0.0) in rows(found)
    assert ("a", 0.0, 1.0) not in rows(found)


def test_probabilities_as_trained_and_calibrated_are_beside_each_other() -> None:
    odds = np.log([9.0, 9.0, 1 / 9])
    found = calibration(predictions("a", "FRR", list(odds)).assign(p_fake=[0.75, 0.75, 0.25]))
    assert list(found.columns) == ["variant", "probabilities", "p_fake", "share_fake", "images"]
    # Odds of 9 to 1 are 0.9 as trained.
    assert rows(found) == [
        ("a", "as trained", 0.1, 0.0, 1),
        ("a", "as trained", 0.9, 0.5, 2),
        ("a", "calibrated", 0.25, 0.0, 1),
        ("a", "calibrated", 0.75, 0.5, 2),
    ]
