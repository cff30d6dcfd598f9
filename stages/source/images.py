"""The images of a data set, and what each of them is used for."""

from collections.abc import Collection, Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from stages.common.command import InputError
from stages.common.manifest import (
    COLUMNS,
    HELD_OUT,
    LABELS,
    SPLITS,
    in_words,
    left_out,
    pixels,
    used,
)
from stages.images.find import DataSet, Found
from stages.images.layout import captured
from stages.images.near_copies import NearPairs, clusters, near_pairs
from stages.images.schema import DecodeParams
from stages.source.counts import LISTED
from stages.source.organise import (
    carve,
    mark_duplicates,
    mark_held_out,
    mark_near_copies,
    take_samples,
)
from stages.source.schema import SourceParams
from stages.source.thumbnails import thumbnails

KEPT = 4_000
"""Thumbnails, 28 kB each, that are made while all images are decoded, and not of the few that are
shown, which then are decoded again."""


class Images:
    """The images of a data set: `read` finds them, `organise` decides what each is used for."""

    def __init__(self, params: SourceParams, decoding: DecodeParams, processes: int | None = None):
        """Describe a data set.

        Args:
            processes: how many decode images, by default as many as is quickest. Any number gives
                the same result.
        """
        self.params, self.path = params, Path(params.path)
        self.data_set = DataSet(self.path, decoding, processes)

    def read(self) -> Found:
        """Return the images as they are in the data set; without splits, all are in train.

        A row of them is: path, split, label, group, slice, and the fingerprint.

        Raises:
            InputError: the data set cannot be read, a path names two labels or none, an image is
                unreadable and `on_unreadable` does not skip it.
        """
        params = self.params
        listed = self.data_set.list_images(
            params.labels, params.splits, params.table, params.groups
        )
        images = listed.images
        images["split"] = images["split"].replace("", "train")
        try:
            for key in ("group", "slice"):
                pattern = getattr(params, f"{key}_pattern")
                if pattern is not None:
                    images[key] = captured(images["path"].tolist(), pattern, f"{key}_pattern")
            images.loc[images["slice"].isin(self._held_out(images)), "split"] = HELD_OUT
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None
        return self.data_set.add_fingerprints(
            listed, params.on_unreadable, "source", thumbnails=len(images) <= KEPT
        )

    def _held_out(self, images: pd.DataFrame) -> list[str]:
        known = sorted({*images["slice"]} - {""})
        for name in self.params.hold_out:
            if name not in known:
                there = ", ".join(known[:LISTED]) or "no slices at all"
                raise InputError(f"source.hold_out: '{name}' is no slice; there are {there}")
        return self.params.hold_out

    def near_pairs(self, found: pd.DataFrame) -> NearPairs:
        """Return which of the images `found` look alike, by their places in it."""
        rows = np.flatnonzero(found["status"] == "used")
        pairs = near_pairs(found.iloc[rows], self.params.audit.near_duplicate_bits)
        return NearPairs(rows[pairs.first], rows[pairs.second], pairs.bits)

    def thumbnails(self, found: pd.DataFrame, wanted: Collection[str]) -> dict[str, Image.Image]:
        """Return a small picture of each of the images `wanted` among those `found`, by path."""
        if len(found) > KEPT:
            return dict(chain.from_iterable(self.data_set.in_processes(thumbnails, wanted)))
        shown = found[found["path"].isin(wanted)]
        return dict(zip(shown["path"], shown["thumbnail"], strict=True))

    def organise(self, found: pd.DataFrame, pairs: NearPairs) -> pd.DataFrame:
        """Return the manifest of the images `found`: clusters, splits and samples decided.

        Args:
            pairs: what `near_pairs` returns of them.

        Raises:
            InputError: duplicates are not allowed, a split lacks a label or is too small.
        """
        params = self.params
        if params.near_copies == "ignore":
            pairs = NearPairs.none()
        manifest = found.assign(cluster=clusters(found, pairs))[COLUMNS]
        given = set(manifest["split"])
        self._require_labels(manifest, [split for split in SPLITS if split in given | {"train"}])
        if params.duplicates == "error":
            self._refuse_duplicates(manifest)
        if params.duplicates == "drop":
            manifest = mark_duplicates(manifest)
        manifest = mark_held_out(manifest)
        if params.near_copies == "drop":
            manifest = mark_near_copies(manifest, pairs)
        fractions = {"test": params.test_fraction, "validation": params.validation_fraction}
        fractions = {split: share for split, share in fractions.items() if split not in given}
        if fractions:
            self._require_labels(manifest, ["train"])
            manifest = carve(manifest, fractions, params.seed)
        manifest = take_samples(manifest, params.samples, params.seed)
        self._require_labels(manifest, SPLITS)
        return manifest.sort_values(["split", "label", "path"], ignore_index=True)

    def _require_labels(self, manifest: pd.DataFrame, splits: Iterable[str]) -> None:
        for split in splits:
            for label in LABELS:
                if not used(manifest, split, label).any():
                    here = manifest[(manifest["split"] == split) & (manifest["label"] == label)]
                    why = f"{len(here)} found: {in_words(left_out(here))}"
                    if self.params.hold_out:
                        why += "; source.hold_out takes " + ", ".join(self.params.hold_out)
                    raise InputError(
                        f"{self.path}: no {label} image to use in split '{split}' ({why}); "
                        "each of train, validation and test needs images of both labels"
                    )

    def _refuse_duplicates(self, manifest: pd.DataFrame) -> None:
        readable = manifest[manifest["status"] == "used"]
        key = pixels(readable)
        copies = key.duplicated()
        if copies.any():
            example = readable["path"][key == key[copies].iloc[0]]
            raise InputError(
                f"source.duplicates: {example.iloc[1]} has the pixels of {example.iloc[0]}, "
                f"and so on, {copies.sum()} in all; set it to 'drop' to leave such images out"
            )
