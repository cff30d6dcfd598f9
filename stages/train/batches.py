"""Batches of images for training: which images and views are in each, and what is done to them."""

import math
from collections.abc import Callable

import numpy as np

from stages.common.arrays import WHOLE, Split, expect_random_reads, read
from stages.networks.kinds import of_kinds
from stages.networks.runtime import keras, tf


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
    network: keras.Model,
    steps: int,
    batch: Callable[[int], np.ndarray],
    seed: Callable[[int], list[int]],
    change: Callable[[np.ndarray, int], np.ndarray] | None = None,
) -> tf.data.Dataset:
    """Return `steps` batches of what `network` takes (uint8), and labels (uint8).

    Of each image in a batch it takes one view, drawn from those that it can look at.

    Args:
        batch: says which images are in the batch of a step.
        seed: decides which views are drawn in a step.
        change: takes the views in a batch, and its step; returns what is to be used.
    """

    expect_random_reads(split.images)
    places, takes_kinds = of_kinds(network, split.views), len(network.inputs) > 1
    is_whole = np.array([kind == WHOLE for kind in split.views], np.uint8)

    def read_batch(step: int) -> tuple[np.ndarray, ...]:
        numbers = batch(int(step))
        drawn = np.zeros(len(numbers), int)
        if split.images.ndim == 4:
            images = read(split.images, numbers)
        else:
            drawn = np.random.default_rng(seed(int(step))).choice(places, len(numbers))
            images = read(split.images, (numbers, drawn))
        if change is not None:
            images = change(images, int(step))
        return images, is_whole[drawn].reshape(-1, 1, 1, 1), split.labels[numbers]

    def read_step(step: tf.Tensor) -> tuple[tf.Tensor | tuple[tf.Tensor, ...], tf.Tensor]:
        images, kinds, labels = tf.numpy_function(read_batch, [step], [tf.uint8] * 3)
        images = tf.ensure_shape(images, (None, *split.images.shape[-3:]))
        kinds = tf.ensure_shape(kinds, (None, 1, 1, 1))
        views = (images, kinds) if takes_kinds else images
        return views, tf.ensure_shape(labels, (None,))

    options = tf.data.Options()
    # There is nothing to tune, and at the end of every epoch the tuner is waited for.
    options.autotune.enabled = False
    # Every worker reads each batch and keeps its share of it.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    batches = tf.data.Dataset.range(steps).map(read_step).prefetch(2)
    return batches.with_options(options)
