"""The images of a data set, and what each of them is used for."""

import re
import warnings
from collections.abc import Collection, Iterable
from itertools import chain
from pathlib import Path
from typing import Literal, Self

import pandas as pd
from PIL import Image
from pydantic import Field, field_validator, model_validator

from stages.common.command import InputError
from stages.common.manifest import COLUMNS, LABELS, SPLITS, in_words, left_out, pixels, used
from stages.common.params import Schema
from stages.images.find import DataSet, Found, LabelFolders, OnUnreadable
from stages.images.layout import groups_of
from stages.images.pixels import DecodeParams
from stages.source.audit import AuditParams
from stages.source.organise import Samples, carve, mark_duplicates, take_samples
from stages.source.thumbnails import thumbnails


class SourceParams(Schema):
    """The block `source` of params.yaml."""

    path: str = Field(min_length=1, description="a zip, a tar or a folder")
    labels: LabelFolders = Field(description="the folders that name each label, in any case")
    group_pattern: str | None = Field(
        description="regular expression; images for which it captures the same belong together"
    )
    validation_fraction: float = Field(
        gt=0, lt=1, description="share used for validation where the data set has no such split"
    )
    test_fraction: float = Field(
        gt=0, lt=1, description="share used for test where the data set has no such split"
    )
    duplicates: Literal["drop", "report", "error"] = Field(
        description="images with equal pixels: leave them out, only count them, or stop"
    )
    on_unreadable: OnUnreadable = Field(
        description="images that cannot be decoded: stop, or leave them out"
    )
    samples: Samples = Field(description="how many images of each split to use, half of each label")
    seed: int = Field(ge=0, lt=2**32, description="seed of the splits and of the samples")
    audit: AuditParams = Field(description="what to look for in the data set")

    @field_validator("group_pattern")
    @classmethod
    def _is_regular_expression(cls, value: str | None) -> str | None:
        try:
            with warnings.catch_warnings(action="error"):
                re.compile(value or "")
        except (re.error, FutureWarning) as error:
            raise ValueError(f"must be a regular expression, found {value!r}: {error}") from None
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave nothing to train on")
        return self


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

        A row of them is: path, split, label, group, and the fingerprint.

        Raises:
            InputError: the data set cannot be read, a path names two labels or none, an image is
                unreadable and `on_unreadable` does not skip it.
        """
        images, passed_over = self.data_set.list_images(self.params.labels)
        images["split"] = images["split"].replace("", "train")
        try:
            images["group"] = groups_of(images["path"].tolist(), self.params.group_pattern)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None
        images = self.data_set.add_fingerprints(images, self.params.on_unreadable, "source")
        return Found(images, passed_over)

    def thumbnails(self, wanted: Collection[str]) -> dict[str, Image.Image]:
        """Return a small picture of each of the images `wanted`, by path."""
        return dict(chain.from_iterable(self.data_set.in_processes(thumbnails, wanted)))

    def organise(self, found: pd.DataFrame) -> pd.DataFrame:
        """Return the manifest of the images `found`: duplicates, splits and samples decided.

        Raises:
            InputError: duplicates are not allowed, a split lacks a label or is too small.
        """
        params = self.params
        manifest = found[COLUMNS]
        given = set(manifest["split"])
        self._require_labels(manifest, [split for split in SPLITS if split in given | {"train"}])
        if params.duplicates == "error":
            self._refuse_duplicates(manifest)
        if params.duplicates == "drop":
            manifest = mark_duplicates(manifest)
        fractions = {"test": params.test_fraction, "validation": params.validation_fraction}
        fractions = {split: share for split, share in fractions.items() if split not in given}
        if fractions:
            self._require_labels(manifest, ["train"])
            manifest = carve(manifest, fractions, params.group_pattern is not None, params.seed)
        manifest = take_samples(manifest, params.samples, params.seed)
        self._require_labels(manifest, SPLITS)
        return manifest.sort_values(["split", "label", "path"], ignore_index=True)

    def _require_labels(self, manifest: pd.DataFrame, splits: Iterable[str]) -> None:
        for split in splits:
            for label in LABELS:
                if not used(manifest, split, label).any():
                    here = manifest[(manifest["split"] == split) & (manifest["label"] == label)]
                    why = f"{len(here)} found: {in_words(left_out(here))}"
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
