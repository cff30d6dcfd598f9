"""train: the network is the one that was asked for, and an epoch is what Keras means by one."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.common.arrays import Split
from stages.common.command import InputError
from stages.common.params import validate
from stages.configure.resolve import merge
from stages.configure.schema import ModelSchema
from stages.networks.config import ModelConfig
from stages.networks.runtime import keras, tf
from stages.train.batches import Order
from stages.train.model import CNNModel, _optimizer
from tests.stages.configure.test_resolve import PARAMS

pytestmark = pytest.mark.usefixtures("tensorflow")


def config(**changes: Any) -> ModelConfig:
    return validate(ModelSchema, merge(PARAMS["train"], changes), "train")


def random_split(images: int, seed: int = 0) -> Split:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (images, 32, 32, 3)).astype(np.uint8)
    return Split(pixels, (np.arange(images) % 2).astype(np.uint8))


def test_the_base_network_is_the_studys_at_32_pixels() -> None:
    network = CNNModel(config(), (32, 32, 3)).network
    # 3*3*3*32+32; 3*3*32*32+32; 32 -> 30 -> 15 -> 13 -> 6 pixels, so 6*6*32*512+512; 512*2+2.
    assert network.count_params() == 896 + 9248 + 590_336 + 1026
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == [
        "InputLayer", "Rescaling", "Conv2D", "Activation", "MaxPooling2D", "Conv2D", "Activation",
        "MaxPooling2D", "Flatten", "Dropout", "Dense", "Dense",
    ]  # fmt: skip
    assert network.output_shape == (None, 2)


def test_every_key_of_a_convolution_layer_and_the_head_is_used() -> None:
    layer = {"filters": 5, "kernel_size": 5, "stride": 2, "padding": "same"}
    changes = {"batch_normalization": True, "pool": 2}
    network = CNNModel(
        config(conv_layers=[layer | changes], head="global_average", dense_units=0), (32, 32, 3)
    ).network
    # No bias before batch normalisation, which has 4 numbers a filter; 5*2+2 at the end.
    assert network.count_params() == 5 * 5 * 3 * 5 + 4 * 5 + 12
    assert network.get_layer("pool_1").output.shape == (None, 8, 8, 5)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"filters": 2, "pool": 2}] * 5, "layer 4 needs 3x3 pixels where only 2x2 are left"),
        ([{"filters": 2, "kernel_size": 31, "pool": 3}], "layer 1 needs 3x3 .* only 2x2"),
        ([{"filters": 2, "padding": "same", "pool": 8}] * 3, "layer 2 .* only 4x4"),
    ],
)
def test_layers_that_shrink_the_image_to_nothing_are_refused(layers: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CNNModel(config(conv_layers=layers), (32, 32, 3))


def test_images_enter_as_0_to_255() -> None:
    network = CNNModel(config(), (32, 32, 3)).network
    pixels = random_split(4).images
    without = keras.Model(network.get_layer("normalise").output, network.output)
    expected = without.predict(pixels.astype(np.float32) / 255, verbose=0)
    np.testing.assert_allclose(network.predict(pixels, verbose=0), expected, rtol=1e-5)


def test_a_pass_sees_every_image_once_and_the_next_in_another_order() -> None:
    order = Order(images=10, batch_size=4, seed=1)
    batches = [order.batch(number) for number in range(6)]
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2]
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(second)


def test_the_order_follows_from_seed_and_place_alone() -> None:
    one, other = Order(10, 4, seed=1), Order(10, 4, seed=1)
    for number in (5, 0, 3):
        np.testing.assert_array_equal(one.batch(number), other.batch(number))
    assert list(Order(10, 10, seed=2).batch(0)) != list(Order(10, 10, seed=1).batch(0))


def test_steps_and_validation_steps_count_batches(tmp_path: Path) -> None:
    model = CNNModel(
        config(
            epochs=2, batch_size=4, steps_per_epoch=2, validation_steps=2, dense_units=0,
            conv_layers=[{"filters": 2}],
        ),
        (32, 32, 3),
    )  # fmt: skip
    seen: list[int] = []

    class Counting:
        """Stands for an array of images in memory; notes how many are read at a time."""

        shape, ndim, base = (10, 32, 32, 3), 4, None

        def __getitem__(self, numbers: Any) -> np.ndarray:
            images = random_split(10).images[numbers]
            seen.append(len(images))
            return images

    labels = random_split(10).labels
    model.fit(Split(Counting(), labels), Split(Counting(), labels), tmp_path / "c.csv")  # type: ignore[arg-type]
    # A pass over ten images is batches of 4, 4 and 2. An epoch takes the next two of them, and
    # then two validation batches of 4.
    assert seen == [4, 4, 4, 4, 2, 4, 4, 4]
    curves = pd.read_csv(tmp_path / "c.csv")
    assert list(curves.columns) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert list(curves["epoch"]) == [0, 1]


def test_one_plain_sgd_step_is_worked_out_by_hand(tmp_path: Path) -> None:
    """One step from the same weights: w - learning_rate * gradient, with TensorFlow's gradient."""
    changes = {
        "optimizer": "sgd", "learning_rate": 0.1, "dropout": 0.0, "batch_size": 8, "epochs": 1,
        "conv_layers": [{"filters": 2}], "dense_units": 0,
    }  # fmt: skip
    model = CNNModel(config(**changes), (32, 32, 3))
    split = random_split(8)
    before = [weight.numpy() for weight in model.network.trainable_weights]
    with tf.GradientTape() as tape:
        p = model.network(split.images.astype(np.float32))
        chosen = tf.gather(p, split.labels.astype(np.int32), axis=1, batch_dims=1)
        loss = -tf.reduce_mean(tf.math.log(chosen))
    gradients = tape.gradient(loss, model.network.trainable_weights)
    model.fit(split, split, tmp_path / "c.csv")
    for weight, old, gradient in zip(
        model.network.trainable_weights, before, gradients, strict=True
    ):
        np.testing.assert_allclose(weight.numpy(), old - 0.1 * gradient.numpy(), atol=1e-5)


