"""A backbone that stays as it is, and a logistic regression on its features."""

import csv
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from threadpoolctl import threadpool_limits

from stages.common.arrays import Split, read
from stages.common.progress import progress
from stages.networks.config import FrozenConfig
from stages.networks.kinds import batch_of, of_kinds
from stages.networks.runtime import keras
from stages.train.backbone import features
from stages.train.checkpoint import Rows
from stages.train.entry import enter

TOLERANCE = 1e-10
"""Largest gradient of the loss at which it counts as fitted to the end."""
DIGITS = 6
"""Of each weight, and behind the point of the curves: the last ones tell of the solver's path."""


class FrozenModel:
    """A network of a backbone and a logistic regression, from 0..255 to (p_real, p_fake)."""

    def __init__(self, config: FrozenConfig, image_shape: tuple[int, ...]):
        """Build the network for views of `image_shape`: height, width, 3.

        Raises:
            UnfitError: the backbone cannot be used, see `stages.train.backbone`.
        """
        self.config = config
        inputs, x = enter(config, image_shape)
        x = features(config.backbone, x)
        self.backbone = keras.Model(inputs, x)
        self.standardise = keras.layers.Normalization(name="standardise")
        self.head = keras.layers.Dense(2, activation="softmax", name="probabilities")
        self.network = keras.Model(inputs, self.head(self.standardise(x)), name="frozen")

    def fit(self, train: Split, validation: Split, curves: Path, kept: Rows) -> None:
        """Fit the regression on `train`; write loss and accuracy of both to the CSV file `curves`.

        Its log-odds are linear in the features, so their mean over the views of an image is what
        the mean of the features gives: that is what it is fitted on, one row an image.

        Args:
            kept: where features are kept until the training has finished.
        """
        rows = self.features([train, validation], kept)
        first = len(train.labels)
        logs = self.fit_features(rows[:first], train.labels, rows[first:], validation.labels)
        logs = {"epoch": 0, **logs}
        with curves.open("w", newline="") as file:
            writer = csv.DictWriter(file, logs, lineterminator="\n")
            writer.writeheader()
            writer.writerow(logs)
        print(", ".join(f"{name} {value:.4f}" for name, value in logs.items() if name != "epoch"))

    def fit_features(
        self,
        of_train: np.ndarray,
        train_labels: np.ndarray,
        of_validation: np.ndarray,
        validation_labels: np.ndarray,
    ) -> dict[str, float]:
        """Fit the regression on features, float32, [N, D]; return loss and accuracy of both."""
        mean = of_train.mean(0, dtype=np.float64).astype(np.float32)
        variance = of_train.var(0, dtype=np.float64).astype(np.float32)
        self.standardise.set_weights([mean, variance, np.array(0)])
        self.standardise.finalize_state()

        def standardised(rows: np.ndarray) -> np.ndarray:
            deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
            return (rows.astype(np.float64) - mean) / deviation

        regression = LogisticRegression(
            C=1 / self.config.head_l2, solver="newton-cholesky", tol=TOLERANCE, max_iter=1000
        )
        with threadpool_limits(1):  # their number changes the sums
            regression.fit(standardised(of_train), train_labels)
        weights, bias = _rounded(regression.coef_[0]), _rounded(regression.intercept_)[0]
        # The softmax sees the difference of its two inputs alone: half of it for each.
        kernel = np.stack([-weights / 2, weights / 2], axis=1)
        self.head.set_weights([kernel, np.array([-bias / 2, bias / 2])])
        logs: dict[str, float] = {}
        for prefix, found, labels in (
            ("", of_train, train_labels),
            ("val_", of_validation, validation_labels),
        ):
            with threadpool_limits(1):
                log_odds = standardised(found) @ weights.astype(np.float64) + bias
            p_fake = 1 / (1 + np.exp(-log_odds))
            losses = {
                "accuracy": accuracy_score(labels, log_odds >= 0),
                "loss": log_loss(labels, p_fake, labels=[0, 1]),
            }
            logs |= {f"{prefix}{name}": round(value, DIGITS) for name, value in losses.items()}
        return logs

    def features(self, splits: list[Split], kept: Rows) -> np.ndarray:
        """Return the mean of the features over the views of each image: float32, [N, D]."""
        size, width = self.config.batch_size, self.backbone.output_shape[-1]
        batches = [(s, slice(n, n + size)) for s in splits for n in range(0, len(s.labels), size)]
        ends = np.cumsum([len(split.labels[numbers]) for split, numbers in batches]).tolist()
        done, start, looked_at = kept.restore(width, ends), time.perf_counter(), 0
        if done:
            print(f"going on after image {done} of {ends[-1]}")
        shown = progress(batches, desc="features", unit=" batches")
        for (split, numbers), end in zip(shown, ends, strict=True):
            if end <= done:
                continue
            images = len(split.labels[numbers])
            views = of_kinds(self.backbone, split.views)
            total = np.zeros((images, width))
            for place in views:
                chosen = numbers if split.images.ndim == 4 else (numbers, place)
                total += self._of_batch(read(split.images, chosen), split.views[place])
            kept.append((total / len(views)).astype(np.float32))
            looked_at += images * len(views)
        if looked_at:
            cost = 1000 * (time.perf_counter() - start) / looked_at
            print(f"{width} features: {cost:.1f} ms an image and view", flush=True)
        return kept.all(width)

    def _of_batch(self, images: np.ndarray, kind: str) -> np.ndarray:
        """Return the features of `images`; a smaller batch could take other kernels, so fill it."""
        missing = self.config.batch_size - len(images)
        full = np.pad(images, [(0, missing), (0, 0), (0, 0), (0, 0)])
        found = self.backbone.predict_on_batch(batch_of(self.backbone, full, kind))
        return np.asarray(found[: len(images)])

    def save(self, path: Path) -> None:
        """Write the network to the `.h5` file `path`."""
        self.network.save(path, include_optimizer=False)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.array([float(f"{value:.{DIGITS}g}") for value in values], np.float32)
