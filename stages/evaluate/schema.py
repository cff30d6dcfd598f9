"""What the blocks `evaluate` and `robustness` of params.yaml may be."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from stages.common.params import Schema

InstructionSet = Literal["SSE41", "AVX2", "AVX512_CORE", "AVX512_CORE_BF16", "AVX512_CORE_FP16"]
"""Of oneDNN, https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html."""

INSTRUCTION_SET = Field(
    description="newest instructions of an x86 processor to use; null: the newest that it has, "
    "and so other sums on another processor"
)
THREADS = Field(
    ge=1, le=1024, description="threads of an operation; another number gives other sums"
)

OF_ANY_SET = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "accuracy_at_threshold",
    "accuracy_real",
    "accuracy_fake",
    "roc_auc",
)
"""The metrics of the own test split and of external sets alike."""
OF_HELD_OUT = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "accuracy_real",
    "accuracy_fake",
    "roc_auc",
    "images",
    "observations",
)
"""What is measured of slices that are held out, named `held_out_...`."""
METRICS = (
    "validation_accuracy",
    "validation_loss",
    "validation_roc_auc",
    *OF_ANY_SET,
    "loss",
    "loss_calibrated",
    "precision",
    "recall",
    "f1",
    "average_precision",
    "recall_fake_at_1pct_false_alarms",
    "recall_fake_at_5pct_false_alarms",
    "brier_score",
    "brier_score_calibrated",
    "ece",
    "ece_calibrated",
    "temperature",
    "threshold",
    "accuracy_clean",
    "accuracy_perturbed",
    "accuracy_lost",
    "accuracy_jpeg",
    "accuracy_blur",
    "accuracy_noise",
    "accuracy_downscale",
    *(f"held_out_{name}" for name in OF_HELD_OUT),
)
"""All that metrics/ and metrics/robustness/ name."""


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
