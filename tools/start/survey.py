"""A data set as `source` sees it, and the slices of it that are best held out."""

import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from stages.common.command import InputError
from stages.common.manifest import HELD_OUT, LABELS
from stages.images.archive import list_files, read_rows
from stages.images.find import Found
from stages.images.layout import has_image_suffix
from stages.source.audit import Audit, audit
from stages.source.counts import count
from stages.source.images import Images
from stages.source.leave_out import LEAST_IMAGES
from stages.source.schema import SourceParams

SHARE = 0.2
"""About what a slice that is held out has of its label's images."""
LEAST_TO_STAY = 50
"""Images of the label, at least."""


class Survey(NamedTuple):
    """A data set, with the slices that are to be held out."""

    params: SourceParams
    images: pd.DataFrame
    """Those in use: split, label, slice, group, and the fingerprint."""
    counts: dict[str, Any]
    """What `stages.source.counts.count` returns."""
    audit: Audit
    hold_out: list[str]
    names_splits: bool
    """Whether folders, or a table, name the splits."""
    look_alikes: int


def look(source: Images) -> Survey:
    """Read all images of `source`, and choose the slices to hold out.

    Raises:
        InputError: `source` would refuse the data set.
    """
    read = _read(source)
    hold_out = _choose(source, read.images)
    found = _with_held_out(read.images, hold_out)
    pairs = source.near_pairs(found)
    manifest = source.organise(found, pairs)
    in_use = manifest.loc[manifest["status"] == "used", ["path", "split", "group", "slice"]]
    prints = found.drop(columns=["split", "group", "slice"])
    return Survey(
        source.params,
        in_use.merge(prints, on="path"),
        count(found, manifest, read.passed_over),
        audit(found, manifest, source.params.audit, pairs, source.params.seed),
        hold_out,
        set(read.images["split"]) != {"train"},
        len({*pairs.first, *pairs.second}),
    )


def _read(source: Images) -> Found:
    """Return what `source.read` does; where images name no label, say which folders there are."""
    try:
        return source.read()
    except InputError:
        params, (files, *_) = source.params, list_files(source.path, lambda name: True)
        pictures = [Path(name) for name in files if has_image_suffix(name)]
        known = {name.lower() for _, names in params.labels for name in names}
        unnamed = [path for path in pictures if not known & {p.lower() for p in path.parts[:-1]}]
        if not unnamed or params.table or read_rows(source.path, []) is not None:
            raise
        splits = {name.lower() for _, names in params.splits or () for name in names}
        shared = os.path.commonpath([path.parent for path in pictures])
        folders: Counter[str] = Counter()
        for path in unnamed:
            below = [p for p in path.relative_to(shared).parts[:-1] if p.lower() not in splits]
            folders[below[0] if below else shared or "the outermost folder"] += 1
        listed = ", ".join(f"{name} ({number:,})" for name, number in folders.most_common(12))
        raise InputError(
            f"{source.path}: {len(unnamed):,} of {len(pictures):,} images are in no folder whose "
            f"name says what they are, but in {listed}; add the names of folders of photographs to "
            "source.labels.REAL in params.yaml, and those of generated images to source.labels.FAKE"
        ) from None


def _choose(source: Images, found: pd.DataFrame) -> list[str]:
    """Return a slice of each label that is large enough, and leaves enough, to be held out.

    Of these, and never the largest, it is the one nearest to `SHARE` of the label's images.

    Raises:
        InputError: `source` would refuse the data set, whatever is held out.
    """
    manifest = source.organise(found, source.near_pairs(found))
    in_use = manifest[manifest["status"] == "used"]
    chosen: list[str] = []
    for label in LABELS:
        of_label = in_use[in_use["label"] == label]
        sizes = of_label["slice"][of_label["slice"] != ""].value_counts(sort=False).sort_index()
        if sizes.reindex(chosen, fill_value=0).sum() >= LEAST_IMAGES:
            continue  # that of the other label has images of this one, too
        enough = sizes.between(LEAST_IMAGES, len(of_label) - LEAST_TO_STAY)
        sizes = sizes[enough & (sizes.index != sizes.idxmax())] if len(sizes) else sizes
        distance = (sizes - SHARE * len(of_label)).abs()
        for name in distance.sort_values(kind="stable").index:
            without = _with_held_out(found, [*chosen, name])
            try:
                source.organise(without, source.near_pairs(without))
            except InputError:
                continue  # it is all that a split has of the label
            chosen.append(name)
            break
    return chosen


def _with_held_out(found: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return `found` as it is read where source.hold_out has `names`."""
    split = found["split"].mask(found["slice"].isin(names), HELD_OUT)
    return found.assign(split=split).sort_values(["split", "label", "path"], ignore_index=True)
