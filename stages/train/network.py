"""The network that a configuration describes, made of Keras's own layers."""

import keras

from stages.networks.config import ConvLayer, ModelConfig
from stages.train.backbone import features
from stages.train.entry import enter
from stages.train.unfit import UnfitError

MOMENTUM = 0.9
"""Of the statistics of batch normalisation: after a short training, Keras's 0.99 would leave too
much in them of what they were before."""


def build(config: ModelConfig, image_shape: tuple[int, ...]) -> keras.Model:
    """Return the untrained network: images as 0..255 go in, (p_real, p_fake) comes out.

    A layer's shortcut adds what went in some layers before to what comes out, before the
    activation: He et al., Deep Residual Learning for Image Recognition, 2015,
    https://arxiv.org/abs/1512.03385.

    Args:
        image_shape: height, width, 3 of a view.

    Raises:
        UnfitError: the convolution layers shrink the images to nothing, or the backbone does not
            fit.
    """
    inputs, x = enter(config, image_shape)
    x = features(config.backbone, x) if config.backbone else _convolutions(config, x)
    x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    if config.dense_units:
        x = keras.layers.Dense(config.dense_units, activation="relu", name="dense")(x)
    # In full precision, whatever the layers before have.
    outputs = keras.layers.Dense(2, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(inputs, outputs, name="cnn")


def _convolutions(config: ModelConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    """Return what the convolution layers make of images: [N, D]."""
    x = keras.layers.Rescaling(1 / 255, name="normalise")(x)
    entered = []
    for number, layer in enumerate(config.conv_layers, start=1):
        entered.append(x)
        if layer.padding == "valid":
            _require_pixels(x, layer.kernel_size, number)
        x = keras.layers.Conv2D(
            layer.filters,
            layer.kernel_size,
            layer.stride,
            layer.padding,
            use_bias=not layer.batch_normalization,
            name=f"conv_{number}",
        )(x)
        if layer.batch_normalization:
            x = _batch_normalization(config, f"batch_normalization_{number}")(x)
        if layer.shortcut:
            shortcut = _shortcut(config, entered[-layer.shortcut], x, layer, number)
            x = keras.layers.Add(name=f"add_{number}")([x, shortcut])
        x = keras.layers.Activation(config.activation, name=f"activation_{number}")(x)
        if layer.pool > 1:
            _require_pixels(x, layer.pool, number)
            x = keras.layers.MaxPooling2D(layer.pool, name=f"pool_{number}")(x)
    if config.head == "flatten":
        return keras.layers.Flatten(name="flatten")(x)
    return keras.layers.GlobalAveragePooling2D(name="global_average")(x)


def _batch_normalization(config: ModelConfig, name: str) -> keras.Layer:
    # Statistics of the whole batch, not of each device's share of it.
    together = config.strategy != "single"
    return keras.layers.BatchNormalization(momentum=MOMENTUM, synchronized=together, name=name)


def _shortcut(
    config: ModelConfig, x: keras.KerasTensor, to: keras.KerasTensor, layer: ConvLayer, number: int
) -> keras.KerasTensor:
    """Return `x` in the shape of `to`: as it is, or through a convolution of 1x1 pixel."""
    if x.shape == to.shape:
        return x
    stride = x.shape[1] // to.shape[1]
    x = keras.layers.Conv2D(
        layer.filters, 1, stride, "same", use_bias=False, name=f"shortcut_{number}"
    )(x)
    if x.shape != to.shape:
        raise UnfitError(
            f"conv_layers: layer {number} has {to.shape[1]}x{to.shape[2]} pixels, which its "
            f"shortcut cannot have ({x.shape[1]}x{x.shape[2]}); set padding: same, and pool sizes "
            "that leave nothing over"
        )
    if layer.batch_normalization:
        x = _batch_normalization(config, f"shortcut_normalization_{number}")(x)
    return x


def _require_pixels(x: keras.KerasTensor, needed: int, layer: int) -> None:
    height, width = x.shape[1:3]
    if min(height, width) < needed:
        raise UnfitError(
            f"conv_layers: layer {layer} needs {needed}x{needed} pixels where only "
            f"{height}x{width} are left; use fewer layers, pool less, or set padding: same"
        )
