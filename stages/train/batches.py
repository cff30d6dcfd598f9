"""Batches of images for training: which images are in each, and what is done to them."""

import math
from collections.abc import Callable

import numpy as np

from stages.common.arrays import Split, expect_random_reads, read
from stages.networks.runtime import tf


class Order:
    """The endless stream of batches: pass after pass over the images, each in its own order.

    An epoch takes the next `steps_per_epoch` batches of it, which is what Keras means by that.
    """

    def __init__(self, images: int, batch_size: int, seed: int):
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.pass_number, self.permutation = -1, np.empty(0, int)

    def batch(self, number: int) -> np.ndarray:
        """Return the image numbers of batch `number` of the stream: int, [at most batch_size]."""
        pass_number, place = divmod(number, math.ceil(self.images / self.batch_size))
        if pass_number != self.pass_number:
            random = np.random.default_rng([self.seed, pass_number])
            self.pass_number, self.permutation = pass_number, random.permutation(self.images)
        return self.permutation[place * self.batch_size : (place + 1) * self.batch_size]


def dataset(
    split: Split,
    steps: int,
    batch: Callable[[int], np.ndarray],
    change: Callable[[np.ndarray, int], np.ndarray] | None = None,
) -> tf.data.Dataset:
    """Return `steps` batches of images (uint8) and labels (uint8).

    Args:
        batch: says which images are in the batch of a step.
        change: takes the images of a batch, and its step; returns what is to be used.
    """

    expect_random_reads(split.images)

    def read_batch(step: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = batch(int(step))
        images = read(split.images, numbers)
        return images if change is None else change(images, int(step)), split.labels[numbers]

    def read_step(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.numpy_function(read_batch, [step], (tf.uint8, tf.uint8))
        images = tf.ensure_shape(images, (None, *split.images.shape[1:]))
        return images, tf.ensure_shape(labels, (None,))

    options = tf.data.Options()
    # There is nothing to tune, and at the end of every epoch the tuner is waited for.
    options.autotune.enabled = False
    # Every worker reads each batch and keeps its share of it.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    batches = tf.data.Dataset.range(steps).map(read_step).prefetch(2)
    return batches.with_options(options)