def test_a_loss_that_is_not_finite_stops_with_the_epoch(tmp_path: Path) -> None:
    model = CNNModel(config(optimizer="sgd", learning_rate=100, epochs=30), (32, 32, 3))
    with pytest.raises(
        InputError, match=r"not finite in epoch \d+ of 30 \(loss (nan|inf)\); a lower"
    ):
        model.fit(random_split(64), random_split(8), tmp_path / "c.csv")


def test_weights_that_the_last_step_broke_are_not_kept(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 100, "epochs": 1}
    layers = [{"filters": 2}]
    model = CNNModel(config(**changes, conv_layers=layers, dense_units=0), (32, 32, 3))
    kernel, bias, last_kernel, last_bias = (w.numpy() for w in model.network.weights)
    # The loss of this only step is finite, the gradient of the first layer is not.
    last_kernel = np.full_like(last_kernel, 1e36) * [1, -1]
    model.network.set_weights([np.full_like(kernel, 1e-20), bias, last_kernel, last_bias])
    with pytest.raises(InputError, match=r"not finite in epoch 1 of 1 \(loss \d"):
        model.fit(random_split(32), random_split(8), tmp_path / "c.csv")


def test_part_of_the_validation_images_holds_both_labels(tmp_path: Path) -> None:
    """Images come sorted by label, and the curves of one label alone say nothing."""
    changes: dict[str, Any] = {"epochs": 1, "batch_size": 8, "validation_steps": 2}
    model = CNNModel(config(**changes, conv_layers=[{"filters": 2}]), (32, 32, 3))
    model.network.set_weights([np.zeros_like(w.numpy()) for w in model.network.weights])
    seen: list[int] = []

    class Noting:
        """Stands for sorted labels; notes which are read."""

        def __len__(self) -> int:
            return 64

        def __getitem__(self, numbers: Any) -> np.ndarray:
            labels = (np.arange(64) >= 32).astype(np.uint8)[numbers]
            seen.extend(labels)
            return labels

    validation = Split(random_split(64).images, Noting())  # type: ignore[arg-type]
    model.fit(random_split(8), validation, tmp_path / "c.csv")
    assert len(seen) == 16
    assert set(seen) == {0, 1}


def test_cosine_with_warm_up_rises_and_falls_to_zero() -> None:
    optimizer = _optimizer(
        config(schedule="cosine", warmup_epochs=2, epochs=10, learning_rate=0.5), steps=10
    )
    rate = [float(optimizer._learning_rate(step)) for step in (0, 10, 20, 60, 100)]
    # Linear to 0.5 over 20 steps, then a half cosine over the other 80.
    assert rate == pytest.approx([0, 0.25, 0.5, 0.25, 0], abs=1e-6)


