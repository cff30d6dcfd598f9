"""Scaling of images in a network, said with operations that every runtime has."""

import numpy as np

from stages.networks.runtime import keras


def with_plain_scaling(network: keras.Model) -> keras.Model:
    """Return `network`, with its own layers, but for `Resizing`: there, matrices scale images.

    ONNX and TensorFlow Lite lack the operation that scales without aliasing. It is linear and takes
    rows and columns one after the other, so for one size two matrices do the same; their sums may
    differ in the last digits.
    """

    return keras.models.clone_model(
        network,
        clone_function=lambda layer: (
            _plain(layer) if isinstance(layer, keras.layers.Resizing) else layer
        ),
    )


def _plain(scale: keras.layers.Resizing) -> keras.Model:
    _, height, width, channels = scale.input.shape
    # What becomes of an image with ones in one row, or in one column, is a row of the matrix.
    rows = np.repeat(np.eye(height)[:, :, np.newaxis, np.newaxis], width, axis=2)
    columns = np.repeat(np.eye(width)[:, np.newaxis, :, np.newaxis], height, axis=1)
    of_rows = np.asarray(scale(rows))[:, :, 0, 0]
    of_columns = np.asarray(scale(columns))[:, 0, :, 0]
    plain = keras.Sequential(
        [
            keras.Input((height, width, channels)),
            keras.layers.Permute((3, 2, 1)),
            keras.layers.Dense(of_rows.shape[1], use_bias=False),
            keras.layers.Permute((1, 3, 2)),
            keras.layers.Dense(of_columns.shape[1], use_bias=False),
            keras.layers.Permute((2, 3, 1)),
        ],
        name=scale.name,
    )
    plain.set_weights([of_rows, of_columns])
    return plain
