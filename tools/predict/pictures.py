"""What a network is shown of an image: its views, as preprocess makes them."""

from typing import NamedTuple

import numpy as np

from stages.images.pixels import UnreadableImageError
from stages.preprocess.views import Preprocess


class Views(NamedTuple):
    """An image as a network sees it."""

    width: int
    height: int
    """Of the image, in pixels, after it was turned as its EXIF orientation says."""
    pixels: np.ndarray
    """As `Preprocess.views` returns them: uint8, 0..255."""


def views(file: bytes, preprocess: Preprocess) -> Views:
    """Return what a network is shown of an image `file`.

    Raises:
        UnreadableImageError: it is none.
    """
    image = preprocess.decode(file)
    return Views(*image.size, preprocess.views(image.rgb))


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
            found.append((name, views(data, preprocess)))
        except UnreadableImageError as problem:
            found.append((name, str(problem)))
    return found
