"""Whether an image is unlike all training images, so that a network's answer says nothing.

A network's own features hardly show it: a white page lies among them as photographs do. So two
things are measured on the pixels of the whole picture: the shape of its spectrum, in which
compression, blur, noise and scaling leave traces, and its colours. In each, the distance is that to
the nearest training images. The thresholds come from validation, as in conformal prediction: Bates
et al., Testing for outliers with conformal p-values, 2023, https://arxiv.org/abs/2104.08279.
"""

import numpy as np
from pydantic import Field
from scipy.fft import dctn
from scipy.stats import rankdata
from sklearn.neighbors import NearestNeighbors

from stages.common.arrays import read
from stages.common.params import Schema
from stages.evaluate.conformal import bound

ROWS = 300
"""Training images that others are compared with, at most."""
NEIGHBOURS = 5
"""Nearest of these whose mean distance counts, as one alone may be an odd one."""
BANDS = 8
"""Of a spectrum, equally wide, up to the highest frequency of a row or column."""
ROUNDING = 1 / 12
"""Energy of the error of rounding to whole numbers, below which a spectrum tells nothing."""
LEAST = 1e-3
"""Lowest threshold and deviation: where all images are the same, any other is far away."""
BATCH = 32
"""Images that are looked at together, to bound the memory."""
YCBCR = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
"""Red, green and blue to brightness and two differences of colour: ITU-T T.871, as in JPEG."""


class Neighbours(Schema):
    """Training images, each as numbers that are scaled to mean 0 and deviation 1."""

    mean: list[float] = Field(description="of each number, before it is scaled")
    deviation: list[float] = Field(description="of each number, before it is scaled")
    rows: list[list[float]] = Field(description="the scaled numbers, a row an image")
    threshold: float = Field(gt=0, description="distance from which on an image is unlike these")


class Reference(Schema):
    """What images are compared with: it travels with a network."""

    spectrum: Neighbours
    colours: Neighbours


def fit(training: np.ndarray, validation: np.ndarray, error_rate: float) -> Reference:
    """Return what `distances` needs, so that few images like those of validation are unlike.

    Of the training images, every so many-th is kept, at most `ROWS`. The thresholds are the k-th
    smallest distance of validation in spectrum and in colours, with one k for both.

    Args:
        training: whole pictures: uint8, [N, height, width, 3], 0..255; may be memory-mapped.
        validation: as `training`; with fewer than 1 / error_rate - 1, none of them is unlike.
        error_rate: the share of images like those of validation that may be called unlike.
    """
    kept = np.unique(np.linspace(0, len(training) - 1, ROWS).astype(int))
    parts = [_neighbours(numbers) for numbers in describe(read(training, kept))]
    pairs = zip(describe(validation), parts, strict=True)
    apart = np.stack([_distance(numbers, part) for numbers, part in pairs])
    places = rankdata(apart, method="max", axis=1).max(0)
    place = bound(places, error_rate) or len(validation)
    thresholds = np.maximum(np.sort(apart, axis=1)[:, int(place) - 1], LEAST).tolist()
    spectrum, colours = (
        part.model_copy(update={"threshold": threshold})
        for part, threshold in zip(parts, thresholds, strict=True)
    )
    return Reference(spectrum=spectrum, colours=colours)


def distances(images: np.ndarray, reference: Reference) -> np.ndarray:
    """Return how far images are from the training images: float, [N]; above 1, one is unlike.

    Args:
        images: whole pictures, of the size of those of `fit`: uint8, [N, height, width, 3], 0..255;
            may be memory-mapped.
    """
    spectrum, colours = describe(images)
    return np.maximum(
        _distance(spectrum, reference.spectrum) / reference.spectrum.threshold,
        _distance(colours, reference.colours) / reference.colours.threshold,
    )


def describe(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers on the spectrum (float, [N, 24]) and the colours (float, [N, 16]) of images.

    Of brightness and two colour differences, the log energy of the cosine transform by radial band,
    less the mean of the channel's bands: contrast apart, photographs have much the same spectrum,
    Field, 1987, https://doi.org/10.1364/JOSAA.4.002379. Of the colours, the mean of each channel;
    of brightness and colour differences, the deviation and the 5th, 50th and 95th percentile; and
    the share of pixels that equal their left neighbour, of which drawings have many.

    Args:
        images: uint8, [N, height, width, 3], 0..255; may be memory-mapped.
    """
    starts = range(0, max(1, len(images)), BATCH)
    batches = [_describe(read(images, slice(start, start + BATCH))) for start in starts]
    spectrum, colours = zip(*batches, strict=True)
    return np.concatenate(spectrum), np.concatenate(colours)


def _describe(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    number, height, width, _ = images.shape
    channels = np.einsum("nhwc,kc->knhw", images.astype(np.float32), YCBCR)
    energy = dctn(channels, axes=(2, 3), norm="ortho") ** 2
    # 1 is the highest frequency of a row or column; a band of a tiny picture may be empty.
    radius = np.hypot(np.arange(height)[:, None] / height, np.arange(width) / width)
    bands = [np.floor(radius * BANDS) == band for band in range(BANDS)]
    means = np.stack([energy[:, :, band].sum(2) / max(1, band.sum()) for band in bands])
    logs = np.log(means.astype(np.float64) + ROUNDING)
    spectrum = (logs - logs.mean(0)).transpose(2, 0, 1).reshape(number, 3 * BANDS)
    values = channels.reshape(3, number, height * width)
    equal = (images[:, :, 1:] == images[:, :, :-1]).all(3).sum((1, 2))
    colours = [
        *images.mean((1, 2)).T,
        *values.std(2, dtype=np.float64),
        *np.quantile(values, [0.05, 0.5, 0.95], axis=2).reshape(9, number),
        equal / max(1, height * (width - 1)),
    ]
    return spectrum, np.column_stack(colours)


def _neighbours(numbers: np.ndarray) -> Neighbours:
    # Rounded, so that the file stays small.
    mean = np.round(numbers.mean(0), 4)
    deviation = np.round(np.maximum(numbers.std(0), LEAST), 4)
    rows = np.round((numbers - mean) / deviation, 3).tolist()
    return Neighbours(mean=mean.tolist(), deviation=deviation.tolist(), rows=rows, threshold=1.0)


def _distance(numbers: np.ndarray, part: Neighbours) -> np.ndarray:
    scaled = (numbers - np.array(part.mean)) / np.array(part.deviation)
    # A tree, as the order in which a product of matrices adds up depends on the threads.
    count = min(NEIGHBOURS, len(part.rows))
    nearest = NearestNeighbors(n_neighbors=count, algorithm="kd_tree").fit(np.array(part.rows))
    return np.round(nearest.kneighbors(scaled)[0].mean(1), 6) if len(scaled) else np.empty(0)
