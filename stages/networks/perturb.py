"""What happens to an image on its way: saved as JPEG, blurred, made noisy, scaled down and up."""

import io
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from typing import Annotated, NamedTuple

import numpy as np
from PIL import Image
from pydantic import Field, field_validator
from scipy.ndimage import gaussian_filter

from stages.params import Schema


class RobustnessParams(Schema):
    """The block `robustness` of params.yaml: the levels of each perturbation, [] for none."""

    jpeg_quality: list[Annotated[int, Field(ge=1, le=100)]] = Field(
        description="quality of the JPEG file that the image is saved in, 1..100"
    )
    blur_sigma: list[Annotated[float, Field(gt=0, le=100)]] = Field(
        description="standard deviation of the Gaussian blur, in pixels"
    )
    noise_sigma: list[Annotated[float, Field(gt=0, le=255)]] = Field(
        description="standard deviation of the Gaussian noise, of 255"
    )
    downscale_to: list[Annotated[int, Field(ge=1, le=1024)]] = Field(
        description="shorter side that the image is scaled to and back from, in pixels"
    )
    seed: int = Field(ge=0, lt=2**32, description="seed of the noise")

    @field_validator("jpeg_quality", "blur_sigma", "noise_sigma", "downscale_to")
    @classmethod
    def _once(cls, levels: list[float]) -> list[float]:
        for place, level in enumerate(levels):
            if level in levels[:place]:
                raise ValueError(f"{level} is there twice")
        return levels


class Perturbation(NamedTuple):
    """A kind of change and how strong it is."""

    kind: str
    level: float
    change: Callable[[np.ndarray], np.ndarray]
    """Takes and returns images: uint8, [N, height, width, 3], 0..255."""


def perturbations(params: RobustnessParams) -> Iterator[Perturbation]:
    """Yield every perturbation that `params` asks for, after the one that changes nothing."""
    yield Perturbation("none", 0, lambda images: images)
    for quality in params.jpeg_quality:
        yield Perturbation("JPEG", quality, partial(jpeg, quality=quality))
    for sigma in params.blur_sigma:
        yield Perturbation("blur", sigma, partial(blur, sigma=sigma))
    for sigma in params.noise_sigma:
        yield Perturbation("noise", sigma, partial(noise, sigma=sigma, seed=params.seed))
    for size in params.downscale_to:
        yield Perturbation("downscale", size, partial(downscale, size=size))


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


def downscale(images: np.ndarray, size: int) -> np.ndarray:
    """Return `images`, scaled to a shorter side of `size` pixels and back by a bicubic filter."""
    return np.stack([_downscale(image, size) for image in images])


def _downscale(image: np.ndarray, size: int) -> np.ndarray:
    height, width = image.shape[:2]
    factor = size / min(height, width)
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    shrunk = Image.fromarray(image).resize(small, Image.Resampling.BICUBIC)
    return np.asarray(shrunk.resize((width, height), Image.Resampling.BICUBIC))
