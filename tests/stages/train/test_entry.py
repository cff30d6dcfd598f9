"""entry: a network sees whole images scaled, crops cut, and of each image one view at a time."""

from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from stages.common.arrays import Split
from stages.networks.config import ModelConfig
from stages.networks.kinds import batch_of, of_kinds
from stages.networks.runtime import keras
from stages.train.batches import dataset
from stages.train.entry import enter
from stages.train.model import CNNModel
from tests.helpers import patches
from tests.stages.train.test_model import config

pytestmark = pytest.mark.usefixtures("tensorflow")

KINDS = ("whole", "crop", "crop")


def network(chosen: ModelConfig) -> keras.Model:
    """Return what lies between the images and the other layers of a network."""
    return keras.Model(*enter(chosen, (48, 64, 3)))


def seen(chosen: ModelConfig, image: np.ndarray, kind: str) -> np.ndarray:
    of = network(chosen)
    return np.asarray(of(batch_of(of, image[np.newaxis].astype(np.float32), kind)))[0]


@pytest.fixture
def image() -> np.ndarray:
    return np.asarray(patches(1, 64, 48))


def test_whole_images_are_scaled_and_crops_are_cut(image: np.ndarray) -> None:
    """Pillow's bilinear filter is the antialiased one, too, and rounds to whole levels."""
    scaled = np.asarray(Image.fromarray(image).resize((32, 24), Image.Resampling.BILINEAR))
    middle = image[12:36, 16:48]
    for views in ("whole", "both"):
        found = seen(config(views=views, input_size=[24, 32]), image, "whole")
        np.testing.assert_allclose(found, scaled, atol=1.01)
    for views in ("crops", "both"):
        found = seen(config(views=views, input_size=[24, 32]), image, "crop")
        np.testing.assert_array_equal(found, middle)


@pytest.mark.parametrize(
    ("views", "places", "inputs"),
    [("whole", [0], ["image"]), ("crops", [1, 2], ["crop"]), ("both", [0, 1, 2], ["view"])],
)
def test_the_input_says_which_views_it_takes(
    views: str, places: list[int], inputs: list[str]
) -> None:
    same_size, smaller = (
        network(config(views=views, input_size=size)) for size in (None, [24, 24])
    )
    assert [tensor.name for tensor in same_size.inputs] == inputs
    assert len(same_size.layers) == 1, "nothing is scaled or cut"
    assert [tensor.name for tensor in smaller.inputs] == inputs + ["is_whole"] * (views == "both")
    assert of_kinds(same_size, KINDS) == of_kinds(smaller, KINDS) == places


def drawn(views: str, seed: int, size: list[int] | None = None) -> list[tuple[Any, np.ndarray]]:
    """Return the batches of an epoch over images whose pixels say which view they are."""
    images = np.tile(np.arange(3, dtype=np.uint8)[:, None, None, None], (40, 1, 48, 64, 3))
    batches = dataset(
        Split(images, np.zeros(40, np.uint8), KINDS),
        network(config(views=views, input_size=size)),
        steps=4,
        batch=lambda step: np.arange(10 * step, 10 * step + 10),
        seed=lambda step: [seed, step],
    )
    return list(batches.as_numpy_iterator())


def test_an_epoch_draws_one_view_of_each_image_by_seed_and_step() -> None:
    for views, places in (("whole", {0}), ("crops", {1, 2}), ("both", {0, 1, 2})):
        found = [images[:, 0, 0, 0].tolist() for images, _ in drawn(views, seed=1)]
        assert [len(batch) for batch in found] == [10] * 4
        assert {*np.ravel(found)} == places
        assert found == [images[:, 0, 0, 0].tolist() for images, _ in drawn(views, seed=1)]
    assert found[0] != found[1]
    assert found != [images[:, 0, 0, 0].tolist() for images, _ in drawn(views, seed=2)]


def test_a_network_that_treats_them_unlike_is_told_which_view_it_gets() -> None:
    for (images, is_whole), _ in drawn("both", seed=1, size=[24, 24]):
        np.testing.assert_array_equal(is_whole[:, 0, 0, 0], images[:, 0, 0, 0] == 0)


def test_a_network_of_both_learns_and_is_saved_with_built_in_layers(tmp_path: Any) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 200, (40, 3, 32, 32, 3)).astype(np.uint8)
    labels = (np.arange(40) % 2).astype(np.uint8)
    pixels[labels == 1] += 50
    split = Split(pixels, labels, KINDS)
    chosen = config(
        views="both", input_size=[16, 16], epochs=40, batch_size=8, dense_units=0, dropout=0.0,
        conv_layers=[{"filters": 4, "pool": 2}], learning_rate=0.01, head="global_average",
    )  # fmt: skip
    model = CNNModel(chosen, (32, 32, 3))
    model.fit(split, split, tmp_path / "curves.csv")
    model.save(tmp_path / "model.h5")
    loaded = keras.models.load_model(tmp_path / "model.h5", compile=False)
    for place, kind in enumerate(KINDS):
        views = batch_of(loaded, pixels[:, place].astype(np.float32), kind)
        p_fake = loaded.predict(views, verbose=0)[:, 1]
        assert roc_auc_score(labels, p_fake) > 0.95
        np.testing.assert_array_equal(p_fake, model.network.predict(views, verbose=0)[:, 1])
