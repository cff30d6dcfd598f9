"""What each fold trains on, and what it is measured on: images of train and validation alone."""

import hashlib
import math
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.format import open_memmap
from sklearn.model_selection import StratifiedGroupKFold

from stages.common.arrays import (
    PROCESSED,
    Split,
    chunks,
    load_folder,
    load_split,
    read,
    write_views,
)
from stages.common.command import InputError
from stages.common.files import replacing
from stages.common.manifest import MANIFEST, observations, read_used

SPLITS = ("train", "validation")
READ = [str(MANIFEST), *(str(PROCESSED / split) for split in SPLITS)]
"""All of the data that a search reads."""


class Fold(NamedTuple):
    """Which rows of the images of `Folds` a fold trains on, and which it is measured on."""

    train: slice
    validation: slice


class Folds(NamedTuple):
    """All images, those of a fold beside each other, twice.

    So what is left when a fold is taken out is one stretch of a file, which is mapped into memory
    like any other split.
    """

    split: Split
    folds: list[Fold]

    def of(self, fold: Fold) -> tuple[Split, Split]:
        """Return what `fold` trains on, and what it is measured on."""
        images, labels, views = self.split
        train, validation = (
            Split(images[rows], labels[rows], views) for rows in (fold.train, fold.validation)
        )
        return train, validation


def assign(number: int | None, seed: int) -> np.ndarray:
    """Return the fold of each image, train before validation: int, [N], from 0 on.

    Labels are as frequent in one as in another as observations allow, which stay together.

    Args:
        number: of folds; None: what is validation is fold 1, of which alone is measured.

    Raises:
        InputError: there are too few observations.
    """
    manifest = read_used()
    table = manifest.set_index("split", drop=False).loc[list(SPLITS)].reset_index(drop=True)
    if number is None:
        return (table["split"] == SPLITS[1]).to_numpy().astype(int)
    groups = observations(table)
    least = int(groups.groupby(table["label"]).nunique().min())
    if least < number:
        raise InputError(
            f"params.yaml: search.folds: must be at most {least}, the observations of the rarer "
            f"label, found {number}"
        )
    folds = np.empty(len(table), int)
    split = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
    for fold, (_, rows) in enumerate(split.split(table, table["label"], groups)):
        folds[rows] = fold
    return folds


def ratio(of: np.ndarray) -> float:
    """Return how many images the last fold is measured on, for each that it is trained on."""
    share = float(np.mean(of == of.max()))
    return share / (1 - share)


def digest() -> str:
    """Return a hash of what is searched on: images, labels, and which hang together."""
    found = hashlib.sha256(observations(read_used()).str.cat(sep="\n").encode())
    for split in map(load_split, SPLITS):
        found.update(repr((split.images.shape, split.views)).encode())
        for rows in chunks(split.images):
            found.update(read(split.images, rows).data)
        found.update(split.labels.tobytes())
    return found.hexdigest()


def write(folder: Path, of: np.ndarray) -> None:
    """Write the images of train and validation to `folder`, by fold, twice.

    Args:
        of: the fold of each image.

    Raises:
        InputError: preprocess has not made the images that the manifest has; the disk is full.
    """
    splits = [load_split(name) for name in SPLITS]
    labels = np.concatenate([split.labels for split in splits])
    if len(labels) != len(of):
        raise InputError(
            f"data/processed: {len(labels)} images of train and validation, but {len(of)} in "
            "data/manifest.csv; run `dvc repro preprocess`"
        )
    order = np.argsort(of, kind="stable")
    shape = (2 * len(order), *splits[0].images.shape[1:])
    folder.parent.mkdir(parents=True, exist_ok=True)
    needed, free = math.prod(shape), shutil.disk_usage(folder.parent).free
    if needed > free:
        raise InputError(
            f"{folder.parent}: has {free / 1e9:,.1f} GB free; {needed / 1e9:,.1f} GB are needed, "
            "twice the images of train and validation"
        )
    with replacing(folder) as new:
        new.mkdir()
        images = open_memmap(new / "images.npy", "w+", np.uint8, shape)
        twice, first = np.resize(order, 2 * len(order)), len(splits[0].labels)
        for rows in chunks(images):
            numbers = twice[rows]
            in_first = numbers < first
            images[rows][in_first] = read(splits[0].images, numbers[in_first])
            images[rows][~in_first] = read(splits[1].images, numbers[~in_first] - first)
        images.flush()
        np.save(new / "labels.npy", labels[twice])
        np.save(new / "ends.npy", np.cumsum(np.bincount(of)))
        write_views(new, splits[0].views)


def load(folder: Path, all_of_them: bool) -> Folds:
    """Return what `write` has written to `folder`.

    Args:
        all_of_them: measure each fold once; or else the last one alone.
    """
    ends = np.load(folder / "ends.npy").tolist()
    images, starts = ends[-1], [0, *ends[:-1]]
    folds = [
        Fold(slice(end, images + start), slice(start, end))
        for start, end in zip(starts, ends, strict=True)
    ]
    return Folds(load_folder(folder, "preprocess"), folds if all_of_them else folds[-1:])
