"""A trained network, read from its file: the one way in which every stage and tool predicts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.common.arrays import CROP, WHOLE, read
from stages.common.command import InputError
from stages.networks.kinds import batch_of, of_kinds
from stages.networks.runtime import keras


class Classifier:
    """A network that takes images as 0..255 and returns the log-odds of FAKE."""

    def __init__(self, path: Path, batch_size: int):
        """Load the network in `path`; it will see `batch_size` views at a time.

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

    def logits(self, images: np.ndarray, views: Sequence[str] = (WHOLE,)) -> np.ndarray:
        """Return the log-odds of FAKE (float32, [N]) of `images`: the mean over their views.

        Those of an image are the same whatever others there are: a smaller batch could take other
        kernels, so the last one is filled up.

        Args:
            images: uint8, [N, height, width, 3] or [N, V, height, width, 3], 0..255; may be
                memory-mapped.
            views: the kind of each of V views.

        Raises:
            InputError: the network takes images of another size, or views that are not there.
        """
        places = self._places(images, views)
        logits = np.zeros((len(images), len(places)), np.float32)
        for column, place in enumerate(places):
            for start in range(0, len(images), self.batch_size):
                numbers = slice(start, start + self.batch_size)
                batch = read(images, numbers if images.ndim == 4 else (numbers, place))
                logits[numbers, column] = self._of_batch(batch, views[place])
        return logits.mean(1, dtype=np.float64).astype(np.float32)

    def _of_batch(self, batch: np.ndarray, kind: str) -> np.ndarray:
        full = np.pad(batch, [(0, self.batch_size - len(batch)), *[(0, 0)] * 3])
        scores = self.network.predict_on_batch(batch_of(self.network, full, kind))[: len(batch)]
        return np.asarray(scores[:, 1] - scores[:, 0])

    def shown(self, images: np.ndarray, views: Sequence[str] = (WHOLE,)) -> tuple[np.ndarray, str]:
        """Return the first view of each of `images` that the network looks at, and its kind.

        Args:
            images, views: as for `logits`, in memory.
        """
        place = self._places(images, views)[0]
        return (images if images.ndim == 4 else images[:, place]), views[place]

    def _places(self, images: np.ndarray, views: Sequence[str]) -> list[int]:
        expected = self.network.inputs[0].shape[1:]
        if images.shape[-3:] != expected:
            raise InputError(f"{self.path}: takes images of {expected}, found {images.shape[-3:]}")
        places = of_kinds(self.network, views)
        if not places:
            kinds = " and ".join(sorted({*views}))
            missing = CROP if WHOLE in views else WHOLE
            raise InputError(
                f"{self.path}: looks at views of the kind {missing}, found {kinds}; "
                "see preprocess.whole and preprocess.crops in params.yaml, then run `dvc repro`"
            )
        return places
