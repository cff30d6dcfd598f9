"""What a network is shown of an image: all of it, and of a large one also tiles."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from stages.images.pixels import UnreadableImageError, decode, to_array
from stages.preprocess.resize import Preprocess

LARGE = 2
"""From this many times the network's height and width on, an image is looked at in tiles, too."""

TILES = 8
"""Rows and columns of tiles, at most."""


class Views(NamedTuple):
    """An image as a network sees it."""

    width: int
    height: int
    """Of the image, in pixels, after it was turned as its EXIF orientation says."""
    whole: np.ndarray
    """All of it in the network's size: uint8, [H, W, 3], 0..255."""
    tiles: np.ndarray
    """Parts of it in that size, not scaled: uint8, [rows, columns, H, W, 3], 0..255."""


def tiles(image: Image.Image, height: int, width: int) -> np.ndarray:
    """Return tiles of an RGB `image`, spread evenly: uint8, [rows, columns, height, width, 3].

    They do not overlap. An image less than twice as high or wide as they are has none.
    """
    if image.height < LARGE * height or image.width < LARGE * width:
        return np.empty((0, 0, height, width, 3), np.uint8)
    rows, columns = min(TILES, image.height // height), min(TILES, image.width // width)
    tops, lefts = _starts(image.height, height, rows), _starts(image.width, width, columns)
    pixels = to_array(image)
    return np.array(
        [[pixels[top : top + height, left : left + width] for left in lefts] for top in tops]
    )


def _starts(length: int, of_tile: int, number: int) -> list[int]:
    return [int(start) for start in np.linspace(0, length - of_tile, number)]


def views(image: Image.Image, preprocess: Preprocess) -> Views:
    """Return what a network is shown of a decoded RGB `image`."""
    parts = tiles(image, preprocess.height, preprocess.width)
    return Views(image.width, image.height, preprocess.resize(image), parts)


def views_of_files(
    files: list[tuple[str, bytes | str]], preprocess: Preprocess
) -> list[tuple[str, Views | str]]:
    """Return for each of `files`, by its name, what a network is shown, or why it cannot be read.

    Args:
        files: names and bytes; in place of these the reason, where it is known already.
    """
    found: list[tuple[str, Views | str]] = []
    for name, data in files:
        if isinstance(data, str):
            found.append((name, data))
            continue
        try:
            found.append((name, views(decode(data, preprocess.decoding).rgb, preprocess)))
        except UnreadableImageError as problem:
            found.append((name, str(problem)))
    return found
