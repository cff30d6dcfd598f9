"""Finding the images of a data set: which files they are, and the fingerprint of each."""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import pandas as pd
from pydantic import Field, model_validator
from tqdm import tqdm

from stages.common.command import InputError
from stages.common.params import Schema
from stages.images.archive import data_size, list_files, read_files
from stages.images.fingerprint import Fingerprint, fingerprints, unreadable
from stages.images.layout import label_of, split_of
from stages.images.parallel import Result, batches, in_order, processes_for
from stages.images.pixels import DecodeParams, UnreadableImageError, require_size

FolderName = Annotated[str, Field(pattern=r"^[^/\\\s]([^/\\]*[^/\\\s])?$")]

OnUnreadable = Literal["error", "skip"]


class LabelFolders(Schema):
    """The names of folders that hold the images of each label, in any case."""

    REAL: list[FolderName] = Field(min_length=1, description="names of folders of photographs")
    FAKE: list[FolderName] = Field(min_length=1, description="names of folders of generated images")

    @model_validator(mode="after")
    def _differ(self) -> Self:
        both = {name.lower() for name in self.REAL} & {name.lower() for name in self.FAKE}
        if both:
            raise ValueError(f"'{min(both)}' cannot be both REAL and FAKE")
        return self


class Found(NamedTuple):
    """What a data set holds."""

    images: pd.DataFrame
    """One row an image."""
    passed_over: dict[str, int]
    """How many files are no images: the litter of operating systems, and others."""


class DataSet:
    """A zip, a tar or a folder of images."""

    def __init__(self, path: Path, decoding: DecodeParams, processes: int | None = None):
        """Describe a data set.

        Args:
            processes: how many decode images, by default as many as is quickest. Any number gives
                the same result.
        """
        self.path, self.decoding, self.processes = path, decoding, processes

    def list_images(self, labels: LabelFolders) -> Found:
        """Return the images by their names alone: path, split ("" if none is named), label, size.

        Raises:
            InputError: the data set cannot be read, a path names two labels or none, or only some
                paths name a split.
        """
        sizes, litter = list_files(self.path)
        try:
            places = _places(sizes, labels)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None
        images = pd.DataFrame(
            [(path, split, label, sizes[path]) for path, (split, label) in places.items()],
            columns=["path", "split", "label", "size"],
        )
        return Found(images, {"litter": litter, "other files": len(sizes) - len(images)})

    def add_fingerprints(
        self, images: pd.DataFrame, on_unreadable: OnUnreadable, stage: str
    ) -> pd.DataFrame:
        """Return `images` of `list_images`, decoded: with their fingerprints instead of the size.

        They are sorted by split, label and path.

        Args:
            stage: whose progress is shown.

        Raises:
            InputError: the data set cannot be read, or an image is unreadable and `on_unreadable`
                does not skip it.
        """
        impossible = {}
        for path, size in zip(images["path"], images["size"], strict=True):
            try:
                require_size(size, self.decoding)
            except UnreadableImageError as problem:
                impossible[path] = unreadable(problem)
        rows = []
        wanted = set(images["path"]) - impossible.keys()
        for path, found in chain(impossible.items(), self._decode(wanted, stage)):
            if found.status != "used" and on_unreadable == "error":
                raise InputError(
                    f"{self.path}: {path}: {found.status}; "
                    "`source.on_unreadable: skip` leaves such images out"
                )
            rows.append((path, *found))
        decoded = pd.DataFrame(rows, columns=["path", *Fingerprint._fields])
        images = images.drop(columns="size").merge(decoded, on="path")
        return images.sort_values(["split", "label", "path"], ignore_index=True)

    def _decode(self, wanted: Collection[str], stage: str) -> Iterator[tuple[str, Fingerprint]]:
        work = self.in_processes(fingerprints, wanted)
        with tqdm(total=len(wanted), desc=stage, unit=" images", disable=None) as progress:
            for found in work:
                yield from found
                progress.update(len(found))

    def in_processes(
        self, function: Callable[..., list[Result]], wanted: Collection[str]
    ) -> Iterator[list[Result]]:
        """Yield what `function(files, params=decoding)` returns for batches of the files `wanted`.

        Raises:
            InputError: the data set cannot be read, or a process was ended from outside.
        """
        processes = self.processes or processes_for(data_size(self.path))
        files = read_files(self.path, wanted)
        return in_order(partial(function, params=self.decoding), batches(files), processes)


def _places(paths: Iterable[str], labels: LabelFolders) -> dict[str, tuple[str, str]]:
    """Return split and label of each image among the files `paths`."""
    folders = {name.lower(): "REAL" for name in labels.REAL}
    folders |= {name.lower(): "FAKE" for name in labels.FAKE}
    named = {path: label_of(path, folders) for path in paths}
    images = {path: label for path, label in named.items() if label is not None}
    splits = {path: split_of(path) or "" for path in images}
    without = [path for path, split in splits.items() if not split]
    if 0 < len(without) < len(splits):
        example = next(path for path, split in splits.items() if split)
        raise InputError(
            f"{without[0]}: no folder of its path names a split, as one of "
            f"{example} does; name one in every path, or in none"
        )
    return {path: (splits[path], label) for path, label in images.items()}
