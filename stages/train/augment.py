"""Random changes of training images. Most move pixels without mixing them.

What a generator leaves in an image lies in the finest detail, which interpolation smears: shifts
are of whole pixels. Rotation and zoom do interpolate.
"""

from collections.abc import Callable

import numpy as np

from stages.networks.config import Augmentation, Spoiling
from stages.networks.perturb import blur, downscale, jpeg
from stages.networks.runtime import keras, tf


def augment(images: np.ndarray, chosen: Augmentation, random: np.random.Generator) -> np.ndarray:
    """Return `images`, each changed at random: uint8, [N, height, width, 3], 0..255.

    Args:
        images: uint8, [N, height, width, 3], 0..255; may be changed in place.
    """
    if chosen.flip in ("horizontal", "both"):
        images = _some(images, random, lambda some: some[:, :, ::-1])
    if chosen.flip in ("vertical", "both"):
        images = _some(images, random, lambda some: some[:, ::-1])
    if chosen.shift:
        images = _shift(images, chosen.shift, random)
    if chosen.rotation or chosen.zoom:
        images = _turn(images, chosen.rotation, chosen.zoom, random)
    if chosen.spoil.share:
        images = _spoil(images, chosen.spoil, random)
    return images


def _some(
    images: np.ndarray, random: np.random.Generator, change: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Change each image with a probability of a half."""
    some = random.random(len(images)) < 0.5
    images[some] = change(images[some])
    return images


def _shift(images: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Shift by whole pixels, up to `share` of height and width; borders are mirrored."""
    height, width = images.shape[1:3]
    most_y, most_x = round(share * height), round(share * width)
    padding = ((0, 0), (most_y, most_y), (most_x, most_x), (0, 0))
    padded = np.pad(images, padding, mode="symmetric")
    tops = random.integers(0, 2 * most_y + 1, len(images))
    lefts = random.integers(0, 2 * most_x + 1, len(images))
    return np.stack(
        [
            image[top : top + height, left : left + width]
            for image, top, left in zip(padded, tops, lefts, strict=True)
        ]
    )


def _turn(
    images: np.ndarray, degrees: float, zoom: float, random: np.random.Generator
) -> np.ndarray:
    """Rotate by up to `degrees` and scale by up to 1 ± `zoom`, about the middle, bilinearly."""
    angles = np.radians(random.uniform(-degrees, degrees, len(images)))
    scales = random.uniform(1 - zoom, 1 + zoom, len(images))
    cosine, sine = np.cos(angles) / scales, np.sin(angles) / scales
    y, x = (np.array(images.shape[1:3]) - 1) / 2
    zero = np.zeros(len(images))
    # Where each pixel comes from: two rows of an affine map for x and y, and no perspective.
    from_x, from_y = (
        (cosine, sine, x - cosine * x - sine * y),
        (-sine, cosine, y + sine * x - cosine * y),
    )
    maps = np.stack([*from_x, *from_y, zero, zero], axis=1).astype(np.float32)
    with tf.device("CPU"):  # the same sums, whatever else there is
        turned = keras.ops.image.affine_transform(
            images.astype(np.float32), maps, interpolation="bilinear", fill_mode="reflect"
        )
    return np.rint(turned.numpy()).astype(np.uint8)


def _spoil(images: np.ndarray, chosen: Spoiling, random: np.random.Generator) -> np.ndarray:
    """Change a share of the images as robustness does, each in one way and to one degree."""

    def compressed(image: np.ndarray) -> np.ndarray:
        least, most = chosen.jpeg_quality
        return jpeg(image, int(random.integers(least, most, endpoint=True)))

    def blurred(image: np.ndarray) -> np.ndarray:
        least, most = chosen.blur_sigma
        return blur(image, random.uniform(least, most))

    def scaled(image: np.ndarray) -> np.ndarray:
        least, most = chosen.downscale_to
        size = int(random.integers(least, most, endpoint=True))
        return downscale(image, size / min(image.shape[1:3]))

    levels = (
        (chosen.jpeg_quality, compressed),
        (chosen.blur_sigma, blurred),
        (chosen.downscale_to, scaled),
    )
    ways = [change for level, change in levels if level]
    for number in np.flatnonzero(random.random(len(images)) < chosen.share):
        change = ways[random.integers(len(ways))]
        images[number] = change(images[number : number + 1])[0]
    return images
