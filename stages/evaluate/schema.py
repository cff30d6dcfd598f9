"""What the blocks `evaluate` and `robustness` of params.yaml may be."""

from typing import Annotated

from pydantic import Field, field_validator

from stages.common.params import Schema
from stages.networks.devices import INSTRUCTION_SET, THREADS, InstructionSet


class EvaluateParams(Schema):
    """The block `evaluate` of params.yaml: how networks predict."""

    batch_size: int = Field(ge=1, description="images a step")
    instruction_set: InstructionSet | None = INSTRUCTION_SET
    threads: int = THREADS


class RobustnessParams(Schema):
    """The block `robustness` of params.yaml: the levels of each perturbation, [] for none."""

    jpeg_quality: list[Annotated[int, Field(ge=1, le=100)]] = Field(
        description="quality of the JPEG file that the image is saved in, 1..100"
    )
    blur_sigma: list[Annotated[float, Field(gt=0, le=100)]] = Field(
        description="standard deviation of the Gaussian blur, in pixels"
    )
    noise_sigma: list[Annotated[float, Field(gt=0, le=255)]] = Field(
        description="standard deviation of the Gaussian noise, of 255"
    )
    downscale_to: list[Annotated[int, Field(ge=1, le=1024)]] = Field(
        description="shorter side that the image is scaled to and back from, in pixels"
    )
    seed: int = Field(ge=0, lt=2**32, description="seed of the noise")

    @field_validator("jpeg_quality", "blur_sigma", "noise_sigma", "downscale_to")
    @classmethod
    def _once(cls, levels: list[float]) -> list[float]:
        for place, level in enumerate(levels):
            if level in levels[:place]:
                raise ValueError(f"{level} is there twice")
        return levels
