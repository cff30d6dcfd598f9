"""The network of one variant, and how it is fitted."""

import math
import sys
from pathlib import Path

import numpy as np

from stages.common.arrays import Split
from stages.networks.config import ModelConfig
from stages.networks.runtime import keras, tf
from stages.train.augment import augment
from stages.train.batches import Order, dataset
from stages.train.checkpoint import Checkpoint
from stages.train.distribute import DistributedModel, share
from stages.train.network import build
from stages.train.unfit import UnfitError

STEPS_PER_EXECUTION = 32
"""Steps that run before Python looks again: a small network's step is shorter than that look."""


VIEW = 1
"""Seeds with it draw views, and those without it change them."""


class CNNModel:
    """A convolutional network that takes images as 0..255 and returns (p_real, p_fake)."""

    def __init__(
        self,
        config: ModelConfig,
        image_shape: tuple[int, ...],
        strategy: tf.distribute.Strategy | None = None,
    ):
        """Build the network for views of `image_shape`: height, width, 3.

        Args:
            strategy: that of `config`; None: one device.

        Raises:
            UnfitError: the convolution layers shrink the images to nothing.
        """
        self.config = config
        self.strategy = strategy or tf.distribute.get_strategy()
        keras.mixed_precision.set_dtype_policy(config.precision)
        with self.strategy.scope():
            self.network = build(config, image_shape)

    def fit(
        self, train: Split, validation: Split, curves: Path, checkpoint: Checkpoint | None = None
    ) -> None:
        """Train on `train`; write loss and accuracy of both splits to the CSV file `curves`.

        Args:
            checkpoint: where the state after each epoch is kept, and training goes on from.

        Raises:
            UnfitError: the loss is not finite any more.
        """
        config = self.config
        steps = config.steps_per_epoch or math.ceil(len(train.labels) / config.batch_size)
        epoch = _Epoch()
        order = Order(len(train.labels), config.batch_size, config.seed)

        def change(images: np.ndarray, step: int) -> np.ndarray:
            random = np.random.default_rng([config.seed, epoch.number * steps + step])
            return augment(images, config.augmentation, random)

        training_data = dataset(
            train,
            self.network,
            steps,
            lambda step: order.batch(epoch.number * steps + step),
            lambda step: [config.seed, epoch.number * steps + step, VIEW],
            change,
        )
        # In an order of their own, since the first `validation_steps` batches of the manifest's
        # order would hold one label.
        validation_order = Order(len(validation.labels), config.batch_size, config.seed)
        validation_batches = math.ceil(len(validation.labels) / config.batch_size)
        validation_data = dataset(
            validation,
            self.network,
            min(validation_batches, config.validation_steps or validation_batches),
            validation_order.batch,
            lambda step: [config.seed, step, VIEW],
        )
        model = self._compiled(steps)
        with self.strategy.scope():
            kept = checkpoint.restore(model) if checkpoint else 0
            if checkpoint and config.strategy == "multi_worker":
                kept = share(self.strategy, model, kept, checkpoint.origin)
        if kept:
            print(f"going on after epoch {kept} of {config.epochs}", flush=True)
        terminal = sys.stdout.isatty()
        one_line = [] if terminal else [keras.callbacks.LambdaCallback(on_epoch_end=self._report)]
        history = model.fit(
            training_data,
            validation_data=validation_data,
            initial_epoch=kept,
            epochs=config.epochs,
            shuffle=False,
            callbacks=[
                epoch,
                keras.callbacks.CSVLogger(curves, append=kept > 0),
                keras.callbacks.TerminateOnNaN(),
                *([checkpoint] if checkpoint else []),
                *one_line,
            ],
            verbose=1 if terminal else 0,
        )
        losses = history.history.get("loss", [])  # none where all epochs were done before
        # The last step may break the weights after its loss was computed.
        weights_are_finite = all(np.isfinite(w.numpy()).all() for w in self.network.weights)
        if losses and not (np.isfinite(losses[-1]) and weights_are_finite):
            raise UnfitError(
                f"loss or weights are not finite in epoch {kept + len(losses)} of {config.epochs} "
                f"(loss {losses[-1]}); a lower learning_rate than {config.learning_rate} may help"
            )

    def _compiled(self, steps: int) -> keras.Model:
        """Return the network, or around it what several workers need, ready to be fitted."""
        config = self.config
        with self.strategy.scope():
            model = self.network
            if config.strategy == "multi_worker":
                model = DistributedModel(self.network.inputs, self.network.outputs)
            model.compile(
                optimizer=_optimizer(config, steps),
                loss="sparse_categorical_crossentropy",
                metrics=["accuracy"],
                # TensorFlow cannot run several steps at once in which devices wait for each other.
                steps_per_execution=(
                    min(steps, STEPS_PER_EXECUTION) if config.strategy == "single" else 1
                ),
                jit_compile=False,
            )
        if config.xla:
            # Keras 3.15 never compiles deterministic operations, since XLA lacks some of them; the
            # schema refuses those that could be used here.
            model._jit_compile = True
        return model

    def _report(self, epoch: int, logs: dict[str, float]) -> None:
        values = ", ".join(f"{name} {value:.4f}" for name, value in sorted(logs.items()))
        print(f"epoch {epoch + 1}/{self.config.epochs}: {values}", flush=True)

    def save(self, path: Path) -> None:
        """Write the network, without its optimizer, to the `.h5` file `path`."""
        self.network.save(path, include_optimizer=False)


class _Epoch(keras.callbacks.Callback):
    """Knows which epoch is running, so that its order is a function of seed and epoch alone."""

    number = 0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.number = epoch


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
