"""What the block `source` of params.yaml may be."""

import re
import warnings
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from stages.common.params import Schema
from stages.images.reader import normal
from stages.images.schema import (
    DataPath,
    LabelFolders,
    OnUnreadable,
    SplitFolders,
    TableParams,
)

Level = Literal["error", "warn", "off"]


class Samples(Schema):
    """How many images of each split to use; null uses all."""

    train: int | None = Field(None, ge=2, description="training images to use; null: all")
    validation: int | None = Field(None, ge=2, description="validation images to use; null: all")
    test: int | None = Field(None, ge=2, description="test images to use; null: all")


class AuditParams(Schema):
    """What to look for in the data set, and what to do about it."""

    exact_duplicates: Level = Field(description="images with equal pixels")
    conflicting_labels: Level = Field(description="images with equal pixels and different labels")
    near_duplicates: Level = Field(description="images of two splits that look alike")
    near_duplicate_bits: int = Field(
        ge=0, le=16, description="bits of 64 in which the perceptual hashes of such images differ"
    )
    shared_groups: Level = Field(description="groups with images in more than one split")
    short_cuts: Level = Field(description="what tells the labels apart without a look at the image")
    short_cut_limit: float = Field(
        ge=0.5, le=1, description="balanced accuracy, 0.5 to 1, above which it is a finding"
    )
    leave_slice_out: Level = Field(
        description="what a small classifier learns of some slices that does not hold for another"
    )
    small_test: Level = Field(description="a test split that is too small to show anything")


class SourceParams(Schema):
    """The block `source` of params.yaml."""

    path: DataPath = Field(description="a zip, a tar, a folder, or Parquet files")
    labels: LabelFolders = Field(description="the folders that name each label, in any case")
    splits: SplitFolders | None = Field(
        description="the folders that name each split, in any case; null: no folder names one"
    )
    table: TableParams | None = Field(
        description="a table that says what the images are; null: their folders say it"
    )
    groups: str | None = Field(
        min_length=1,
        description="a CSV in the data set, if it is there, with the columns path, group (what "
        "belongs together) and slice",
    )
    group_pattern: str | None = Field(
        description="regular expression; images for which it captures the same belong together"
    )
    slice_pattern: str | None = Field(
        description="regular expression that captures what an image shows or what made it; null: "
        "the folder below that of the label"
    )
    hold_out: list[Annotated[str, Field(min_length=1), AfterValidator(normal)]] = Field(
        description="slices that are never trained on, validated on or calibrated on, but measured"
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
    near_copies: Literal["together", "drop", "ignore"] = Field(
        description="images that look alike: one observation, in one split where splits are drawn; "
        "or also leave those of test images out of training; or take them for independent"
    )
    on_unreadable: OnUnreadable = Field(
        description="images that cannot be decoded: stop, or leave them out"
    )
    samples: Samples = Field(description="how many images of each split to use, half of each label")
    seed: int = Field(ge=0, lt=2**32, description="seed of the splits and of the samples")
    audit: AuditParams = Field(description="what to look for in the data set")

    @field_validator("group_pattern", "slice_pattern")
    @classmethod
    def _is_regular_expression(cls, value: str | None) -> str | None:
        try:
            with warnings.catch_warnings(action="error"):
                re.compile(value or "")
        except (re.error, FutureWarning) as error:
            raise ValueError(f"must be a regular expression, found {value!r}: {error}") from None
        return value and normal(value)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave nothing to train on")
        if self.table and self.table.group and self.group_pattern is not None:
            raise ValueError("group_pattern and table.group both say what belongs together")
        if self.table and self.table.slice and self.slice_pattern is not None:
            raise ValueError("slice_pattern and table.slice both say what a slice is")
        if self.table and self.table.split and self.splits is None:
            raise ValueError("table.split needs the names in splits, found null")
        return self
