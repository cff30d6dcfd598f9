"""When a training ends before its last epoch, and which epoch's weights it keeps."""

import math
from typing import NamedTuple

import numpy as np

from stages.networks.config import ModelConfig
from stages.networks.runtime import keras


class Stopped(NamedTuple):
    """How far `EarlyStopping` has come."""

    best_loss: float
    best_epoch: int
    waited: int
    """Epochs since the best one."""
    weights: list[np.ndarray]
    """Of the best epoch, where these are kept; else none."""


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's own, by the loss on validation, that goes on where a killed training was.

    It keeps its state from one `fit` to the next, so that epochs may be fitted one by one.
    """

    def __init__(self, config: ModelConfig, restore_best_weights: bool):
        """Stop `config.patience` epochs after the best one; None: never.

        Args:
            restore_best_weights: whether the network has those of the best epoch in the end.
        """
        super().__init__(
            monitor="val_loss",
            mode="min",
            patience=config.patience or math.inf,
            restore_best_weights=restore_best_weights,
        )
        super().on_train_begin()

    def on_train_begin(self, logs: object = None) -> None:
        """Keep the state, which Keras's own forgets here."""

    @property
    def is_over(self) -> bool:
        """Whether patience has come to its end."""
        return bool(self.wait >= self.patience)

    @property
    def state(self) -> Stopped:
        """What `restore` takes."""
        best = math.inf if self.best is None else float(self.best)
        return Stopped(best, self.best_epoch, self.wait, self.best_weights or [])

    def restore(self, state: Stopped) -> None:
        """Go on from `state`."""
        self.best = None if math.isinf(state.best_loss) else state.best_loss
        self.best_epoch, self.wait = state.best_epoch, state.waited
        self.best_weights = state.weights or None


def early_stopping(config: ModelConfig) -> EarlyStopping | None:
    """Return what keeps the best epoch of `config` or ends it early, if it asks for that."""
    if config.keep == "last" and config.patience is None:
        return None
    return EarlyStopping(config, restore_best_weights=config.keep == "best")
