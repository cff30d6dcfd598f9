"""Which views of an image a network takes, and in which form: its inputs say so by their names."""

from collections.abc import Sequence

import numpy as np

from stages.common.arrays import CROP, WHOLE
from stages.common.command import InputError
from stages.networks.runtime import keras

KINDS = {"image": {WHOLE}, "crop": {CROP}, "view": {WHOLE, CROP}}
"""The kinds of views that an input of this name takes; any other takes whole images."""


def kinds_of(network: keras.Model) -> set[str]:
    """Return the kinds of views that `network` looks at."""
    return KINDS.get(network.inputs[0].name, {WHOLE})


def of_kinds(network: keras.Model, views: Sequence[str]) -> list[int]:
    """Return the places of the `views` of an image, by their kinds, that `network` looks at.

    Raises:
        InputError: it looks at views of a kind that is not there.
    """
    kinds = kinds_of(network)
    missing = kinds - {*views}
    if missing:
        raise InputError(
            f"the network looks at views of the kind {' and '.join(sorted(missing))}, "
            f"found {' and '.join(sorted({*views}))}; "
            "see preprocess.whole and preprocess.crops in params.yaml, then run `dvc repro`"
        )
    return [place for place, kind in enumerate(views) if kind in kinds]


def batch_of(
    network: keras.Model, images: np.ndarray, kinds: str | Sequence[str]
) -> np.ndarray | list[np.ndarray]:
    """Return what `network` takes to look at `images`, [N, ...].

    Args:
        kinds: the kind of view that they are, or that of each.
    """
    if len(network.inputs) == 1:
        return images
    is_whole = (np.array(kinds) == WHOLE).reshape(-1, 1, 1, 1).astype(np.float32)
    return [images, np.broadcast_to(is_whole, (len(images), 1, 1, 1))]
