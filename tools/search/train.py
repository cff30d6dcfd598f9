"""What a trial does: train the folds of one configuration side by side, and measure them."""

import gc
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.common.arrays import Split
from stages.networks.config import FrozenConfig, ModelConfig
from stages.networks.runtime import keras, start
from stages.train.checkpoint import Rows
from stages.train.frozen import FrozenModel
from stages.train.model import CNNModel
from tools.search.folds import Folds

PREFIX = "val_"
"""Of what Keras measures on validation."""


class Epoch(NamedTuple):
    """What came of the folds in an epoch: accuracy and loss of each."""

    accuracy: list[float]
    loss: list[float]


def by_epoch(config: ModelConfig, folds: Folds) -> Iterator[Epoch]:
    """Train a network on each fold, all for an epoch before any for the next; yield each epoch.

    A network is fitted as `train` does it. With `keep: best`, what counts of a fold is its best
    epoch so far; one that is out of patience stays as it is.

    Raises:
        UnfitError: the configuration does not fit the images, or a loss is not finite any more.
    """
    keras.backend.clear_session()
    gc.collect()  # the networks of the last trial
    chosen = config.model_copy(update={"validation_steps": None})
    trainings = []
    for fold in folds.folds:
        start(chosen.seed)
        train, validation = folds.of(fold)
        model = CNNModel(chosen, train.images.shape[-3:])
        trainings.append(model.epochs(train, validation))
    seen: list[list[dict[str, float]]] = [[] for _ in trainings]
    for _ in range(chosen.epochs):
        now = [next(training, None) for training in trainings]
        if not any(now):
            return
        for logs, log in zip(seen, now, strict=True):
            logs += [log] if log else []
        found = [counted(logs, config.keep) for logs in seen]
        yield Epoch(*([log[PREFIX + name] for log in found] for name in Epoch._fields))


def counted(logs: Sequence[dict[str, float]], keep: str) -> dict[str, float]:
    """Return what counts of a fold: its last epoch, or the one with the least loss."""
    if keep == "last":
        return logs[-1]
    return min(logs, key=lambda log: log[f"{PREFIX}loss"])


class Backbones:
    """Fits regressions on a backbone that stays as it is, and keeps its last features."""

    def __init__(self) -> None:
        self.key, self.rows = "", np.empty(0)

    def fit(self, config: FrozenConfig, folds: Folds) -> Epoch:
        """Fit a regression on each of `folds`, always the same ones; return what it gives."""
        start(seed=0)
        model = FrozenModel(config, folds.split.images.shape[-3:])
        key = str(config.model_dump(exclude={"head_l2"}))
        if key != self.key:
            self.key, self.rows = key, _features(model, folds.split)
        labels, rows = folds.split.labels, self.rows
        logs = [
            model.fit_features(
                rows[fold.train], labels[fold.train], rows[fold.validation], labels[fold.validation]
            )
            for fold in folds.folds
        ]
        return Epoch(*([log[PREFIX + name] for log in logs] for name in Epoch._fields))


def _features(model: FrozenModel, twice: Split) -> np.ndarray:
    """Return the features of all images, which `twice` has twice, as it has them."""
    once = len(twice.labels) // 2
    images, labels, views = twice
    with tempfile.TemporaryDirectory() as scratch:
        kept = Rows(Path(scratch) / "features", "")
        rows = model.features([Split(images[:once], labels[:once], views)], kept)
    return np.concatenate([rows, rows])
