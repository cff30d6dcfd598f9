"""Folders of processed images, as preprocess and external write them and other stages read them."""

import mmap
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.common.command import InputError

PROCESSED = Path("data/processed")
FINDINGS = PROCESSED / "findings.json"
"""What the change of size does to the images that a person should know: a list of findings."""
EXTERNAL = Path("data/external")
OWN = "test"
"""What the own test split is called beside the external sets."""


class Split(NamedTuple):
    """The images of a folder: of a split in the order of the manifest, or of another data set."""

    images: np.ndarray
    """uint8, [N, height, width, 3], RGB, 0..255; memory-mapped, so it may exceed the memory."""
    labels: np.ndarray
    """uint8, [N]; 0 is REAL, 1 is FAKE."""


def read(images: np.ndarray, numbers: np.ndarray | slice) -> np.ndarray:
    """Return a copy of the images with these numbers; if they are in a file, let go of it.

    The system counts all that was ever read of a mapped file as this process's memory until it is
    told otherwise. To read a page again is quick: the system keeps it as long as it can.
    """
    copy = np.array(images[numbers])
    if isinstance(images.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        images.base.madvise(mmap.MADV_DONTNEED)
    return copy


def expect_random_reads(images: np.ndarray) -> None:
    """Let the system read no more of a mapped file than is asked for: what follows is not next.

    Where not all of it fits into memory, a batch at random then costs a sixth.
    """
    if isinstance(images.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        images.base.madvise(mmap.MADV_RANDOM)


def load_split(name: str) -> Split:
    """Return the split `name`: train, validation, test or held_out.

    Raises:
        InputError: preprocess has not written it, or its arrays do not fit each other.
    """
    return load_folder(PROCESSED / name, "preprocess")


def load_folder(folder: Path, stage: str) -> Split:
    """Return the images that `stage` has written to `folder`.

    Raises:
        InputError: it has not written them, or its arrays do not fit each other.
    """
    try:
        images = np.load(folder / "images.npy", mmap_mode="r")
        labels = np.load(folder / "labels.npy")
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be read: {error}; run `dvc repro {stage}`") from None
    if len(images) != len(labels):
        raise InputError(f"{folder}: {len(images)} images, but {len(labels)} labels")
    return Split(images, labels)
