"""robustness: the same network, on images that were changed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import evaluate
from stages.calibration import Calibration
from stages.classifier import Classifier
from stages.perturb import RobustnessParams, blur, jpeg, noise
from stages.robustness import measure, of_external, scores, summary, under_perturbations
from tests.helpers import default_block
from tests.stages.test_classifier import saved
from tests.stages.test_perturb import NONE
from tests.stages.test_train import random_split

LEVELS: dict[str, Any] = {
    "jpeg_quality": [50],
    "blur_sigma": [1.0],
    "noise_sigma": [8, 16],
    "downscale_to": [16],
}


@pytest.fixture
def classifier(tmp_path: Path, tensorflow: None) -> Classifier:
    saved(tmp_path / "model.h5")
    return Classifier(tmp_path / "model.h5", batch_size=4)


def test_batches_give_the_same_as_all_images_at_once(classifier: Classifier) -> None:
    split = random_split(10)
    params = default_block("robustness", RobustnessParams, **LEVELS)
    found = scores(classifier, split, params)
    changed = {
        ("none", 0): split.images,
        ("JPEG", 50): jpeg(split.images, 50),
        ("blur", 1.0): blur(split.images, 1.0),
        ("noise", 8): noise(split.images, 8, params.seed),
        ("noise", 16): noise(split.images, 16, params.seed),
    }
    assert list(found) == [*changed, ("downscale", 16)]
    for key, images in changed.items():
        expected = classifier.network.predict(images.astype(np.float32), verbose=0)
        np.testing.assert_allclose(found[key], expected[:, 1] - expected[:, 0], atol=1e-5)
    of_kinds = np.stack(list(found.values()))
    assert len(np.unique(of_kinds, axis=0)) == 6, "each changes something"


def test_without_perturbations_the_unchanged_images_are_measured(classifier: Classifier) -> None:
    split = random_split(5)
    found = scores(classifier, split, default_block("robustness", RobustnessParams, **NONE))
    assert list(found) == [("none", 0)]
    np.testing.assert_array_equal(found["none", 0], classifier.logits(split.images))


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


def test_the_unchanged_images_have_evaluates_metrics(classifier: Classifier) -> None:
    split = random_split(20)
    logits = classifier.logits(split.images)
    fitted = Calibration(temperature=2.0, threshold=0.4)
    params = default_block("robustness", RobustnessParams, **LEVELS)
    clean = under_perturbations(classifier, fitted, split, params).iloc[0]
    expected = evaluate.measure(split.labels, logits, fitted)
    assert list(clean.index) == ["kind", "level", "accuracy", "accuracy_at_threshold", "roc_auc"]
    for name in ("accuracy", "accuracy_at_threshold", "roc_auc"):
        assert clean[name] == expected[name]


def test_other_images_have_evaluates_metrics(classifier: Classifier) -> None:
    split = random_split(10, seed=5)
    logits = classifier.logits(split.images)
    fitted = Calibration(temperature=2.0, threshold=0.4)
    found = of_external(split.labels, logits, fitted)
    expected = evaluate.measure(split.labels, logits, fitted)
    assert found.pop("external_images") == 10
    assert len(found) == 5
    for name, value in found.items():
        assert value == expected[name.removeprefix("external_")]


def test_images_are_not_scaled_up_where_they_are_to_be_scaled_down(classifier: Classifier) -> None:
    """They have 32 pixels a side."""
    params = default_block("robustness", RobustnessParams, **NONE | {"downscale_to": [64, 32, 31]})
    fitted = Calibration(temperature=1.0, threshold=0.5)
    rows = under_perturbations(classifier, fitted, random_split(4), params)
    assert rows["level"][rows["kind"] == "downscale"].tolist() == [31]
