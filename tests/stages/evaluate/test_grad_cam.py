"""grad_cam: by the definition, in NumPy, from a network's weights."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.evaluate.grad_cam import _last_maps, heat_maps
from stages.networks.runtime import keras
from stages.train.model import CNNModel
from tests.stages.train.test_model import config, random_split

pytestmark = pytest.mark.usefixtures("tensorflow")


def network(**changes: Any) -> keras.Model:
    """Return a network that gives scores, as a classifier has it."""
    built = CNNModel(config(**changes), (32, 32, 3)).network
    built.layers[-1].activation = keras.activations.linear
    return built


def outputs(of: keras.Model, layer: str, images: np.ndarray) -> np.ndarray:
    model = keras.Model(of.inputs[0], of.get_layer(layer).output)
    return np.asarray(model(images.astype(np.float32))).astype(float)


def normalised(heat: np.ndarray) -> np.ndarray:
    """Return ReLU(`heat`), [N, height, width], with a highest value of 1 in each image."""
    heat = np.maximum(heat, 0)
    highest = heat.max(axis=(1, 2), keepdims=True)
    return np.divide(heat, highest, out=np.zeros_like(heat), where=highest > 0)


@pytest.mark.parametrize("label", [0, 1])
def test_behind_global_average_pooling_grad_cam_is_cam(label: int) -> None:
    """Section 3.1 of the paper: a map's weight is that of the dense layer, but for a factor."""
    layers = [{"filters": 4, "pool": 2}, {"filters": 6, "padding": "same"}]
    of = network(conv_layers=layers, head="global_average", dense_units=0)
    last_kernel, last_bias = of.get_layer("probabilities").get_weights()
    # Some maps speak for either label, some against it.
    signs = [[1, -1], [-1, 1], [1, 1], [-1, -1], [1, -1], [-1, 1]]
    of.get_layer("probabilities").set_weights([np.abs(last_kernel) * signs, last_bias])
    images = random_split(5).images
    weights, _ = of.get_layer("probabilities").get_weights()
    maps = outputs(of, "activation_2", images)
    cam = np.maximum((maps * weights[:, label]).sum(axis=-1), 0)
    # Pillow enlarges bilinearly, too.
    larger = [
        np.asarray(
            Image.fromarray(heat.astype(np.float32)).resize((32, 32), Image.Resampling.BILINEAR)
        )
        for heat in cam
    ]
    assert maps.shape[1:3] == (15, 15)

    found = heat_maps(of, images, "whole", np.full(5, label))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, normalised(np.stack(larger)), atol=1e-4)
    np.testing.assert_array_equal(found.max(axis=(1, 2)), 1)


@pytest.mark.parametrize("label", [0, 1])
def test_behind_dense_layers_weights_are_mean_gradients(label: int) -> None:
    layers = [{"filters": 3, "padding": "same"}]
    of = network(conv_layers=layers, head="flatten", dense_units=8)
    images = random_split(3).images
    maps = outputs(of, "activation_1", images)
    hidden, hidden_bias, last, last_bias = (w.astype(float) for w in of.get_weights()[-4:])

    def score(maps: np.ndarray) -> np.ndarray:
        units = np.maximum(maps.reshape(len(maps), -1) @ hidden + hidden_bias, 0)
        return (units @ last + last_bias)[:, label]

    # To add the same to every place of a map adds up its gradients.
    step = 1e-6 * np.eye(3)
    weights = np.stack([(score(maps + s) - score(maps - s)) / 2e-6 for s in step], axis=-1)
    expected = normalised(np.einsum("nhwk,nk->nhw", maps, weights))
    found = heat_maps(of, images, "whole", np.full(3, label))
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert found.max() > 0


def test_each_image_has_its_own_label_and_scale() -> None:
    of = network(conv_layers=[{"filters": 6}], head="global_average", dense_units=0)
    images = random_split(4).images
    images[1] //= 16
    mixed = heat_maps(of, images, "whole", np.array([0, 1, 1, 0]))
    for label in (0, 1):
        alone = heat_maps(of, images, "whole", np.full(4, label))
        same = [np.allclose(one, other, atol=1e-5) for one, other in zip(mixed, alone, strict=True)]
        assert same == [label == 0, label == 1, label == 1, label == 0]


def test_where_nothing_speaks_for_the_label_all_is_zero() -> None:
    of = network(conv_layers=[{"filters": 4}], head="global_average", dense_units=0)
    kernel, bias, last, last_bias = of.get_weights()
    of.set_weights([kernel, bias, np.abs(last) * [-1, 1], last_bias])
    images = random_split(2).images
    # Maps are positive behind a ReLU, and each of them speaks against REAL.
    against, for_it = heat_maps(of, images, "whole", np.array([0, 1]))
    np.testing.assert_array_equal(against, 0)
    assert for_it.max() == 1


@pytest.mark.parametrize("head", ["flatten", "global_average"])
def test_the_maps_are_the_last_ones_before_any_pooling(head: str) -> None:
    layers = [{"filters": 2, "pool": 2}, {"filters": 3, "batch_normalization": True, "pool": 2}]
    of = network(conv_layers=layers, head=head, dense_units=4)
    last = _last_maps(of)
    assert last is of.get_layer("activation_2").output
    assert last.shape == (None, 13, 13, 3)


@pytest.mark.parametrize("kind", ["whole", "crop"])
def test_heat_lies_where_a_network_of_smaller_size_looked(kind: str) -> None:
    """It scales whole images to 16x16, and cuts 16x16 from the middle of crops of 32x32."""
    of = network(
        conv_layers=[{"filters": 4, "padding": "same"}], views="both", input_size=[16, 16],
        head="global_average", dense_units=0,
    )  # fmt: skip
    found = heat_maps(of, random_split(4).images, kind, np.array([0, 1, 0, 1]))
    assert found.shape == (4, 32, 32)
    assert found.max() == 1
    around = found.copy()
    around[:, 8:24, 8:24] = 0
    assert (around.max() == 0) == (kind == "crop")


def test_a_network_without_maps_explains_nothing() -> None:
    inside = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()]
    )
    image = keras.Input((8, 8, 3), name="image")
    of = keras.Model(image, keras.layers.Dense(2)(inside(image)))
    found = heat_maps(of, random_split(2).images[:, :8, :8], "whole", np.array([0, 1]))
    np.testing.assert_array_equal(found, np.zeros((2, 8, 8)))
