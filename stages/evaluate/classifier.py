"""A trained network, read from its file: the one way in which every stage and tool predicts."""

from pathlib import Path

import numpy as np

from stages.common.arrays import read
from stages.common.command import InputError
from stages.networks.runtime import keras


class Classifier:
    """A network that takes images as 0..255 and returns the log-odds of FAKE."""

    def __init__(self, path: Path, batch_size: int):
        """Load the network in `path`; it will see `batch_size` images at a time.

        Raises:
            InputError: `path` is missing, or holds no Keras model with probabilities of two labels.
        """
        self.path, self.batch_size = path, batch_size
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

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the log-odds of FAKE (float32, [N]) of `images`.

        Those of an image are the same whatever others there are: a smaller batch could take other
        kernels, so the last one is filled up.

        Args:
            images: uint8, [N, height, width, 3], 0..255; may be memory-mapped.

        Raises:
            InputError: the network takes images of another size.
        """
        expected = self.network.input_shape[1:]
        if images.shape[1:] != expected:
            raise InputError(f"{self.path}: takes images of {expected}, found {images.shape[1:]}")
        size = self.batch_size
        logits = np.empty(len(images), np.float32)
        for start in range(0, len(images), size):
            batch = read(images, slice(start, start + size))
            full = np.pad(batch, [(0, size - len(batch)), *[(0, 0)] * 3])
            scores = self.network.predict_on_batch(full)[: len(batch)]
            logits[start : start + size] = scores[:, 1] - scores[:, 0]
        return logits
