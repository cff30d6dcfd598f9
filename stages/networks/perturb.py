"""What happens to an image on its way: saved as JPEG, blurred, made noisy, scaled down and up."""

import io
from hashlib import sha256

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter


def jpeg(images: np.ndarray, quality: int) -> np.ndarray:
    """Return `images` as they come out of a JPEG file of `quality`, as Pillow writes it."""
    return np.stack([_jpeg(image, quality) for image in images])


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file, formats=["JPEG"]))


def blur(images: np.ndarray, sigma: float) -> np.ndarray:
    """Return `images` under a Gaussian filter of `sigma` pixels; borders are mirrored."""
    blurred = gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0))
    return _to_bytes(blurred)


def noise(images: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Return `images` with Gaussian noise of standard deviation `sigma`, of 255.

    An image's noise depends on its pixels and on `seed`, not on its place among the images.
    """
    return np.stack([_to_bytes(image + sigma * _normal(image, seed)) for image in images])


def _normal(image: np.ndarray, seed: int) -> np.ndarray:
    digest = np.frombuffer(sha256(image.tobytes()).digest(), "<u4")
    return np.random.default_rng([seed, *digest.tolist()]).standard_normal(image.shape, np.float32)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def downscale(images: np.ndarray, share: float) -> np.ndarray:
    """Return `images`, scaled to `share` of height and width, and back by a bicubic filter."""
    return np.stack([_downscale(image, share) for image in images])


def _downscale(image: np.ndarray, share: float) -> np.ndarray:
    height, width = image.shape[:2]
    small = (max(1, round(width * share)), max(1, round(height * share)))
    shrunk = Image.fromarray(image).resize(small, Image.Resampling.BICUBIC)
    return np.asarray(shrunk.resize((width, height), Image.Resampling.BICUBIC))