def test_a_warm_up_leaves_at_least_one_step_to_fall() -> None:
    chosen = config(schedule="cosine", warmup_epochs=0.9, epochs=1, learning_rate=0.5)
    rate = [float(_optimizer(chosen, steps=2)._learning_rate(step)) for step in (0, 1, 2)]
    assert rate == pytest.approx([0, 0.5, 0], abs=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "nadam"])
def test_the_optimizer_gets_its_parameters(name: str) -> None:
    momentum = 0.9 if name in ("sgd", "rmsprop") else 0.0
    optimizer = _optimizer(
        config(optimizer=name, learning_rate=0.25, weight_decay=0.01, momentum=momentum), steps=1
    )
    assert type(optimizer).__name__.lower() == name
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.weight_decay == 0.01
    assert getattr(optimizer, "momentum", 0.0) == momentum


def test_augmentation_changes_training_images_and_no_others(tmp_path: Path) -> None:
    """Of images that are dark on the left, half are mirrored in training, none in validation."""
    changes: dict[str, Any] = {"epochs": 1, "batch_size": 8, "conv_layers": [{"filters": 2}]}
    model = CNNModel(config(**changes, augmentation={"flip": "horizontal"}), (32, 32, 3))
    images = np.zeros((64, 32, 32, 3), np.uint8)
    images[:, :, 16:] = 255
    split = Split(images, (np.arange(64) % 2).astype(np.uint8))
    seen: dict[bool, list[bool]] = {True: [], False: []}

    def look(batch: Any, training: bool) -> None:
        seen[bool(training)].extend(batch.numpy()[:, 0, 0, 0] == 255)

    class Looking(keras.layers.Layer):
        """Notes which of the images that come by are mirrored."""

        def call(self, x: Any, training: bool = False) -> Any:
            tf.py_function(look, [x, training], [])
            return x

    model.network = keras.Sequential([keras.Input((32, 32, 3)), Looking(), model.network])
    model.fit(split, split, tmp_path / "c.csv")
    assert len(seen[True]) == len(seen[False]) == 64
    assert 16 < sum(seen[True]) < 48
    assert not any(seen[False])


def test_every_step_draws_other_numbers(tmp_path: Path) -> None:
    """Steps of two epochs mirror other images: which ones follows from seed and step alone."""
    found = []
    for _ in range(2):
        changes: dict[str, Any] = {"epochs": 2, "batch_size": 8, "steps_per_epoch": 1}
        chosen = config(**changes, conv_layers=[{"filters": 2}], augmentation={"flip": "vertical"})
        model = CNNModel(chosen, (32, 32, 3))
        split = random_split(8)
        seen: list[np.ndarray] = []

        class Noting(keras.layers.Layer):
            """Notes the images that come by."""

            def call(self, x: Any, seen: list[np.ndarray] = seen) -> Any:
                tf.py_function(lambda x: seen.append(x.numpy()), [x], [])
                return x

        model.network = keras.Sequential([keras.Input((32, 32, 3)), Noting(), model.network])
        model.fit(split, random_split(3), tmp_path / "c.csv")
        order = Order(8, 8, chosen.seed)
        mirrored = []
        for step, batch in enumerate([batch for batch in seen if len(batch) == 8]):
            given = split.images[order.batch(step)]
            pairs = zip(batch, given[:, ::-1], strict=True)
            mirrored.append([np.array_equal(image, other) for image, other in pairs])
        found.append(mirrored)
    assert found[0] == found[1]
    assert len(found[0]) == 2
    assert found[0][0] != found[0][1]


def test_xla_computes_the_same(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"optimizer": "sgd", "dropout": 0.0, "epochs": 1, "batch_size": 8}
    weights = []
    for xla in (False, True):
        keras.utils.set_random_seed(1)
        model = CNNModel(config(**changes, xla=xla, conv_layers=[{"filters": 2}]), (32, 32, 3))
        model.fit(random_split(16), random_split(8), tmp_path / "c.csv")
        assert model.network.jit_compile is xla
        weights.append(model.network.get_weights())
    for plain, compiled in zip(*weights, strict=True):
        np.testing.assert_allclose(plain, compiled, atol=1e-5)
