"""What can be told of an image without looking at what it shows, and hashes of what it shows."""

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin
from scipy.fft import dct

from stages.images.features import CROP, features
from stages.images.parallel import File
from stages.images.pixels import UnreadableImageError, decode, pixels_digest, to_array
from stages.images.schema import DecodeParams

HASHED = 32
"""Rows and columns of the grey picture that is hashed."""
LOOKED_AT = 128
"""Pixels of the shorter side of a picture, at least, that is left of a larger one."""
EDGE, LEAST_SIDE = 50, 50
"""A border is at most one EDGE-th of a side; pictures with shorter sides are taken as they are."""
THUMBNAIL = 96
"""Pixels of a small picture's longer side, for a person to look at."""
BORDER_RANGE = 32
"""Levels of 256 by which the pixels of one row of a border differ: JPEG leaves so much of it."""


class Fingerprint(NamedTuple):
    """One image file, in numbers."""

    status: str = "used"
    """`used`, or `unreadable: ` and why; all that follows is then empty."""
    width: int = 0
    height: int = 0
    sha256: str = ""
    """Of the decoded RGB pixels, row by row."""
    perceptual_hash: int = 0
    """64 bits, without the border, see `reduced`; images that look alike differ in few of them."""
    mirrored_hash: int = 0
    """The perceptual hash of the mirror image."""
    file_size: int = 0
    format: str = ""
    mode: str = ""
    luminance_table: int = 0
    """Sum of a JPEG file's first quantization table: the larger, the coarser; 0 without one."""
    chrominance_table: int = 0
    subsampling: int = -1
    """How a JPEG file stores colour: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0; -1 is another or none."""
    progressive: bool = False
    metadata_entries: int = 0
    """EXIF tags, colour profile, comments and other texts."""
    metadata_bytes: int = 0
    red: float = 0.0
    """Mean of the channel, 0 to 255, see `reduced`."""
    green: float = 0.0
    blue: float = 0.0
    bad_metadata: bool = False
    """Whether there is metadata that cannot be read; what can be counts."""
    features: bytes = b""
    """Colour, texture and spectrum, see `stages.images.features`: float32 in a row, as Python's own
    numbers would take ten times the memory."""
    thumbnail: Image.Image | None = None
    """Where it was asked for."""


class _Seen(NamedTuple):
    """A decoded file: its fingerprint without hashes and features, and what these are made of."""

    known: Fingerprint
    hashed: np.ndarray
    """Grey, without the border: uint8, [HASHED, HASHED], 0..255."""
    middle: np.ndarray
    """In its own size: uint8, [height, width, 3] of at most CROP, 0..255."""


def fingerprints(
    files: list[File], params: DecodeParams, thumbnails: bool = False
) -> list[tuple[str, Fingerprint]]:
    """Return name and fingerprint of each of `files`, names and bytes, in their order."""
    seen = {}
    found: list[Fingerprint] = []
    for place, (_, data) in enumerate(files):
        try:
            seen[place] = _look(data, params, thumbnails)
            found.append(seen[place].known)
        except UnreadableImageError as problem:
            found.append(unreadable(problem))
    if seen:
        hashed = np.stack([one.hashed for one in seen.values()])
        hashes = perceptual_hashes(hashed)
        numbers = features(hashed, [one.middle for one in seen.values()]).astype(np.float32)
        for place, straight, mirrored, row in zip(seen, *hashes, numbers, strict=True):
            found[place] = found[place]._replace(
                perceptual_hash=int(straight), mirrored_hash=int(mirrored), features=row.tobytes()
            )
    return [(name, one) for (name, _), one in zip(files, found, strict=True)]


def fingerprint(data: bytes, params: DecodeParams) -> Fingerprint:
    """Return the fingerprint of the image file `data`."""
    return fingerprints([("", data)], params)[0][1]


