"""A trained network, read from its file: the one way in which every stage and tool predicts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.common.arrays import WHOLE, read
from stages.common.command import InputError
from stages.networks.kinds import batch_of, of_kinds
from stages.networks.runtime import keras

ROWS = 6
"""oneDNN's AVX2 kernels multiply so many rows of a matrix at a time, and one or two that are left
over by another kernel, whose sums differ in the last digit: so these stay empty."""


class Classifier:
    """A network that takes images as 0..255 and returns the log-odds of FAKE."""

    def __init__(self, path: Path, batch_size: int):
        """Load the network in `path`; it will see `batch_size` views at a time.

        Raises:
            InputError: `path` is missing, or holds no Keras model with probabilities of two labels.
        """
        self.path, self.batch_size = path, batch_size
        self.filled = batch_size - batch_size % ROWS or batch_size
        """Views that are in a batch, at most."""
        try:
            self.network = keras.models.load_model(path, compile=False)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: cannot be read as a Keras model: {reason}") from None
        last = self.network.layers[-1]
        if getattr(last, "activation", None) is not keras.activations.softmax or (
            self.network.output_shape[-1] != 2
        ):
            raise InputError(f"{path}: must end in the softmax of two labels, found {last.name}")
        # Probabilities near 0 and 1 are rounded; what the softmax is given is not.
        last.activation = keras.activations.linear

    def logits(self, images: np.ndarray, views: Sequence[str] = (WHOLE,)) -> np.ndarray:
        """Return the log-odds of FAKE (float32, [N]) of `images`: the mean over their views.

        Args:
            images, views: as for `logits_by_view`.

        Raises:
            InputError: as for `logits_by_view`.
        """
        return mean_over_views(self.logits_by_view(images, views))

    def logits_by_view(self, images: np.ndarray, views: Sequence[str] = (WHOLE,)) -> np.ndarray:
        """Return the log-odds of FAKE of each view that the network looks at: float32, [N, V].

        Those of an image are the same whatever others there are: a smaller batch could take other
        kernels, so all are filled up to one size.

        Args:
            images: uint8, [N, height, width, 3] or [N, views, height, width, 3], 0..255; may be
                memory-mapped.
            views: the kind of each view.

        Raises:
            InputError: the network takes images of another size, or views that are not there.
        """
        places = np.array(self._places(images, views))
        logits = np.empty(len(images) * len(places), np.float32)
        for start in range(0, len(logits), self.filled):
            rows = np.arange(start, min(start + self.filled, len(logits)))
            numbers, places_of = rows // len(places), places[rows % len(places)]
            batch = read(images, numbers if images.ndim == 4 else (numbers, places_of))
            logits[rows] = self._of_batch(batch, [views[place] for place in places_of])
        return logits.reshape(len(images), len(places))

    def _of_batch(self, batch: np.ndarray, kinds: list[str]) -> np.ndarray:
        missing = self.batch_size - len(batch)
        full = np.pad(batch, [(0, missing), *[(0, 0)] * 3])
        inputs = batch_of(self.network, full, kinds + [WHOLE] * missing)
        scores = self.network.predict_on_batch(inputs)[: len(batch)]
        return np.asarray(scores[:, 1] - scores[:, 0])

    def shown(self, images: np.ndarray, views: Sequence[str] = (WHOLE,)) -> tuple[np.ndarray, str]:
        """Return the first view of each of `images` that the network looks at, and its kind.

        Args:
            images, views: as for `logits_by_view`, in memory.
        """
        place = self._places(images, views)[0]
        return (images if images.ndim == 4 else images[:, place]), views[place]

    def _places(self, images: np.ndarray, views: Sequence[str]) -> list[int]:
        expected = self.network.inputs[0].shape[1:]
        if images.shape[-3:] != expected:
            raise InputError(f"{self.path}: takes images of {expected}, found {images.shape[-3:]}")
        return self.places(views)

    def places(self, views: Sequence[str]) -> list[int]:
        """Return the places of those of the `views` of an image that the network looks at.

        Raises:
            InputError: it looks at views of a kind that is not there.
        """
        try:
            return of_kinds(self.network, views)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None


def mean_over_views(logits: np.ndarray) -> np.ndarray:
    """Return the log-odds of images (float32, [N]) from those of their views (float, [N, V])."""
    return logits.mean(1, dtype=np.float64).astype(np.float32)
