"""What an image looks like, in few numbers, cheap to compute: for the audit, not for networks."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.fft import dctn, fftfreq, rfft2, rfftfreq

CROP = 128
"""Rows and columns of the middle of an image that are looked at in their own size, at most."""
BANDS = 8
"""Of a spectrum, equally wide, up to the highest frequency of a row or column."""
OCTAVES = (2, 5, 10, 20)
"""Frequencies of the cosine transform, of 32, between which its energy is added up."""
LEAST = 1e-3
"""Added to an energy before its logarithm, as that of a flat picture is 0."""
GREY = np.array([299, 587, 114], np.float32) / 1000
"""Weights of red, green and blue: ITU-R BT.601, as Pillow's `convert("L")`."""


def features(hashed: np.ndarray, middles: Sequence[np.ndarray]) -> np.ndarray:
    """Return numbers on layout, colour, texture and spectrum of N images: float, [N, 27].

    Of the whole picture, the mean of its upper, middle and lower third, and the log energy of
    three bands of its cosine transform, of edges that lie and of edges that stand. Of its middle,
    mean and standard deviation of each channel and of the saturation (of HSV); the mean difference
    of neighbours in a row, and in a column; and the log energy of its Fourier transform by radial
    band, in which generated images may differ: Durall et al., 2020, https://arxiv.org/abs/2003.01826

    Args:
        hashed: small grey pictures, uint8, [N, 32, 32], 0..255.
        middles: N pictures in their own size, uint8, [height, width, 3], 0..255.
    """
    grey = hashed.astype(np.float32)
    energy = dctn(grey, axes=(1, 2), norm="ortho") ** 2
    lying = [energy[:, low:high, :2].mean((1, 2)) for low, high in pairwise(OCTAVES)]
    standing = [energy[:, :2, low:high].mean((1, 2)) for low, high in pairwise(OCTAVES)]
    of_shape: dict[tuple[int, ...], list[int]] = {}
    for number, middle in enumerate(middles):
        of_shape.setdefault(middle.shape, []).append(number)
    of_middle = np.empty((len(middles), 10 + BANDS))
    for rows in of_shape.values():
        of_middle[rows] = colour_and_texture(np.stack([middles[row] for row in rows]))
    thirds = [third.mean((1, 2)) for third in np.array_split(grey, 3, axis=1)]
    layout = np.column_stack([*thirds, *(np.log(band + LEAST) for band in lying + standing)])
    return np.column_stack([layout, of_middle])


def colour_and_texture(pixels: np.ndarray) -> np.ndarray:
    """Return the numbers of `features` on the middles of N pictures of one size: float, [N, 18].

    The first three are the mean of each channel, the last `BANDS` are the spectrum.

    Args:
        pixels: uint8, [N, height, width, 3], 0..255.
    """
    number, height, width, _ = pixels.shape
    # Channels first, as their values then lie side by side.
    channels = np.moveaxis(pixels, 3, 0).astype(np.float32, order="C").reshape(3, number, -1)
    highest = channels.max(0)
    saturation = (highest - channels.min(0)) / np.maximum(highest, 1)
    colours = np.concatenate([channels, saturation[None]])
    # Not by BLAS, whose threads would go on waiting for more, on all cores.
    grey = np.einsum("c,cnp->np", GREY, channels).reshape(number, height, width)
    steps = [np.abs(np.diff(grey, axis=axis)) for axis in (2, 1)]
    # Without a window, the edges of the crop would fill all bands.
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    waves = rfft2((grey - grey.mean((1, 2), keepdims=True)) * window.astype(np.float32))
    energy = (waves.real**2 + waves.imag**2) / np.float32((window**2).sum())
    # 1 is the highest frequency of a row or column; a band of a tiny picture may be empty.
    radius = np.hypot(2 * fftfreq(height)[:, None], 2 * rfftfreq(width))
    bands = [np.floor(radius * BANDS) == band for band in range(BANDS)]
    means = [energy[:, band].sum(1) / max(1, band.sum()) for band in bands]
    return np.column_stack(
        [
            *colours.mean(2),
            *colours.std(2),
            *(step.sum((1, 2)) / max(1, step[0].size) for step in steps),
            *(np.log(mean + LEAST) for mean in means),
        ]
    )