def _look(data: bytes, params: DecodeParams, thumbnails: bool) -> _Seen:
    stored, rgb, _, bad_metadata = decode(data, params)
    tables = getattr(stored, "quantization", {})
    texts = [value for value in stored.info.values() if isinstance(value, bytes | str)]
    small = reduced(rgb)
    # Rows first: the sum over both axes at once takes ten times as long.
    sums = to_array(small).reshape(small.height, -1).sum(0).reshape(-1, 3).sum(0)
    red, green, blue = (sums / (small.width * small.height)).tolist()
    known = Fingerprint(
        width=rgb.width,
        height=rgb.height,
        sha256=pixels_digest(rgb).hex(),
        file_size=len(data),
        format=stored.format or "",
        mode=stored.mode,
        luminance_table=sum(tables.get(0, ())),
        chrominance_table=sum(tables.get(1, ())),
        subsampling=JpegImagePlugin.get_sampling(stored) if tables else -1,
        progressive=bool(stored.info.get("progressive")),
        metadata_entries=len(texts) + _exif_tags(stored),
        metadata_bytes=sum(map(len, texts)),
        red=red,
        green=green,
        blue=blue,
        bad_metadata=bad_metadata,
        thumbnail=thumbnail(small) if thumbnails else None,
    )
    inside, size = without_border(rgb), rgb.size
    if inside != (0, 0, *rgb.size):
        cut = rgb.crop(inside)
        small, size = reduced(cut), cut.size
    # Its last pixels may be those of less than a square.
    box = (0, 0, size[0] / factor_of(size), size[1] / factor_of(size))
    hashed = small.convert("L").resize((HASHED, HASHED), Image.Resampling.LANCZOS, box)
    left, top = max(0, rgb.width - CROP) // 2, max(0, rgb.height - CROP) // 2
    right, bottom = min(left + CROP, rgb.width), min(top + CROP, rgb.height)
    middle = to_array(rgb.crop((left, top, right, bottom)))
    return _Seen(known, np.asarray(hashed), middle)


def reduced(image: Image.Image) -> Image.Image:
    """Return an `image` of which each pixel is the mean of a square of `factor_of` it."""
    factor = factor_of(image.size)
    return image.reduce(factor) if factor > 1 else image


def factor_of(size: tuple[int, int]) -> int:
    """Return by how much an image is reduced to look at it: `LOOKED_AT` pixels stay of a side."""
    return max(1, min(size) // LOOKED_AT)


def thumbnail(image: Image.Image) -> Image.Image:
    """Return an `image`, see `reduced`, at most `THUMBNAIL` pixels wide and high.

    Small images are enlarged by a whole number, so that each pixel stays a square.
    """
    factor = THUMBNAIL // max(image.size)
    if factor >= 1:
        size = (image.width * factor, image.height * factor)
        small = image.resize(size, Image.Resampling.NEAREST)
    else:
        small = ImageOps.contain(image, (THUMBNAIL, THUMBNAIL))
    small.info = {}  # a colour profile, for one: nothing else shows an image by it
    return small


def unreadable(problem: UnreadableImageError | str) -> Fingerprint:
    """Return the fingerprint of a file that cannot be decoded."""
    return Fingerprint(status=f"unreadable: {problem}")


def _exif_tags(image: Image.Image) -> int:
    try:
        return len(image.getexif())
    except Exception:  # EXIF may hold anything
        return 0


def without_border(image: Image.Image) -> tuple[int, int, int, int]:
    """Return the part of an RGB `image` inside its border: left, top, right, bottom, in pixels.

    A row or column belongs to a border if its pixels are nearly equal, and it is among the first or
    last 2%.
    """
    width, height = image.size
    if min(width, height) < LEAST_SIDE:
        return 0, 0, width, height

    def uniform(lines: Iterator[tuple[int, int, int, int]]) -> int:
        """Return how many of `lines`, from the first on, are nearly of one colour."""
        number = 0
        for number, line in enumerate(lines):  # most images end this at the first
            lowest_and_highest = np.array(image.crop(line).getextrema())
            if np.ptp(lowest_and_highest, axis=1).max() > BORDER_RANGE:
                return number
        return number + 1

    columns, rows = range(ceil(width / EDGE)), range(ceil(height / EDGE))
    return (
        uniform((x, 0, x + 1, height) for x in columns),
        uniform((0, y, width, y + 1) for y in rows),
        width - uniform((width - x - 1, 0, width - x, height) for x in columns),
        height - uniform((0, height - y - 1, width, height - y) for y in rows),
    )


def perceptual_hashes(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pHash of each picture and of its mirror image, as ImageHash computes it.

    A bit says whether one of the 8x8 lowest frequencies of the DCT is above their median. In the
    mirror image the odd frequencies along a row change their sign.

    Args:
        grey: uint8, [N, 32, 32], 0..255.

    Returns:
        Both: uint64, [N].

    Source: https://github.com/JohannesBuchner/imagehash, `phash`.
    """
    lowest = dct(dct(grey.astype(float), axis=1), axis=2)[:, :8, :8]
    mirrored = lowest * np.tile([1, -1], 4)
    first, second = (
        np.packbits(
            frequencies.reshape(-1, 64) > np.median(frequencies, (1, 2))[:, None], axis=1
        ).view(">u8")[:, 0]
        for frequencies in (lowest, mirrored)
    )
    return first.astype(np.uint64), second.astype(np.uint64)
