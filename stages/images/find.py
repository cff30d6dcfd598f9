"""Finding the images of a data set: which files they are, and the fingerprint of each."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from stages.common.command import InputError
from stages.common.params import Schema
from stages.common.progress import progress
from stages.images.archive import data_size, list_files, read_files
from stages.images.fingerprint import Fingerprint, fingerprints, unreadable
from stages.images.layout import classes_of, has_image_suffix, places
from stages.images.parallel import Result, batches, in_order, processes_for
from stages.images.pixels import NO_IMAGE, UnreadableImageError, require_size
from stages.images.schema import (
    DecodeParams,
    LabelFolders,
    OnUnreadable,
    SplitFolders,
    TableParams,
)
from stages.images.table import describe, is_for, read_groups

PACKED = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".parquet")
"""What files end in that may hold images, but are not looked into."""


GROUPS = "groups.csv"
"""The table of groups that is read if it is there; another one must be there."""
COLUMNS = ["path", "split", "label", "size", "group", "slice"]
"""What is known of an image before it is decoded."""


class Found(NamedTuple):
    """What a data set holds."""

    images: pd.DataFrame
    """One row an image."""
    passed_over: dict[str, int]
    """How many files are no images: the litter of operating systems, and others."""


class DataSet:
    """A zip, a tar, a folder of images, or Parquet files."""

    def __init__(self, path: Path, decoding: DecodeParams, processes: int | None = None):
        """Describe a data set.

        Args:
            processes: how many decode images, by default as many as is quickest. Any number gives
                the same result.
        """
        self.path, self.decoding, self.processes = path, decoding, processes

    def list_images(
        self,
        labels: LabelFolders,
        splits: SplitFolders | None,
        table: TableParams | None = None,
        groups: str | None = None,
        elsewhere: bool = False,
    ) -> Found:
        """Return the images by their names alone: path, split ("" if none is named), label, size.

        And their group and slice, "" where nothing says them. Among them are files in a folder of a
        label that have no name of an image; only decoding tells.

        Args:
            splits: names of folders; None: no folder names a split.
            table: says what the images are; those of which it says nothing are passed over.
            groups: a table of the data set that says group and slice, if it is there.
            elsewhere: `table` is that of another data set; it counts if this one has it, too.

        Raises:
            InputError: the data set cannot be read, a path names two labels or none, or only some
                paths name a split; the table cannot be read, or a row of it cannot be meant.
        """
        named = {name.lower() for name in (*labels.REAL, *labels.FAKE)}

        def matters(name: str) -> bool:
            """Return whether a table could name it, or a folder says what it holds."""
            return table is not None or any(part in named for part in name.lower().split("/"))

        sizes, litter, unusable = list_files(self.path, matters)
        passed_over = {"litter": litter}
        split_of = _meanings(splits) if splits else {}
        try:
            if table and elsewhere and not is_for(table, self.path, sizes):
                table = None
            described = describe(self.path, sizes, table, _meanings(labels), split_of)
            if described is None:
                found = places(sizes, _meanings(labels), split_of)
                rows = [
                    (path, place.split, place.label, sizes[path], "", place.slice)
                    for path, place in found.items()
                ]
            else:
                rows = [
                    (path, row.split, row.label, sizes[path], row.group, row.slice)
                    for path, row in described.items()
                ]
            images = pd.DataFrame(rows, columns=COLUMNS)
            if described is None and (images["slice"] == "").all():
                images["slice"] = classes_of(images["path"].tolist())
            if groups in sizes:
                said = read_groups(self.path, groups, sizes)
                for column, values in said.items():
                    known = zip(images["path"], images[column], strict=True)
                    images[column] = [values.get(path) or value for path, value in known]
            elif groups not in (None, GROUPS) and not elsewhere:
                raise InputError(f"source.groups: no file {groups} in the data set")
        except InputError as error:
            if str(error).startswith((f"{self.path}: ", f"{self.path}/")):
                raise
            raise InputError(f"{self.path}: {error}") from None
        others = sizes.keys() - set(images["path"])
        if described is not None:
            unnamed = {path for path in others if has_image_suffix(path)}
            passed_over["images in no row"] = len(unnamed)
            others -= unnamed
        if described is None and all(path.lower().endswith(PACKED) for path in images["path"]):
            packed = [path for path in sizes if path.lower().endswith(PACKED)]
            self._require_no_reason(unusable, packed)
        return Found(images, passed_over | {"other files": len(others) + len(unusable)})

    def _require_no_reason(self, unusable: list[str], packed: list[str]) -> None:
        """Refuse a data set that lists no image, where its other entries tell why."""
        if unusable:
            raise InputError(unusable[0])
        if packed:
            what = "unpack archives inside of archives"
            if packed[0].lower().endswith(".parquet"):
                what = "unpack it: Parquet files are read from a folder"
            raise InputError(f"{self.path}: no image in it, but {packed[0]}; {what}")

    def add_fingerprints(
        self, found: Found, on_unreadable: OnUnreadable, stage: str, thumbnails: bool = False
    ) -> Found:
        """Return the images of `list_images`, decoded: with their fingerprints instead of the size.

        They are sorted by split, label and path. What turned out to be no image is passed over.

        Args:
            stage: whose progress is shown.
            thumbnails: whether the fingerprints have some.

        Raises:
            InputError: the data set cannot be read, or an image is unreadable and `on_unreadable`
                does not skip it.
        """
        images, passed_over = found
        impossible = {}
        for path, size in zip(images["path"], images["size"], strict=True):
            try:
                require_size(size, self.decoding)
            except UnreadableImageError as problem:
                impossible[path] = unreadable(problem)
        rows, others = [], 0
        wanted = set(images["path"]) - impossible.keys()
        for path, seen in chain(impossible.items(), self._decode(wanted, stage, thumbnails)):
            if not has_image_suffix(path) and (path in impossible or seen == unreadable(NO_IMAGE)):
                others += 1
                continue
            if seen.status != "used" and on_unreadable == "error":
                raise InputError(
                    f"{self.path}: {path}: {seen.status}; "
                    "`source.on_unreadable: skip` leaves such images out"
                )
            rows.append((path, *seen))
        decoded = pd.DataFrame(rows, columns=["path", *Fingerprint._fields])
        images = images.drop(columns="size").merge(decoded, on="path")
        images = images.sort_values(["split", "label", "path"], ignore_index=True)
        return Found(images, passed_over | {"other files": passed_over["other files"] + others})

    def _decode(
        self, wanted: Collection[str], stage: str, thumbnails: bool
    ) -> Iterator[tuple[str, Fingerprint]]:
        work = self.in_processes(partial(fingerprints, thumbnails=thumbnails), wanted)
        with progress(total=len(wanted), desc=stage, unit=" images") as shown:
            for found in work:
                yield from found
                shown.update(len(found))

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


def _meanings(folders: Schema) -> dict[str, str]:
    """Return what the name of a folder, in lower case, means."""
    return {name.lower(): meaning for meaning, names in folders for name in names}
