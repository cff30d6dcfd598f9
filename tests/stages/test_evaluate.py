"""evaluate: the numbers are worked out by hand or by Keras, never by the code under test."""

from pathlib import Path

import numpy as np
import pytest

from stages.command import InputError
from stages.evaluate import EvaluateModel, measure, roc
from stages.runtime import keras
from stages.train import CNNModel
from tests.stages.test_train import config, random_split

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_the_metrics_of_six_images_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    p_fake = np.array([0.1, 0.2, 0.4, 0.5, 0.9, 0.3])
    # 0.5 counts as FAKE. Of the four REAL three are found, of the four called REAL three are;
    # of the two FAKE one is found, of the two called FAKE one is.
    expected = {
        "accuracy": 4 / 6,
        "loss": -np.log([0.9, 0.8, 0.6, 0.5, 0.9, 0.3]).mean(),
        "precision": (4 * 3 / 4 + 2 * 1 / 2) / 6,
        "recall": (4 * 3 / 4 + 2 * 1 / 2) / 6,
        "f1": (4 * 3 / 4 + 2 * 1 / 2) / 6,
        # Of the eight pairs of a FAKE and a REAL, 0.9 wins four and 0.3 wins two.
        "roc_auc": 6 / 8,
        "accuracy_real": 3 / 4,
        "accuracy_fake": 1 / 2,
    }
    assert measure(labels, p_fake) == {key: round(value, 6) for key, value in expected.items()}


def test_precision_and_f1_are_weighted_by_label() -> None:
    labels = np.array([0, 0, 0, 1])
    p_fake = np.array([0.9, 0.1, 0.1, 0.9])
    # REAL: precision 2/2, recall 2/3, F1 4/5; FAKE: precision 1/2, recall 1, F1 2/3.
    metrics = measure(labels, p_fake)
    assert metrics["precision"] == round((3 * 1 + 1 * 0.5) / 4, 6)
    assert metrics["recall"] == round((3 * 2 / 3 + 1) / 4, 6)
    assert metrics["f1"] == round((3 * 4 / 5 + 2 / 3) / 4, 6)


def test_a_model_that_always_says_real_has_metrics_too() -> None:
    metrics = measure(np.array([0, 1]), np.array([0.0, 0.0]))
    assert metrics["accuracy"] == 0.5
    assert metrics["precision"] == 0.25
    assert np.isfinite(metrics["loss"])


def test_the_roc_curve_by_hand() -> None:
    curve = roc(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.8]))
    assert list(curve.itertuples(index=False, name=None)) == [
        (0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0),
    ]  # fmt: skip


def test_a_saved_model_predicts_as_the_trained_one_did(tmp_path: Path) -> None:
    model = CNNModel(config(), (32, 32, 3))
    model.save(tmp_path / "model.h5")
    images = random_split(7).images
    p_fake = EvaluateModel(tmp_path / "model.h5", batch_size=3).predict(images)
    assert p_fake.shape == (7,)
    expected = model.network.predict(images.astype(np.float32), verbose=0)[:, 1]
    np.testing.assert_allclose(p_fake, expected, rtol=1e-5)


def test_loss_and_accuracy_are_keras_own(tmp_path: Path) -> None:
    network = CNNModel(config(), (32, 32, 3)).network
    split = random_split(40)
    network.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = network.evaluate(split.images, split.labels, verbose=0)
    metrics = measure(split.labels, network.predict(split.images, verbose=0)[:, 1])
    assert metrics["loss"] == pytest.approx(loss, abs=1e-5)
    assert metrics["accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_a_model_is_plain_keras_with_built_in_layers(tmp_path: Path) -> None:
    CNNModel(config(), (32, 32, 3)).save(tmp_path / "model.h5")
    network = keras.models.load_model(tmp_path / "model.h5", compile=False)
    assert {type(layer).__module__.split(".")[0] for layer in network.layers} == {"keras"}
    assert (tmp_path / "model.h5").stat().st_size < 3_000_000


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"hello")
    for name in ("model.h5", "missing.h5"):
        with pytest.raises(InputError, match=rf"{name}: cannot be read as a Keras model"):
            EvaluateModel(tmp_path / name, batch_size=3)


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    CNNModel(config(), (32, 32, 3)).save(tmp_path / "model.h5")
    model = EvaluateModel(tmp_path / "model.h5", batch_size=3)
    with pytest.raises(InputError, match=r"takes images of \(32, 32, 3\), found \(16, 16, 3\)"):
        model.predict(np.zeros((1, 16, 16, 3), np.uint8))
