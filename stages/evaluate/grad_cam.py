"""Grad-CAM: where in an image a network found what speaks for its verdict.

Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization,
2017, https://arxiv.org/abs/1610.02391.
"""

import numpy as np

from stages.common.arrays import CROP, chunks
from stages.networks.kinds import batch_of
from stages.networks.runtime import keras, tf

MOST_BYTES = 500_000
"""Of images that are looked at together: the gradient needs what all layers made of them."""


def heat_maps(
    network: keras.Model, images: np.ndarray, kind: str, labels: np.ndarray
) -> np.ndarray:
    """Return how much each place of `images` speaks for its label: float32, [N, height, width].

    The highest value of each image is 1; one in which nothing speaks for the label has 0
    everywhere, and so has any of a network without feature maps.

    Args:
        network: returns a score for each label, before any softmax: [N, 2].
        images: views of the `kind`: uint8, [N, height, width, 3], 0..255.
        labels: the label to explain for each image, 0 (REAL) or 1 (FAKE): int, [N].
    """
    inputs = network.inputs if len(network.inputs) > 1 else network.inputs[0]
    last = _last_maps(network)
    if last is None:
        return np.zeros(images.shape[:3], np.float32)
    model = keras.Model(inputs, [last, network.output])
    parts = [
        _of_batch(model, batch_of(network, images[part], kind), labels[part])
        for part in chunks(images, MOST_BYTES)
    ]
    heat = np.concatenate(parts or [np.zeros((0, 1, 1, 1), np.float32)])
    size = images.shape[1:3]
    cut = [layer for layer in network.layers if isinstance(layer, keras.layers.CenterCrop)]
    if cut and kind == CROP:  # of which the network sees the middle
        heat = tf.image.resize(heat, (cut[0].height, cut[0].width))
        heat = tf.image.resize_with_crop_or_pad(heat, *size)[..., 0]
    else:
        heat = tf.image.resize(heat, size)[..., 0]
    highest = tf.reduce_max(heat, axis=(1, 2), keepdims=True)
    return tf.math.divide_no_nan(heat, highest).numpy()


def _of_batch(
    model: keras.Model, views: np.ndarray | list[np.ndarray], labels: np.ndarray
) -> np.ndarray:
    """Return how much each place of the maps that `model` returns speaks for the label."""
    with tf.GradientTape() as tape:
        maps, scores = model(views, training=False)
        chosen = tf.gather(scores, labels, axis=1, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(chosen, maps), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1, keepdims=True)).numpy()


def _last_maps(network: keras.Model) -> keras.KerasTensor | None:
    """Return the last feature maps of `network` that still have the resolution of a convolution."""
    if any(isinstance(layer, keras.Model) for layer in network.layers):
        # The maps of a backbone belong to its own network; this one has what goes on from there.
        pools = keras.layers.GlobalAveragePooling2D
        maps = [layer.input for layer in network.layers if isinstance(layer, pools)]
    else:
        maps = [
            layer.output
            for layer in network.layers
            if len(layer.output.shape) == 4 and not isinstance(layer, keras.layers.MaxPooling2D)
        ]
    return maps[-1] if maps else None
