"""What params.yaml may say of reading images: the block `decode`, and names of folders."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from stages.common.params import Schema
from stages.images.cells import plain
from stages.images.reader import normal

FolderName = Annotated[str, Field(pattern=r"^[^/\\\s]([^/\\]*[^/\\\s])?$"), AfterValidator(normal)]

OnUnreadable = Literal["error", "skip"]


def require_here(path: str) -> str:
    """Return the `path` of a data set.

    Raises:
        ValueError: it is a URL, for which DVC would ask its server in each run.
    """
    if "://" in path:
        name = path.rstrip("/").rpartition("/")[2] or "data"
        raise ValueError(
            f"must be a file or a folder here, found a URL; `dvc import-url {path} data/{name}` "
            "fetches it"
        )
    return path


DataPath = Annotated[str, Field(min_length=1), AfterValidator(require_here)]


class DecodeParams(Schema):
    """The block `decode` of params.yaml."""

    background: list[Annotated[int, Field(ge=0, le=255)]] = Field(
        min_length=3,
        max_length=3,
        description="red, green and blue behind transparent pixels, and beside padded images",
    )
    max_pixels: int = Field(ge=1, description="an image of more pixels is not decoded")


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


class SplitFolders(Schema):
    """The names of folders that hold the images of each split, in any case."""

    train: list[FolderName] = Field(min_length=1, description="names of folders to train on")
    validation: list[FolderName] = Field(
        min_length=1, description="names of folders to validate on"
    )
    test: list[FolderName] = Field(min_length=1, description="names of folders to test on")

    @model_validator(mode="after")
    def _differ(self) -> Self:
        names = [name.lower() for _, names in self for name in set(names)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"'{name}' cannot be of two splits")
        return self


Value = str | int | float | bool
"""What stands in a cell of a table."""

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


class TableParams(Schema):
    """A table whose rows name images and say what each is; null: folders say it."""

    file: str | None = Field(
        None,
        min_length=1,
        description="the table, a path from the root of the data set, in which `*` is any text; "
        "null: the data set is Parquet files, whose rows hold the images",
    )
    path: str | None = Field(
        None, description="column of the image's file, relative to the table or to the root"
    )
    label: str = Field(description="column of the label")
    split: str | None = Field(
        None, description="column of the split, by the names in `splits`; null: folders say it"
    )
    group: str | None = Field(
        None, description="column of what belongs together; null: `group_pattern` says it"
    )
    slice: str | None = Field(
        None, description="column of what an image shows, or what made it, to be counted by"
    )
    REAL: list[Value] = Field(min_length=1, description="values of photographs, in any case")
    FAKE: list[Value] = Field(min_length=1, description="values of generated images, in any case")

    @field_validator("file")
    @classmethod
    def _is_inside(cls, file: str | None) -> str | None:
        if file is None:
            return None
        if re.search(r"^/|\\|^[A-Za-z]:|(^|/)\.\.?(/|$)", file):
            raise ValueError(
                f"must be a path from the root of the data set, such as a/train.csv, found {file!r}"
            )
        if not file.lower().endswith(TABLE_SUFFIXES):
            raise ValueError(f"must end in one of {', '.join(TABLE_SUFFIXES)}, found {file!r}")
        return file

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.file is None) != (self.path is None):
            raise ValueError("file and path go together: a table, and its column of file names")
        both = self.meanings("REAL").keys() & self.meanings("FAKE").keys()
        if both:
            raise ValueError(f"'{min(both)}' cannot be both REAL and FAKE")
        return self

    def meanings(self, *labels: str) -> dict[str, str]:
        """Return which of `labels` each value, as `plain` writes it, stands for."""
        return {plain(value): label for label in labels for value in getattr(self, label)}
