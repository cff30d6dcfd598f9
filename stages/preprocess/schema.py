"""What the block `preprocess` of params.yaml may be."""

from typing import Annotated, Literal

from pydantic import Field

from stages.common.params import Schema


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
