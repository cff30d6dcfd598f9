"""What the block `preprocess` of params.yaml may be."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stages.common.params import Schema


class AlignParams(Schema):
    """What every image becomes first: then size and compression do not tell the labels apart."""

    shorter_side: int = Field(
        ge=8, le=4096, description="shorter side that every image is scaled to, in pixels"
    )
    jpeg_quality: int = Field(
        ge=1, le=100, description="quality of the JPEG file that it is saved in and read from"
    )


class PreprocessParams(Schema):
    """The block `preprocess` of params.yaml."""

    image_size: list[Annotated[int, Field(ge=8, le=1024)]] = Field(
        min_length=2, max_length=2, description="height and width of every image, in pixels"
    )
    resample: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = Field(
        description="Pillow's filter for images of another size"
    )
    aspect: Literal["stretch", "crop", "pad"] = Field(
        description="how an image of another shape fits: distorted, its middle, or with borders"
    )
    whole: bool = Field(description="show networks the whole image, scaled to image_size")
    crops: int = Field(
        ge=0, le=64, description="parts of image_size, not scaled, that networks see of each image"
    )
    align: AlignParams | None = Field(
        description="bring every image to one size and compression first; null: as it is"
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.whole and not self.crops:
            raise ValueError("whole: false needs crops of at least 1, found 0: nothing to look at")
        return self
