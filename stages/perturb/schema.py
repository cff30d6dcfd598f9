"""What the block `robustness` of params.yaml may be."""

from typing import Annotated

from pydantic import Field, field_validator

from stages.common.params import Schema


class RobustnessParams(Schema):
    """The block `robustness` of params.yaml: the levels of each perturbation, [] for none."""

    samples: int | None = Field(
        ge=2, description="test images that are changed, half of each label; null: all"
    )
    jpeg_quality: list[Annotated[int, Field(ge=1, le=100)]] = Field(
        description="quality of the JPEG file that the image is saved in, 1..100"
    )
    blur_sigma: list[Annotated[float, Field(gt=0, le=100)]] = Field(
        description="standard deviation of the Gaussian blur, in the image's own pixels"
    )
    noise_sigma: list[Annotated[float, Field(gt=0, le=255)]] = Field(
        description="standard deviation of the Gaussian noise, of 255"
    )
    downscale: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        description="share of its height and width that the image is scaled to and back from"
    )
    seed: int = Field(ge=0, lt=2**32, description="seed of the noise, and of what is sampled")

    @field_validator("jpeg_quality", "blur_sigma", "noise_sigma", "downscale")
    @classmethod
    def _once(cls, levels: list[float]) -> list[float]:
        for place, level in enumerate(levels):
            if level in levels[:place]:
                raise ValueError(f"{level} is there twice")
        return levels
