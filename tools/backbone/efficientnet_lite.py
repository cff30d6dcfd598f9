"""EfficientNet-Lite0 of Keras's own layers, with the weights of a PyTorch checkpoint.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019,
https://arxiv.org/abs/1905.11946. Lite: ReLU6 for swish, no squeeze-and-excitation,
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
"""

import re
from collections.abc import Mapping

import numpy as np

from stages.networks.runtime import keras

# Blocks that follow each other, their kernel size, the stride of the first, expansion and filters.
GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

# What the checkpoint calls a layer, or the layer of a block.
NAMES = {
    "stem_conv": "_conv_stem",
    "stem_bn": "_bn0",
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
    "head_conv": "_conv_head",
    "head_bn": "_bn1",
    "probabilities": "_fc",
}


def build() -> keras.Model:
    """Return the network, untrained: images of any size as 0..255 ([N, H, W, 3]) go in.

    The probabilities of ImageNet's 1,000 classes ([N, 1000]) come out.
    """
    inputs = keras.Input((None, None, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="normalise")(inputs)
    x = keras.layers.Conv2D(32, 3, 2, padding="same", use_bias=False, name="stem_conv")(x)
    x = _activated(x, "stem")
    number = 0
    for blocks, kernel_size, stride, expansion, filters in GROUPS:
        for first in [True] + [False] * (blocks - 1):
            number += 1
            x = _block(
                x, kernel_size, stride if first else 1, expansion, filters, f"block_{number}"
            )
    x = _activated(_pointwise(x, 1280, "head"), "head")
    x = keras.layers.GlobalAveragePooling2D(name="global_average")(x)
    outputs = keras.layers.Dense(1000, activation="softmax", name="probabilities")(x)
    return keras.Model(inputs, outputs, name="efficientnet-lite0")


def _block(
    x: keras.KerasTensor, kernel_size: int, stride: int, expansion: int, filters: int, name: str
) -> keras.KerasTensor:
    """Return what an inverted residual block with a linear bottleneck makes of `x`.

    Sandler et al., MobileNetV2, 2018, https://arxiv.org/abs/1801.04381.
    """
    entered, depth = x, x.shape[-1]
    if expansion > 1:
        x = _activated(_pointwise(x, expansion * depth, f"{name}_expand"), f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        kernel_size, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _activated(x, f"{name}_depthwise")
    x = _normalised(_pointwise(x, filters, f"{name}_project"), f"{name}_project")
    if stride == 1 and depth == filters:
        x = keras.layers.Add(name=f"{name}_add")([x, entered])
    return x


def _pointwise(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    return keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_conv")(x)


def _normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)


def _activated(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.ReLU(max_value=6, name=f"{name}_activation")(_normalised(x, name))


def set_weights(network: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Give `network` the weights `tensors`, by their names in the checkpoint."""
    for layer in network.layers:
        if layer.weights:
            layer.set_weights(_weights(layer, tensors))


def _weights(layer: keras.Layer, tensors: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the weights of `layer` in Keras's order and axes."""
    match = re.fullmatch(r"block_(\d+)_(\w+)", layer.name)
    name = f"_blocks.{int(match[1]) - 1}.{NAMES[match[2]]}" if match else NAMES[layer.name]
    if isinstance(layer, keras.layers.BatchNormalization):
        kinds = ("weight", "bias", "running_mean", "running_var")
        return [tensors[f"{name}.{kind}"] for kind in kinds]
    weight = tensors[f"{name}.weight"]
    if isinstance(layer, keras.layers.Dense):
        return [weight.T, tensors[f"{name}.bias"]]
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return [weight.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))]
