"""train: fit one variant's network.

In:  configs/<variant>.yaml, data/processed/train and data/processed/validation.
Out: models/<variant>.h5 and its training curves, plots/training/<variant>.csv.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stages.arrays import Split, load_split, read
from stages.command import InputError, command_line, run
from stages.config import ModelConfig
from stages.files import replacing
from stages.params import read_yaml, validate
from stages.runtime import keras, set_up, tf

STEPS_PER_EXECUTION = 32
"""Steps that run before Python looks again: a small network's step is shorter than that look."""


class CNNModel:
    """A convolutional network that takes images as 0..255 and returns (p_real, p_fake)."""

    def __init__(self, config: ModelConfig, image_shape: tuple[int, int, int]):
        """Build the network for images of `image_shape`: height, width, 3.

        Raises:
            InputError: the convolution layers shrink the images to nothing.
        """
        self.config = config
        self.network = _network(config, image_shape)

    def fit(self, train: Split, validation: Split, curves: Path) -> None:
        """Train on `train`; write loss and accuracy of both splits to the CSV file `curves`.

        Raises:
            InputError: the loss is not finite any more.
        """
        config = self.config
        steps = config.steps_per_epoch or math.ceil(len(train.labels) / config.batch_size)
        epoch = _Epoch()
        order = _Order(len(train.labels), config.batch_size, config.seed)
        training_data = _dataset(
            train, steps, lambda step: order.batch(epoch.number * steps + step)
        )
        # In an order of their own, since the first `validation_steps` batches of the manifest's
        # order would hold one label.
        validation_order = _Order(len(validation.labels), config.batch_size, config.seed)
        validation_batches = math.ceil(len(validation.labels) / config.batch_size)
        validation_data = _dataset(
            validation,
            min(validation_batches, config.validation_steps or validation_batches),
            validation_order.batch,
        )
        # What is trained is the network behind the augmentation; what is kept is the network.
        model = keras.Sequential(
            [keras.Input(self.network.input_shape[1:]), *_augmentation(config), self.network]
        )
        model.compile(
            optimizer=_optimizer(config, steps),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            steps_per_execution=min(steps, STEPS_PER_EXECUTION),
            jit_compile=False,
        )
        terminal = sys.stdout.isatty()
        one_line = [] if terminal else [keras.callbacks.LambdaCallback(on_epoch_end=self._report)]
        history = model.fit(
            training_data,
            validation_data=validation_data,
            epochs=config.epochs,
            shuffle=False,
            callbacks=[
                epoch,
                keras.callbacks.CSVLogger(curves),
                keras.callbacks.TerminateOnNaN(),
                *one_line,
            ],
            verbose=1 if terminal else 0,
        )
        losses = history.history["loss"]
        # The last step may break the weights after its loss was computed.
        weights_are_finite = all(np.isfinite(w.numpy()).all() for w in self.network.weights)
        if not (np.isfinite(losses[-1]) and weights_are_finite):
            raise InputError(
                f"loss or weights are not finite in epoch {len(losses)} of {config.epochs} "
                f"(loss {losses[-1]}); a lower learning_rate than {config.learning_rate} may help"
            )

    def _report(self, epoch: int, logs: dict[str, float]) -> None:
        values = ", ".join(f"{name} {value:.4f}" for name, value in sorted(logs.items()))
        print(f"epoch {epoch + 1}/{self.config.epochs}: {values}", flush=True)

    def save(self, path: Path) -> None:
        """Write the network, without its optimizer, to the `.h5` file `path`."""
        self.network.save(path)


class _Epoch(keras.callbacks.Callback):
    """Knows which epoch is running, so that its order is a function of seed and epoch alone."""

    number = 0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.number = epoch


def _network(config: ModelConfig, image_shape: tuple[int, int, int]) -> keras.Model:
    inputs = keras.Input(image_shape, name="image")
    x = keras.layers.Rescaling(1 / 255, name="normalise")(inputs)
    for number, layer in enumerate(config.conv_layers, start=1):
        if layer.padding == "valid":
            _require_pixels(x, layer.kernel_size, number)
        x = keras.layers.Conv2D(
            layer.filters,
            layer.kernel_size,
            layer.stride,
            layer.padding,
            use_bias=not layer.batch_normalization,
            name=f"conv_{number}",
        )(x)
        if layer.batch_normalization:
            x = keras.layers.BatchNormalization(name=f"batch_normalization_{number}")(x)
        x = keras.layers.Activation(config.activation, name=f"activation_{number}")(x)
        if layer.pool > 1:
            _require_pixels(x, layer.pool, number)
            x = keras.layers.MaxPooling2D(layer.pool, name=f"pool_{number}")(x)
    if config.head == "flatten":
        x = keras.layers.Flatten(name="flatten")(x)
    else:
        x = keras.layers.GlobalAveragePooling2D(name="global_average")(x)
    x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    if config.dense_units:
        x = keras.layers.Dense(config.dense_units, activation="relu", name="dense")(x)
    outputs = keras.layers.Dense(2, activation="softmax", name="probabilities")(x)
    return keras.Model(inputs, outputs, name="cnn")


