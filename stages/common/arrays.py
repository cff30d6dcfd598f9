"""Folders of processed images, as preprocess and external write them and other stages read them."""

import math
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.common.command import InputError

PROCESSED = Path("data/processed")
FINDINGS = PROCESSED / "findings.json"
"""What the change of size does to the images that a person should know: a list of findings."""
SHORT_CUTS = PROCESSED / "short_cuts.json"
"""How well mean colour and spectrum of what networks see tell the labels apart."""
EXTERNAL = Path("data/external")
PERTURBED = Path("data/perturbed")
PERTURBATIONS = "perturbations.csv"
"""The file in it that says what was done to the images."""
OWN = "test"
"""What the own test split is called beside the external sets."""


WHOLE, CROP = "whole", "crop"
"""The kinds of views: all of an image in one size, or a part of it that is not scaled."""
VIEWS = "views.txt"
"""The file that says what each view is, in a folder with several views of an image."""


class Split(NamedTuple):
    """The images of a folder: of a split in the order of the manifest, or of another data set."""

    images: np.ndarray
    """uint8, [N, height, width, 3], or [N, V, height, width, 3] with V views of each image; RGB,
    0..255; memory-mapped, so it may exceed the memory."""
    labels: np.ndarray
    """uint8, [N]; 0 is REAL, 1 is FAKE."""
    views: tuple[str, ...] = (WHOLE,)
    """The kind of each view."""


Numbers = np.ndarray | slice


def read(images: np.ndarray, numbers: Numbers | tuple[Numbers, Numbers | int]) -> np.ndarray:
    """Return a copy of the images with these numbers; if they are in a file, let go of it.

    The system counts all that was ever read of a mapped file as this process's memory until it is
    told otherwise. To read a page again is quick: the system keeps it as long as it can.

    Args:
        numbers: of images; or of images, and of one view of each.
    """
    copy = np.array(images[numbers])
    mapped = _mapped(images)
    if mapped and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
    return copy


def _mapped(images: np.ndarray) -> mmap.mmap | None:
    """Return the mapped file that `images`, or what they are a part of, lie in."""
    base = images.base
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def chunks(images: np.ndarray, most: int = 16_000_000) -> Iterator[slice]:
    """Yield which of `images` to read together, one after another: at most `most` bytes, or one."""
    size = max(1, most // max(1, math.prod(images.shape[1:])))
    for start in range(0, len(images), size):
        yield slice(start, start + size)


def first_view(images: np.ndarray) -> np.ndarray:
    """Return the first view of each of `images`, all of it if there is one: [N, height, width, 3].

    Args:
        images: [N, height, width, 3] or [N, V, height, width, 3].
    """
    return images if images.ndim == 4 else images[:, 0]


def expect_random_reads(images: np.ndarray) -> None:
    """Let the system read no more of a mapped file than is asked for: what follows is not next.

    Where not all of it fits into memory, a batch at random then costs a sixth.
    """
    mapped = _mapped(images)
    if mapped and hasattr(mmap, "MADV_RANDOM"):
        mapped.madvise(mmap.MADV_RANDOM)


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
    views = _read_views(folder)
    if VIEWS in {file.name for file in folder.iterdir()} and images.shape[-4] != len(views):
        raise InputError(
            f"{folder}: {images.shape[-4]} views of an image, but {len(views)} in {VIEWS}; "
            f"run `dvc repro {stage}`"
        )
    return Split(images, labels, views)


def write_views(folder: Path, kinds: Sequence[str]) -> None:
    """Write to `folder` what each view is; where images are seen whole, that needs no file."""
    if CROP in kinds:
        (folder / VIEWS).write_text("".join(f"{kind}\n" for kind in kinds))


def _read_views(folder: Path) -> tuple[str, ...]:
    if not (folder / VIEWS).exists():
        return (WHOLE,)
    return tuple((folder / VIEWS).read_text().split())
