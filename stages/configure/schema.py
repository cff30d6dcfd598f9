"""What the configuration of a model may be: the block `train` of params.yaml, key by key."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from stages.evaluate.schema import INSTRUCTION_SET, THREADS, InstructionSet
from stages.networks.config import Augmentation, Backbone, ConvLayer, ModelConfig, Spoiling

Activation = Literal["relu", "sigmoid", "tanh", "elu", "gelu", "silu", "leaky_relu"]


class ConvLayerSchema(ConvLayer):
    """A convolution, then batch normalisation, shortcut, activation, max pooling.

    All but convolution and activation are optional.
    """

    filters: int = Field(ge=1, le=4096, description="number of filters")
    kernel_size: int = Field(3, ge=1, le=31, description="height and width of a filter, in pixels")
    stride: int = Field(1, ge=1, le=8, description="step of the filter, in pixels")
    padding: Literal["valid", "same"] = Field("valid", description="what happens at the border")
    batch_normalization: bool = Field(False, description="normalise before the activation")
    shortcut: int = Field(
        0, ge=0, description="layers from whose input on it is added to the output; 0: none"
    )
    pool: int = Field(1, ge=1, le=8, description="size of the max pooling after it; 1: none")


class SpoilingSchema(Spoiling):
    """Training images that are changed as `robustness` changes test images, one way each."""

    share: float = Field(ge=0, le=1, description="of the images")
    jpeg_quality: list[Annotated[int, Field(ge=1, le=100)]] = Field(
        max_length=2, description="lowest and highest quality of the JPEG file; []: not this way"
    )
    blur_sigma: list[Annotated[float, Field(gt=0, le=100)]] = Field(
        max_length=2, description="least and largest sigma of the blur, in pixels; []: not this way"
    )
    downscale_to: list[Annotated[int, Field(ge=1, le=1024)]] = Field(
        max_length=2,
        description="least and largest shorter side it is scaled to, in pixels; []: not this way",
    )

    @field_validator("jpeg_quality", "blur_sigma", "downscale_to")
    @classmethod
    def _lowest_and_highest(cls, levels: list[float]) -> list[float]:
        if len(levels) == 1 or levels != sorted(levels):
            raise ValueError(f"must be the lowest and the highest value, or [], found {levels}")
        return levels

    @model_validator(mode="after")
    def _some_way(self) -> Self:
        if self.share and not (self.jpeg_quality or self.blur_sigma or self.downscale_to):
            raise ValueError(f"share: {self.share} needs jpeg_quality, blur_sigma or downscale_to")
        return self


class AugmentationSchema(Augmentation):
    """Random changes of the training images; validation and test images stay as they are."""

    flip: Literal["none", "horizontal", "vertical", "both"] = Field(
        description="mirror half of the images"
    )
    shift: float = Field(ge=0, lt=1, description="largest shift, as a share of height and width")
    rotation: float = Field(ge=0, le=180, description="largest rotation, in degrees")
    zoom: float = Field(ge=0, lt=1, description="largest change of size, as a share")
    spoil: SpoilingSchema


class BackboneSchema(Backbone):
    """A Keras model in a file, trained before, that takes pixels as 0..255."""

    weights: str = Field(
        pattern=r"\.(h5|keras)$", description="the file, .h5 or .keras, of built-in layers"
    )
    md5: str = Field(pattern="^[0-9a-f]{32}$", description="MD5 of the file; another is refused")
    layers: list[str] = Field(
        min_length=1, description="names of the layers whose outputs, averaged, are the features"
    )
    trainable: bool = Field(
        description="false: fit a logistic regression on the features; true: train it further"
    )


class ModelSchema(ModelConfig):
    """The block `train`: everything that decides what a model becomes, besides data and code."""

    views: Literal["whole", "crops", "both"] = Field(
        description="what the network sees of an image: all of it, parts of it, or both; its "
        "log-odds are the mean over these"
    )
    input_size: list[Annotated[int, Field(ge=8, le=1024)]] | None = Field(
        min_length=2,
        max_length=2,
        description="height and width that the network itself scales whole images to, and cuts out "
        "of crops, in pixels; null: preprocess.image_size",
    )
    backbone: BackboneSchema | None = Field(
        description="a pretrained network in place of conv_layers, activation and head; null: none"
    )
    head_l2: float = Field(
        gt=0,
        description="L2 penalty of the logistic regression on features that are not trained: half "
        "of it times the squared weights is added to the sum of the log losses",
    )
    conv_layers: list[ConvLayerSchema] = Field(min_length=1, description="the convolution layers")
    activation: Activation = Field(description="activation of the convolution layers")
    head: Literal["flatten", "global_average"] = Field(
        description="how feature maps become features: all values, or the mean of each map"
    )
    dropout: float = Field(ge=0, lt=1, description="share of the features that training drops")
    dense_units: int = Field(ge=0, le=65536, description="ReLU units after the dropout; 0: none")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "nadam"] = Field(
        description="Keras optimizer"
    )
    learning_rate: float = Field(gt=0, le=100, description="its (highest) learning rate")
    momentum: float = Field(ge=0, lt=1, description="momentum, of sgd and rmsprop only")
    weight_decay: float = Field(ge=0, lt=1, description="weight decay a step; 0: none")
    schedule: Literal["constant", "cosine"] = Field(
        description="learning rate over the epochs: constant, or falling to 0 along a cosine"
    )
    warmup_epochs: float = Field(
        ge=0, description="epochs in which the learning rate first rises from 0 (cosine only)"
    )
    batch_size: int = Field(ge=1, description="images a step")
    epochs: int = Field(ge=1, description="passes over the training images, see steps_per_epoch")
    steps_per_epoch: int | None = Field(
        ge=1, description="steps that make an epoch; null: as many as it takes to see every image"
    )
    validation_steps: int | None = Field(
        ge=1, description="validation batches after each epoch, at most; null: all"
    )
    keep: Literal["last", "best"] = Field(
        description="the weights of which epoch: the last, or that of the least loss on validation"
    )
    patience: int | None = Field(
        ge=1,
        description="epochs without a lower loss on validation after which training ends; null: "
        "it never ends early",
    )
    augmentation: AugmentationSchema
    seed: int = Field(ge=0, lt=2**32, description="seed of weights, dropout, order, augmentation")
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        description="what layers compute in; weights are float32 with any"
    )
    xla: bool = Field(description="compile the training step with XLA")
    strategy: Literal["single", "mirrored", "multi_worker"] = Field(
        description="train on one device, on all GPUs of this machine, or on those of several"
    )
    instruction_set: InstructionSet | None = INSTRUCTION_SET
    threads: int = THREADS

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        if self.momentum and self.optimizer not in ("sgd", "rmsprop"):
            raise ValueError(
                f"momentum: {self.momentum} needs optimizer sgd or rmsprop, found {self.optimizer}"
            )
        if self.warmup_epochs and self.schedule != "cosine":
            raise ValueError(
                f"warmup_epochs: {self.warmup_epochs} needs schedule cosine, found {self.schedule}"
            )
        if self.strategy == "multi_worker" and (self.keep == "best" or self.patience):
            raise ValueError(
                "strategy: multi_worker needs keep last and patience null, found "
                f"{self.keep} and {self.patience}"
            )
        if self.precision != "float32" and self.instruction_set:
            raise ValueError(
                f"precision: {self.precision} needs instruction_set null, since oneDNN computes in "
                f"16 bits only with the newest instructions, found {self.instruction_set}"
            )
        if self.xla and not self.backbone and any(layer.pool > 1 for layer in self.conv_layers):
            raise ValueError(
                "xla: true needs conv_layers without pool, since XLA has no deterministic gradient "
                "of max pooling; use stride instead"
            )
        for number, layer in enumerate(self.conv_layers, start=1):
            if layer.shortcut > number:
                raise ValueError(
                    f"conv_layers: the shortcut of layer {number} must be at most {number}, "
                    f"found {layer.shortcut}"
                )
        if self.warmup_epochs >= self.epochs and self.warmup_epochs:
            raise ValueError(
                f"warmup_epochs: must be less than epochs ({self.epochs}), "
                f"found {self.warmup_epochs}"
            )
        return self
