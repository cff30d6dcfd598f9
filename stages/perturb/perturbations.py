"""Which changes of test images there are, and what networks see of an image under each."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from stages.common.manifest import LABELS
from stages.images.pixels import UnreadableImageError, decode, to_array
from stages.networks.perturb import blur, downscale, jpeg, noise
from stages.perturb.schema import RobustnessParams
from stages.preprocess.views import LONGEST_JPEG, Preprocess


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
    for share in params.downscale:
        yield Perturbation("downscale", share, partial(downscale, share=share))


def see_perturbed(file: bytes, preprocess: Preprocess, params: RobustnessParams) -> np.ndarray:
    """Return the views of an image `file` under each perturbation: uint8, [P, ...], 0..255.

    The image itself is changed, in its own pixels, before anything is scaled or cut; where nothing
    changes it, it is seen as in every other stage.

    Raises:
        UnreadableImageError: it cannot be decoded, or saved as JPEG.
    """
    pixels = to_array(decode(file, preprocess.decoding).rgb)[np.newaxis]
    if params.jpeg_quality and max(pixels.shape) > LONGEST_JPEG:
        raise UnreadableImageError(
            f"a side of {max(pixels.shape):,} pixels is more than a JPEG file can have; leave it "
            "out, or set robustness.jpeg_quality []"
        )
    _, *changes = perturbations(params)
    changed = (change(pixels)[0] for _, _, change in changes)
    return np.stack(
        [preprocess.see(file), *(preprocess.views(Image.fromarray(image)) for image in changed)]
    )


def sample(test: pd.DataFrame, params: RobustnessParams) -> pd.DataFrame:
    """Return `params.samples` rows of `test`, half of each label, or all of a label with fewer."""
    if params.samples is None:
        return test
    random = np.random.default_rng(params.seed)
    chosen: list[int] = []
    for number, label in enumerate(LABELS):
        rows = np.flatnonzero(test["label"] == label)
        chosen += random.permutation(rows)[: (params.samples + number) // 2].tolist()
    return test.iloc[sorted(chosen)]
