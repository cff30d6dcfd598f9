"""The network of one variant, and how it is fitted."""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from stages.common.arrays import Split
from stages.common.progress import progress
from stages.networks.config import ModelConfig
from stages.networks.runtime import keras, tf
from stages.train.augment import augment
from stages.train.batches import Order, dataset
from stages.train.checkpoint import Checkpoint
from stages.train.distribute import DistributedModel, share
from stages.train.network import build
from stages.train.stopping import EarlyStopping, early_stopping
from stages.train.unfit import UnfitError

STEPS_PER_EXECUTION = 32
"""Steps that run before Python looks again: a small network's step is shorter than that look."""

VIEW = 1
"""Seeds with it draw views, and those without it change them."""
Fit = Callable[..., keras.callbacks.History]


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
        self.early_stopping = early_stopping(config)

    def fit(
        self, train: Split, validation: Split, curves: Path, checkpoint: Checkpoint | None = None
    ) -> None:
        """Train on `train`; write loss and accuracy of both splits to the CSV file `curves`.

        The file grows with every epoch, so that it can be watched.

        Args:
            checkpoint: where the state after each epoch is kept, and training goes on from.

        Raises:
            UnfitError: the loss is not finite any more.
        """
        config = self.config
        model, fit = self._prepared(train, validation)
        with self.strategy.scope():
            kept = checkpoint.restore(model) if checkpoint else 0
            if checkpoint and config.strategy == "multi_worker":
                kept = share(self.strategy, model, kept, checkpoint.origin)
        if kept:
            print(f"going on after epoch {kept} of {config.epochs}", flush=True)
        early = self.early_stopping
        terminal = sys.stdout.isatty()
        callbacks = [
            keras.callbacks.CSVLogger(curves, append=kept > 0),
            *([early] if early else []),
            *([checkpoint] if checkpoint else []),
            *([] if terminal else [_Log()]),
        ]
        epochs = kept if early and early.is_over else config.epochs
        self._require_finite(fit(kept, epochs, callbacks, verbose=int(terminal)), kept)
        if early:
            print(f"least loss on validation: epoch {early.best_epoch + 1}", flush=True)

    def epochs(self, train: Split, validation: Split) -> Iterator[dict[str, float]]:
        """Train as `fit` does; after each epoch yield loss and accuracy of both splits, as it
        writes them. What is kept in the end are the weights of the last one.

        Raises:
            UnfitError: the loss is not finite any more.
        """
        _, fit = self._prepared(train, validation)
        early = EarlyStopping(self.config, restore_best_weights=False)
        for epoch in range(self.config.epochs):
            history = fit(epoch, epoch + 1, [early])
            self._require_finite(history, epoch)
            yield {name: values[-1] for name, values in history.history.items()}
            if early.is_over:
                return

    def _prepared(self, train: Split, validation: Split) -> tuple[keras.Model, Fit]:
        """Return the compiled model, and Keras's `fit` of it on these splits."""
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
        knows_epoch = keras.callbacks.LambdaCallback(on_epoch_begin=epoch.begin)

        def fit(
            done: int, epochs: int, callbacks: list[keras.callbacks.Callback], verbose: int = 0
        ) -> keras.callbacks.History:
            return model.fit(
                training_data,
                validation_data=validation_data,
                initial_epoch=done,
                epochs=epochs,
                shuffle=False,
                callbacks=[knows_epoch, keras.callbacks.TerminateOnNaN(), *callbacks],
                verbose=verbose,
            )

        return model, fit

    def _require_finite(self, history: keras.callbacks.History, done: int) -> None:
        """Refuse what has come of training after `done` epochs where it has gone astray."""
        losses = history.history.get("loss", [])  # none where all epochs were done before
        # The last step may break the weights after its loss was computed.
        weights_are_finite = all(np.isfinite(w.numpy()).all() for w in self.network.weights)
        if losses and not (np.isfinite(losses[-1]) and weights_are_finite):
            raise UnfitError(
                f"loss or weights are not finite in epoch {done + len(losses)} of "
                f"{self.config.epochs} (loss {losses[-1]}); a lower learning_rate than "
                f"{self.config.learning_rate} may help"
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

    def save(self, path: Path) -> None:
        """Write the network, without its optimizer, to the `.h5` file `path`."""
        self.network.save(path, include_optimizer=False)


class _Log(keras.callbacks.Callback):
    """Prints a line after each epoch, and of a long one, how far it is."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.name = f"epoch {epoch + 1}/{self.params['epochs']}"
        self.shown = progress(total=self.params["steps"], desc=self.name, unit=" batches")

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.shown.update(batch + 1 - self.shown.n)  # several run before Python looks again

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.shown.close()
        values = ", ".join(f"{name} {value:.4f}" for name, value in sorted(logs.items()))
        print(f"{self.name}: {values}", flush=True)


class _Epoch:
    """Which epoch is running, so that its order is a function of seed and epoch alone.

    TensorFlow never lets go of what reads batches: if this were a callback, which knows its model,
    no network that was trained here would ever leave the memory.
    """

    number = 0

    def begin(self, epoch: int, logs: object) -> None:
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
