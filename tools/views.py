"""What a network is shown of an image: all of it, and of a large one also tiles."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from stages.archive import is_archive, list_files, read_files
from stages.command import InputError
from stages.layout import IMAGE_SUFFIXES
from stages.pixels import (
    BYTES_PER_PIXEL,
    DecodeParams,
    UnreadableImageError,
    decode,
    require_size,
    to_array,
)
from stages.preprocess import Preprocess

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


def views(data: bytes, preprocess: Preprocess) -> Views:
    """Return what a network is shown of the image file `data`.

    Raises:
        UnreadableImageError: see `decode`.
    """
    image = decode(data, preprocess.decoding).rgb
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
        try:
            found.append((name, data if isinstance(data, str) else views(data, preprocess)))
        except UnreadableImageError as problem:
            found.append((name, str(problem)))
    return found


class Contents(NamedTuple):
    """What lies behind a path that a user has named."""

    path: Path
    sizes: dict[str, int] | None
    """Of an archive or a folder, the bytes of each image by its name; None: `path` is an image."""
    passed_over: int
    """How many other files there are, by their names no images."""


def contents(path: Path) -> Contents:
    """Return what there is to look at behind `path`: one file, an archive or a folder.

    Raises:
        InputError: an archive or a folder cannot be listed.
    """
    if not path.exists() or not is_archive(path):
        return Contents(path, None, 0)
    sizes, litter = list_files(path)
    images = {name: size for name, size in sizes.items() if name.lower().endswith(IMAGE_SUFFIXES)}
    return Contents(path, images, litter + len(sizes) - len(images))


def read(found: Contents, decoding: DecodeParams) -> Iterator[tuple[str, bytes | str]]:
    """Yield name and bytes of each image, one after another, or why it cannot be read.

    Raises:
        InputError: an archive is damaged.
    """
    if found.sizes is None:
        try:
            require_size(found.path.stat().st_size, decoding)
            yield str(found.path), found.path.read_bytes()
        except (OSError, UnreadableImageError) as problem:
            yield str(found.path), getattr(problem, "strerror", None) or str(problem)
        return
    possible = []
    for name, size in found.sizes.items():
        try:
            require_size(size, decoding)
            possible.append(name)
        except UnreadableImageError as problem:
            yield f"{found.path}/{name}", str(problem)
    if not found.path.is_dir():
        for name, data in read_files(found.path, set(possible)):
            yield f"{found.path}/{name}", data
        return
    for name in possible:  # one by one: a file that cannot be read ends nothing
        try:
            yield from ((f"{found.path}/{n}", data) for n, data in read_files(found.path, [name]))
        except InputError as problem:
            yield f"{found.path}/{name}", str(problem)


def read_stream(name: str, stream: BinaryIO, decoding: DecodeParams) -> tuple[str, bytes | str]:
    """Return `name` and the bytes of `stream`, or why they can be no image."""
    data = stream.read(BYTES_PER_PIXEL * decoding.max_pixels + 1)
    try:
        require_size(len(data), decoding)
    except UnreadableImageError as problem:
        return name, str(problem)
    return name, data
