"""The generator: a small U-Net that predicts the velocity of a flow from noise to images.

The network follows Ho, Jain & Abbeel, "Denoising Diffusion Probabilistic Models" (2020): residual
blocks with group normalisation, the time added as a shift in every block, attention at the lowest
resolution. Training and sampling are flow matching along straight paths: Lipman, Chen, Ben-Hamu,
Nickel & Le, "Flow Matching for Generative Modeling" (2023).
"""

import math
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf
from keras import layers

TIME_FEATURES = 64


def set_up(seed: int, threads: int) -> None:
    """Seed everything and make TensorFlow give the same bytes on every run."""
    keras.utils.set_random_seed(seed)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()


def time_features(time: tf.Tensor) -> tf.Tensor:
    """Return sines and cosines of the time at frequencies 1 to 1000: float32 [N, 64].

    time: float32 [N], in 0..1. The encoding is that of Vaswani et al. (2017).
    """
    half = TIME_FEATURES // 2
    frequencies = tf.exp(tf.linspace(0.0, math.log(1000.0), half))
    angles = time[:, None] * frequencies[None, :]
    return tf.concat([tf.sin(angles), tf.cos(angles)], axis=1)


def norm_act(x):
    """Group normalisation (Wu & He 2018), then SiLU."""
    return layers.Activation("silu")(layers.GroupNormalization(groups=8)(x))


def residual(x, time, channels: int):
    """Two 3x3 convolutions around a time shift, added to their input."""
    skip = x if x.shape[-1] == channels else layers.Conv2D(channels, 1)(x)
    x = layers.Conv2D(channels, 3, padding="same")(norm_act(x))
    shift = layers.Reshape((1, 1, channels))(layers.Dense(channels)(time))
    x = layers.Add()([x, shift])
    x = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros")(norm_act(x))
    return layers.Add()([x, skip])


def attention(x):
    """Self-attention over all pixels, added to its input."""
    _, height, width, channels = x.shape
    flat = layers.Reshape((height * width, channels))(layers.GroupNormalization(groups=8)(x))
    query, key, value = (layers.Dense(channels)(flat) for _ in range(3))
    mixed = layers.Attention(use_scale=False)([layers.Rescaling(channels**-0.5)(query), value, key])
    mixed = layers.Dense(channels, kernel_initializer="zeros")(mixed)
    return layers.Add()([x, layers.Reshape((height, width, channels))(mixed)])


def build(size: int, channels: list[int]) -> keras.Model:
    """Build the U-Net.

    Inputs: images float32 [N, size, size, 3] in about -1..1 and time features float32 [N, 64].
    Output: the velocity, float32 [N, size, size, 3].
    """
    image = keras.Input((size, size, 3))
    features = keras.Input((TIME_FEATURES,))
    time = layers.Dense(4 * channels[0], activation="silu")(features)
    time = layers.Dense(4 * channels[0], activation="silu")(time)

    x = layers.Conv2D(channels[0], 3, padding="same")(image)
    skips = []
    for width in channels[:-1]:
        x = residual(x, time, width)
        skips.append(x)
        x = layers.Conv2D(width, 3, strides=2, padding="same")(x)
    x = residual(x, time, channels[-1])
    x = attention(x)
    x = residual(x, time, channels[-1])
    for width, skip in zip(reversed(channels[:-1]), reversed(skips), strict=True):
        x = layers.UpSampling2D(2)(layers.Conv2D(width, 1)(x))
        x = residual(layers.Concatenate()([x, skip]), time, width)
    x = norm_act(x)
    velocity = layers.Conv2D(3, 3, padding="same", kernel_initializer="zeros", dtype="float32")(x)
    return keras.Model([image, features], velocity)


def matching_loss(model: keras.Model, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Conditional flow matching loss (Lipman et al. 2023, with the straight path, sigma_min = 0).

    x_t = (1 - t) noise + t image, and the target is the path's velocity, image - noise. The time is
    a sigmoid of a normal draw, which puts most of the effort in the middle of the path (Esser et
    al. 2024). images: float32 [N, S, S, 3] in -1..1. seed: int32 [2]. Returns a scalar.
    """
    noise = tf.random.stateless_normal(tf.shape(images), seed)
    draw = tf.random.stateless_normal([tf.shape(images)[0]], seed + tf.constant([1_000_003, 0]))
    time = tf.sigmoid(draw)
    t = time[:, None, None, None]
    path = (1.0 - t) * noise + t * images
    velocity = model([path, time_features(time)], training=True)
    return tf.reduce_mean(tf.square(velocity - (images - noise)))