def _require_pixels(x: keras.KerasTensor, needed: int, layer: int) -> None:
    height, width = x.shape[1:3]
    if min(height, width) < needed:
        raise InputError(
            f"conv_layers: layer {layer} needs {needed}x{needed} pixels where only "
            f"{height}x{width} are left; use fewer layers, pool less, or set padding: same"
        )


def _augmentation(config: ModelConfig) -> list[keras.layers.Layer]:
    chosen = config.augmentation
    layers: list[keras.layers.Layer] = []
    if chosen.flip != "none":
        mode = "horizontal_and_vertical" if chosen.flip == "both" else chosen.flip
        layers.append(keras.layers.RandomFlip(mode))
    if chosen.shift:
        layers.append(keras.layers.RandomTranslation(chosen.shift, chosen.shift))
    if chosen.rotation:
        layers.append(keras.layers.RandomRotation(chosen.rotation / 360))
    if chosen.zoom:
        layers.append(keras.layers.RandomZoom(chosen.zoom))
    return layers


def _optimizer(config: ModelConfig, steps: int) -> keras.optimizers.Optimizer:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = config.learning_rate
    if config.schedule == "cosine":
        warmup = min(round(config.warmup_epochs * steps), config.epochs * steps - 1)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else config.learning_rate,
            decay_steps=config.epochs * steps - warmup,
            warmup_target=config.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    options = {"momentum": config.momentum} if config.optimizer in ("sgd", "rmsprop") else {}
    return keras.optimizers.get(
        {
            "class_name": config.optimizer,
            "config": {
                "learning_rate": rate,
                "weight_decay": config.weight_decay or None,
                **options,
            },
        }
    )


class _Order:
    """The endless stream of batches: pass after pass over the images, each in its own order.

    An epoch takes the next `steps_per_epoch` batches of it, which is what Keras means by that.
    """

    def __init__(self, images: int, batch_size: int, seed: int):
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.pass_number, self.permutation = -1, np.empty(0, int)

    def batch(self, number: int) -> np.ndarray:
        """Return the image numbers of batch `number` of the stream: int, [at most batch_size]."""
        pass_number, place = divmod(number, math.ceil(self.images / self.batch_size))
        if pass_number != self.pass_number:
            random = np.random.default_rng([self.seed, pass_number])
            self.pass_number, self.permutation = pass_number, random.permutation(self.images)
        return self.permutation[place * self.batch_size : (place + 1) * self.batch_size]


def _dataset(split: Split, steps: int, batch: Callable[[int], np.ndarray]) -> tf.data.Dataset:
    """Return `steps` batches of images and labels; `batch` says which images are in each."""

    def read_batch(step: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = batch(int(step))
        return read(split.images, numbers), split.labels[numbers]

    def read_step(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.numpy_function(read_batch, [step], (tf.uint8, tf.uint8))
        images = tf.ensure_shape(images, (None, *split.images.shape[1:]))
        return images, tf.ensure_shape(labels, (None,))

    return tf.data.Dataset.range(steps).map(read_step).prefetch(2)


def main() -> None:
    parser = command_line("stages.train", __doc__)
    parser.add_argument("variant", help="a name in configs/, without .yaml")
    variant = parser.parse_args().variant
    config_file = Path("configs") / f"{variant}.yaml"
    config = validate(ModelConfig, read_yaml(config_file), str(config_file))
    set_up(config.seed, config.threads)
    train, validation = load_split("train"), load_split("validation")
    curves_path = Path("plots/training") / f"{variant}.csv"
    with replacing(Path("models") / f"{variant}.h5") as file, replacing(curves_path) as curves:
        try:
            model = CNNModel(config, train.images.shape[1:])
            model.fit(train, validation, curves)
        except InputError as error:
            raise InputError(f"{config_file}: {error}") from None
        model.save(file)


if __name__ == "__main__":
    run(main)
