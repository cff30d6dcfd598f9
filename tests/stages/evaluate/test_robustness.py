"""robustness: the same network, on images that were changed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.common.command import InputError
from stages.evaluate import metrics
from stages.evaluate.calibration import Calibration
from stages.evaluate.classifier import Classifier
from stages.evaluate.robustness import measure, summary, under_perturbations
from tests.stages.evaluate.test_classifier import saved
from tests.stages.train.test_model import random_split


@pytest.fixture
def classifier(tmp_path: Path, tensorflow: None) -> Classifier:
    saved(tmp_path / "model.h5")
    return Classifier(tmp_path / "model.h5", batch_size=4)


def test_four_images_are_measured_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    # Odds of 1/9, 4, 9 and 81 for FAKE; at temperature 2, of 1/3, 2, 3 and 9.
    fitted = Calibration(temperature=2.0, threshold=0.85)
    assert measure(labels, np.log([1 / 9, 4, 9, 81]), fitted) == {
        "accuracy": 0.75,  # 2 to 1 is called FAKE
        "accuracy_at_threshold": 0.75,  # 3 to 1 is called REAL, 9 to 1 FAKE
        "roc_auc": 1.0,
    }


def table(*rows: tuple[str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["kind", "level", "accuracy"])


def test_kinds_weigh_the_same_however_many_levels_they_have() -> None:
    rows = [("none", 0, 0.9), ("JPEG", 90, 0.8), ("JPEG", 50, 0.7), ("JPEG", 10, 0.6)]
    assert summary(table(*rows, ("blur", 1, 0.5))) == {
        "accuracy_clean": 0.9,
        "accuracy_perturbed": 0.6,  # of 0.7 and 0.5
        "accuracy_lost": 0.3,
        "accuracy_jpeg": 0.7,
        "accuracy_blur": 0.5,
    }


def test_where_nothing_is_changed_nothing_is_lost() -> None:
    expected = {"accuracy_clean": 0.9, "accuracy_perturbed": 0.9, "accuracy_lost": 0.0}
    assert summary(table(("none", 0, 0.9))) == expected


def test_each_perturbation_has_the_metrics_of_its_images(
    classifier: Classifier, tmp_path: Path
) -> None:
    split, changed = random_split(20), random_split(20, seed=1)
    fitted = Calibration(temperature=2.0, threshold=0.4)
    folder = tmp_path / "perturbed"
    folder.mkdir()
    np.save(folder / "images.npy", np.stack([split.images, changed.images], axis=1))
    np.save(folder / "labels.npy", split.labels)
    with pytest.raises(InputError, match=r"perturbed: cannot be read: .*; run `dvc repro perturb`"):
        under_perturbations(classifier, fitted, folder)
    (folder / "perturbations.csv").write_text("kind,level\nnone,0\nblur,1.5\n")
    found = under_perturbations(classifier, fitted, folder)
    assert found[["kind", "level"]].to_numpy().tolist() == [["none", 0], ["blur", 1.5]]
    names = ["accuracy", "accuracy_at_threshold", "roc_auc"]
    assert list(found.columns) == ["kind", "level", *names]
    for row, images in zip(found[names].to_dict("records"), (split, changed), strict=True):
        logits = classifier.logits(images.images)
        expected = metrics.measure(split.labels, logits, np.arange(20), fitted)
        assert row == {name: expected[name] for name in names}
