"""robustness: the same network, on images that were changed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.common.command import InputError
from stages.evaluate import metrics
from stages.evaluate.calibration import Calibration
from stages.evaluate.classifier import Classifier
from stages.evaluate.robustness import (
    measure,
    perturbations,
    scores,
    summary,
    under_perturbations,
)
from stages.evaluate.schema import RobustnessParams
from stages.networks.perturb import blur, downscale, jpeg, noise
from tests.helpers import default_block
from tests.stages.evaluate.test_classifier import saved
from tests.stages.networks.test_perturb import scenes
from tests.stages.train.test_model import random_split

LEVELS: dict[str, Any] = {
    "jpeg_quality": [50],
    "blur_sigma": [1.0],
    "noise_sigma": [8, 16],
    "downscale_to": [16],
}
NONE: dict[str, Any] = {
    "jpeg_quality": [],
    "blur_sigma": [],
    "noise_sigma": [],
    "downscale_to": [],
}


def test_every_kind_and_level_comes_once_after_the_one_that_changes_nothing() -> None:
    params = default_block(
        "robustness", RobustnessParams, jpeg_quality=[90, 10], blur_sigma=[1], noise_sigma=[0.5, 8],
        downscale_to=[16], seed=3,
    )  # fmt: skip
    found = list(perturbations(params))
    assert [(kind, level) for kind, level, _ in found] == [
        ("none", 0), ("JPEG", 90), ("JPEG", 10), ("blur", 1), ("noise", 0.5), ("noise", 8),
        ("downscale", 16),
    ]  # fmt: skip
    images = scenes()
    np.testing.assert_array_equal(found[0].change(images), images)
    expected = [
        jpeg(images, 90), jpeg(images, 10), blur(images, 1), noise(images, 0.5, seed=3),
        noise(images, 8, seed=3), downscale(images, 16),
    ]  # fmt: skip
    for perturbation, changed in zip(found[1:], expected, strict=True):
        np.testing.assert_array_equal(perturbation.change(images), changed)


def test_without_levels_only_the_unchanged_images_are_left() -> None:
    params = default_block("robustness", RobustnessParams, **NONE)
    assert [perturbation.kind for perturbation in perturbations(params)] == ["none"]


def test_images_go_in_and_come_out_as_bytes_and_are_left_alone() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 40, 3)).astype(np.uint8)
    before = images.copy()
    images.flags.writeable = False
    for kind, _, change in perturbations(default_block("robustness", RobustnessParams)):
        changed = change(images)
        assert changed.dtype == np.uint8
        assert changed.shape == images.shape
        np.testing.assert_array_equal(changed[1:], change(images[1:]), err_msg="others matter")
        assert (kind == "none") == np.array_equal(changed, images)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jpeg_quality": [0]}, r"jpeg_quality\.0: must be greater than or equal to 1, found 0"),
        ({"jpeg_quality": [101]}, r"jpeg_quality\.0: must be less than or equal to 100, found 101"),
        ({"jpeg_quality": [9.5]}, r"jpeg_quality\.0: .*integer, found 9\.5"),
        ({"blur_sigma": [0.3, 0]}, r"blur_sigma\.1: must be greater than 0, found 0"),
        ({"noise_sigma": 2}, r"noise_sigma: must be a valid list, found 2"),
        ({"downscale_to": [0]}, r"downscale_to\.0: must be .*, found 0"),
        ({"seed": -1}, r"seed: must be greater than or equal to 0, found -1"),
        ({"jpg": []}, r"jpg: unknown key; did you mean 'jpeg_quality'\?"),
        ({"noise_sigma": [2, 4, 2.0]}, r"noise_sigma: 2\.0 is there twice"),
    ],
)
def test_levels_that_cannot_be_are_refused_in_one_sentence(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=rf"^robustness.{message}$") as refused:
        default_block("robustness", RobustnessParams, **changes)
    assert "\n" not in str(refused.value)


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
    expected = metrics.measure(split.labels, logits, np.arange(20), fitted)
    assert list(clean.index) == ["kind", "level", "accuracy", "accuracy_at_threshold", "roc_auc"]
    for name in ("accuracy", "accuracy_at_threshold", "roc_auc"):
        assert clean[name] == expected[name]


def test_images_are_not_scaled_up_where_they_are_to_be_scaled_down(classifier: Classifier) -> None:
    """They have 32 pixels a side."""
    params = default_block("robustness", RobustnessParams, **NONE | {"downscale_to": [64, 32, 31]})
    fitted = Calibration(temperature=1.0, threshold=0.5)
    rows = under_perturbations(classifier, fitted, random_split(4), params)
    assert rows["level"][rows["kind"] == "downscale"].tolist() == [31]
