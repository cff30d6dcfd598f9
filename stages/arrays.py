"""The processed images of a split, as preprocess writes them and train and evaluate read them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.command import InputError

PROCESSED = Path("data/processed")


class Split(NamedTuple):
    """The images of a split, in the order of the manifest."""

    images: np.ndarray
    """uint8, [N, height, width, 3], RGB, 0..255; memory-mapped, so it may exceed the memory."""
    labels: np.ndarray
    """uint8, [N]; 0 is REAL, 1 is FAKE."""


def load_split(name: str) -> Split:
    """Return the split `name`: train, validation or test.

    Raises:
        InputError: preprocess has not written it, or its arrays do not fit each other.
    """
    folder = PROCESSED / name
    try:
        images = np.load(folder / "images.npy", mmap_mode="r")
        labels = np.load(folder / "labels.npy")
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be read: {error}; run `dvc repro preprocess`") from None
    if len(images) != len(labels):
        raise InputError(f"{folder}: {len(images)} images, but {len(labels)} labels")
    return Split(images, labels)
