"""What params.yaml may say of reading images: the block `decode`, and names of folders."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from stages.common.params import Schema
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
