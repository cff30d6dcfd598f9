"""Which views of an image a network takes, and in which form: its inputs say so by their names."""

from collections.abc import Sequence

import numpy as np

from stages.common.arrays import CROP, WHOLE
from stages.networks.runtime import keras

KINDS = {"image": {WHOLE}, "crop": {CROP}, "view": {WHOLE, CROP}}
"""The kinds of views that an input of this name takes; any other takes whole images."""


def of_kinds(network: keras.Model, views: Sequence[str]) -> list[int]:
    """Return the places of the `views` of an image, by their kinds, that `network` looks at."""
    kinds = KINDS.get(network.inputs[0].name, {WHOLE})
    return [place for place, kind in enumerate(views) if kind in kinds]


def batch_of(network: keras.Model, images: np.ndarray, kind: str) -> np.ndarray | list[np.ndarray]:
    """Return what `network` takes to look at `images`, views of this `kind`: [N, ...]."""
    if len(network.inputs) == 1:
        return images
    return [images, np.full((len(images), 1, 1, 1), kind == WHOLE, np.float32)]
