"""network: shortcuts add what went in before, in the shape of what comes out."""

from typing import Any

import numpy as np
import pytest

from stages.common.command import InputError
from stages.train.network import build
from tests.stages.train.test_model import config

pytestmark = pytest.mark.usefixtures("tensorflow")

PLAIN = {"filters": 3, "padding": "same"}


def network(layers: list[dict[str, Any]], **changes: Any) -> Any:
    head = {"head": "global_average", "dense_units": 0, "dropout": 0.0}
    return build(config(conv_layers=layers, **{**head, **changes}), (8, 8, 3))


def test_a_shortcut_adds_what_entered_so_many_layers_before() -> None:
    """Convolutions of zeros leave the shortcut alone: what was normalised comes out, activated."""
    of = network([PLAIN, {**PLAIN, "shortcut": 2}])
    of.set_weights(
        [np.zeros_like(w.numpy()) if "conv" in w.path else w.numpy() for w in of.weights]
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.float32)
    maps = of.get_layer("global_average").input
    import keras

    found = keras.Model(of.inputs, maps).predict(images, verbose=0)
    np.testing.assert_allclose(found, images / 255, rtol=1e-6)


def test_a_shortcut_leaves_out_no_more_layers_than_it_says() -> None:
    """All convolutions keep what they are given, so that each sum doubles it."""
    of = network([PLAIN, PLAIN, {**PLAIN, "shortcut": 1}, {**PLAIN, "shortcut": 3}])
    keep = np.zeros((3, 3, 3, 3), np.float32)
    keep[1, 1] = np.eye(3)
    halved = {"conv_1": 0.5, "conv_2": 0.5, "conv_3": 1.0, "conv_4": 1.0}
    for name, factor in halved.items():
        of.get_layer(name).set_weights([keep * factor, np.zeros(3)])
    images = np.full((1, 8, 8, 3), 255, np.float32)
    import keras

    found = keras.Model(of.inputs, of.get_layer("global_average").input).predict(images, verbose=0)
    # 1, halved twice; what entered layer 3 comes again: 1/2; what entered layer 2 comes again.
    np.testing.assert_allclose(found, 1 / 4 + 1 / 4 + 1 / 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("strategy", "together"), [("single", False), ("mirrored", True), ("multi_worker", True)]
)
def test_batch_normalisation_is_over_all_devices(strategy: str, together: bool) -> None:
    layer = {"filters": 5, "padding": "same", "stride": 2, "batch_normalization": True}
    of = network([{**layer, "shortcut": 1}], strategy=strategy)
    for name in ("batch_normalization_1", "shortcut_normalization_1"):
        assert of.get_layer(name).synchronized is together


def test_a_shortcut_into_another_shape_goes_through_a_convolution_of_one_pixel() -> None:
    layer = {"filters": 5, "padding": "same", "stride": 2, "batch_normalization": True}
    of = network([{**layer, "shortcut": 1}])
    # 3*3*3*5 and 3*5 weights, each with 4 numbers a filter of normalisation; 5*2+2 at the end.
    assert of.count_params() == 135 + 20 + 15 + 20 + 12
    assert of.get_layer("add_1").output.shape == (None, 4, 4, 5)


def test_a_shortcut_that_cannot_have_the_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"layer 1 has 6x6 pixels.*\(8x8\); set padding: same"):
        network([{"filters": 3, "shortcut": 1}])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_in_16_bits_and_answers_in_32(precision: str) -> None:
    import keras

    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(precision)
    try:
        of = network([PLAIN])
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert of.get_layer("conv_1").compute_dtype == precision.removeprefix("mixed_")
    assert {w.dtype for w in of.weights} == {"float32"}
    assert of.get_layer("probabilities").compute_dtype == "float32"
