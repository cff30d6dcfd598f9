"""The configuration of one model, as `configure` has resolved and checked it.

Types alone: what is allowed, and what it means, stands in `stages.configure.schema`. So a value
that becomes allowed trains nothing again.
"""

from collections.abc import Sequence
from pathlib import Path

from stages.common.params import Schema, read_yaml, validate

CONFIGS = Path("configs")


class ConvLayer(Schema):
    """A convolution, then batch normalisation, shortcut, activation, max pooling."""

    filters: int
    kernel_size: int
    stride: int
    padding: str
    batch_normalization: bool
    shortcut: int
    pool: int


class Spoiling(Schema):
    """Training images that are changed as `robustness` changes test images, one way each."""

    share: float
    jpeg_quality: Sequence[int]
    blur_sigma: Sequence[float]
    downscale_to: Sequence[int]


class Augmentation(Schema):
    """Random changes of the training images."""

    flip: str
    shift: float
    rotation: float
    zoom: float
    spoil: Spoiling


class Backbone(Schema):
    """A pretrained network in a file, whose feature maps stand in for convolution layers."""

    weights: str
    md5: str
    layers: Sequence[str]
    trainable: bool


class NetworkConfig(Schema):
    """What decides what any network becomes, besides data and code."""

    views: str
    input_size: Sequence[int] | None
    batch_size: int
    instruction_set: str | None
    threads: int


class FrozenConfig(NetworkConfig):
    """A logistic regression on the features of a backbone that stays as it is."""

    backbone: Backbone
    head_l2: float


class ModelConfig(NetworkConfig):
    """A network that is trained epoch by epoch.

    One with a backbone has no convolution layers, activation and head of its own.
    """

    backbone: Backbone | None
    conv_layers: Sequence[ConvLayer] = ()
    activation: str = ""
    head: str = ""
    dropout: float
    dense_units: int
    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    schedule: str
    warmup_epochs: float
    epochs: int
    steps_per_epoch: int | None
    validation_steps: int | None
    keep: str
    patience: int | None
    augmentation: Augmentation
    seed: int
    precision: str
    xla: bool
    strategy: str


def read_config(variant: str) -> ModelConfig | FrozenConfig:
    """Return what configs/<variant>.yaml holds.

    Raises:
        InputError: it is missing, or is not what `configure` writes.
    """
    path = CONFIGS / f"{variant}.yaml"
    content = read_yaml(path)
    if "head_l2" in content:
        return validate(FrozenConfig, content, str(path))
    return validate(ModelConfig, content, str(path))
