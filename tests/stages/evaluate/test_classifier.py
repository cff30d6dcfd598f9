"""classifier: what a file's network says is what Keras says, whatever the batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from stages.common.command import InputError
from stages.evaluate.classifier import Classifier
from stages.networks.runtime import keras
from stages.train.model import CNNModel
from tests.helpers import CODE, Project
from tests.stages.train.test_model import config, random_split

pytestmark = pytest.mark.usefixtures("tensorflow")

SMALL: dict[str, Any] = {"conv_layers": [{"filters": 2, "pool": 4}], "dense_units": 4}


def saved(path: Path, **changes: Any) -> keras.Model:
    """Write a new network to `path` and return it."""
    model = CNNModel(config(**(SMALL | changes)), (32, 32, 3))
    model.save(path)
    return model.network


def test_the_sigmoid_of_the_log_odds_is_the_networks_own_softmax(tmp_path: Path) -> None:
    network = saved(tmp_path / "model.h5")
    images = random_split(7).images
    logits = Classifier(tmp_path / "model.h5", batch_size=3).logits(images)
    assert logits.dtype == np.float32
    expected = network.predict(images.astype(np.float32), verbose=0)[:, 1]
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(expit(logits), expected, rtol=1e-5)


def test_log_odds_are_told_apart_where_probabilities_are_rounded_to_1(tmp_path: Path) -> None:
    model = CNNModel(config(**SMALL), (32, 32, 3))
    weights = model.network.get_weights()
    weights[-2:] = [weights[-2] * 0, np.array([-100, 150], np.float32)]
    model.network.set_weights(weights)
    model.save(tmp_path / "model.h5")
    logits = Classifier(tmp_path / "model.h5", batch_size=3).logits(random_split(2).images)
    assert logits.tolist() == [250, 250]


def test_batches_give_the_same_as_one_image_at_a_time(tmp_path: Path) -> None:
    saved(tmp_path / "model.h5")
    images = random_split(7).images
    one, three, all_at_once = (
        Classifier(tmp_path / "model.h5", batch_size).logits(images) for batch_size in (1, 3, 100)
    )
    assert len(one) == len(set(one)) == 7
    np.testing.assert_allclose(three, one, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(all_at_once, one, rtol=1e-4, atol=1e-6)


def test_an_images_log_odds_are_the_same_to_the_bit_in_any_company(tmp_path: Path) -> None:
    saved(tmp_path / "model.h5", conv_layers=[{"filters": 16, "pool": 2}] * 2, dense_units=64)
    images = random_split(100).images
    classifier = Classifier(tmp_path / "model.h5", batch_size=40)
    together = classifier.logits(images)
    assert len(set(together)) == 100
    for numbers in ([57], range(90, 50, -1), range(7, 92, 3)):
        np.testing.assert_array_equal(classifier.logits(images[numbers]), together[numbers])
    assert classifier.logits(images[:0]).shape == (0,)


@pytest.mark.slow
def test_with_avx2_the_last_rows_of_a_batch_are_as_the_others(tmp_path: Path) -> None:
    """In a process of its own: which instructions are used is settled at the first computation."""
    saved(tmp_path / "model.h5", dense_units=64)
    code = """
from stages.networks.runtime import set_up
set_up(1, threads=1, instruction_set="AVX2")
from tests.stages.evaluate.test_classifier import *
image = random_split(1).images
for size in (8, 20, 32, 50):
    print(len(set(Classifier(Path("model.h5"), size).logits(image.repeat(size, axis=0)))))
"""
    printed = Project(tmp_path).run("python", "-c", code, env=CODE).stdout
    assert printed.split() == ["1"] * 4


def test_images_may_be_in_a_file(tmp_path: Path) -> None:
    saved(tmp_path / "model.h5")
    images = random_split(7).images
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    classifier = Classifier(tmp_path / "model.h5", batch_size=3)
    np.testing.assert_array_equal(classifier.logits(mapped), classifier.logits(images))


def test_no_images_have_no_log_odds(tmp_path: Path) -> None:
    saved(tmp_path / "model.h5")
    logits = Classifier(tmp_path / "model.h5", 3).logits(np.zeros((0, 32, 32, 3), np.uint8))
    assert logits.shape == (0,)
    assert logits.dtype == np.float32


@pytest.mark.parametrize(
    "head",
    [
        [keras.layers.Dense(1, activation="sigmoid", name="last")],
        [keras.layers.Dense(2, name="last")],
        [keras.layers.Dense(2, activation="sigmoid", name="last")],
        [keras.layers.Dense(3, activation="softmax", name="last")],
    ],
    ids=["one sigmoid", "no softmax", "two sigmoids", "three labels"],
)
def test_a_network_with_another_head_is_refused_in_one_sentence(
    tmp_path: Path, head: list[keras.layers.Layer]
) -> None:
    flatten = keras.layers.Flatten()
    keras.Sequential([keras.Input((4, 4, 3)), flatten, *head]).save(tmp_path / "model.h5")
    with pytest.raises(InputError) as refused:
        Classifier(tmp_path / "model.h5", batch_size=3)
    expected = "model.h5: must end in the softmax of two labels, found last"
    assert str(refused.value) == f"{tmp_path}/{expected}"


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"hello")
    for name in ("model.h5", "missing.h5"):
        with pytest.raises(InputError, match=rf"{name}: cannot be read as a Keras model") as error:
            Classifier(tmp_path / name, batch_size=3)
        assert "\n" not in str(error.value)


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "model.h5")
    classifier = Classifier(tmp_path / "model.h5", batch_size=3)
    with pytest.raises(InputError, match=r"takes images of \(32, 32, 3\), found \(16, 16, 3\)"):
        classifier.logits(np.zeros((1, 16, 16, 3), np.uint8))


def test_a_model_is_plain_keras_with_built_in_layers(tmp_path: Path) -> None:
    saved(tmp_path / "model.h5", conv_layers=[{"filters": 32}])
    network = keras.models.load_model(tmp_path / "model.h5", compile=False)
    assert {type(layer).__module__.split(".")[0] for layer in network.layers} == {"keras"}
    assert (tmp_path / "model.h5").stat().st_size < 3_000_000
