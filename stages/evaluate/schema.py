"""What the block `evaluate` of params.yaml may be."""

from typing import Literal

from pydantic import Field

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

OF_ANSWERS = (
    "answered",
    "accuracy_answered",
    "accuracy_answered_low",
    "accuracy_answered_high",
    "coverage_real",
    "coverage_real_low",
    "coverage_real_high",
    "coverage_fake",
    "coverage_fake_low",
    "coverage_fake_high",
    "unlike",
)
"""What is measured of answers that may be UNSURE."""
OF_ANY_SET = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "accuracy_at_threshold",
    "accuracy_real",
    "accuracy_fake",
    "roc_auc",
    *OF_ANSWERS,
)
"""The metrics of the own test split and of external sets alike."""
OF_HELD_OUT = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "accuracy_real",
    "accuracy_fake",
    "roc_auc",
    "answered",
    "accuracy_answered",
    "unlike",
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

    batch_size: int = Field(ge=1, description="views a step")
    error_rate: float = Field(
        gt=0,
        lt=0.5,
        description="share of the images of each label whose label an answer may leave out; the "
        "less, the more often it is UNSURE",
    )
    instruction_set: InstructionSet | None = INSTRUCTION_SET
    threads: int = THREADS
