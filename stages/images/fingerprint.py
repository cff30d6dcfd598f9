"""What can be told of an image without looking at what it shows, and hashes of what it shows."""

import hashlib
from math import ceil
from typing import NamedTuple

import numpy as np
from PIL import Image, JpegImagePlugin
from scipy.fft import dct

from stages.images.features import CROP, features
from stages.images.parallel import File
from stages.images.pixels import UnreadableImageError, decode
from stages.images.schema import DecodeParams

HASHED = 32
"""Rows and columns of the grey picture that is hashed."""
EDGE, LEAST_SIDE = 50, 50
"""A border is at most one EDGE-th of a side; pictures with shorter sides are taken as they are."""
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
    """64 bits, without the border; images that look alike differ in few of them."""
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
    """Mean of the channel, 0 to 255."""
    green: float = 0.0
    blue: float = 0.0
    bad_metadata: bool = False
    """Whether there is metadata that cannot be read; what can be counts."""
    features: bytes = b""
    """Colour, texture and spectrum, see `stages.images.features`: float32 in a row, as Python's own
    numbers would take ten times the memory."""


class _Seen(NamedTuple):
    """A decoded file: its fingerprint without hashes and features, and what these are made of."""

    known: Fingerprint
    hashed: np.ndarray
    """Grey, without the border: uint8, [HASHED, HASHED], 0..255."""
    middle: np.ndarray
    """In its own size: uint8, [height, width, 3] of at most CROP, 0..255."""


def fingerprints(files: list[File], params: DecodeParams) -> list[tuple[str, Fingerprint]]:
    """Return name and fingerprint of each of `files`, names and bytes, in their order."""
    seen = {}
    found: list[Fingerprint] = []
    for place, (_, data) in enumerate(files):
        try:
            seen[place] = _look(data, params)
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


def _look(data: bytes, params: DecodeParams) -> _Seen:
    stored, rgb, bad_metadata = decode(data, params)
    pixels = np.asarray(rgb)
    tables = getattr(stored, "quantization", {})
    texts = [value for value in stored.info.values() if isinstance(value, bytes | str)]
    # Rows first: the sum over both axes at once takes ten times as long.
    sums = pixels.reshape(rgb.height, -1).sum(0).reshape(-1, 3).sum(0)
    red, green, blue = (sums / (rgb.width * rgb.height)).tolist()
    known = Fingerprint(
        width=rgb.width,
        height=rgb.height,
        sha256=hashlib.sha256(pixels.data).hexdigest(),
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
    )
    grey = rgb.convert("L")
    inside = without_border(pixels)
    if inside != (0, 0, *rgb.size):
        grey = grey.crop(inside)
    hashed = grey.resize((HASHED, HASHED), Image.Resampling.LANCZOS)
    top, left = max(0, rgb.height - CROP) // 2, max(0, rgb.width - CROP) // 2
    middle = pixels[top : top + CROP, left : left + CROP].copy()
    return _Seen(known, np.asarray(hashed), middle)


def unreadable(problem: UnreadableImageError | str) -> Fingerprint:
    """Return the fingerprint of a file that cannot be decoded."""
    return Fingerprint(status=f"unreadable: {problem}")


def _exif_tags(image: Image.Image) -> int:
    try:
        return len(image.getexif())
    except Exception:  # EXIF may hold anything
        return 0


def without_border(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Return the part of an image inside its border: left, top, right, bottom, in pixels.

    A row or column belongs to a border if its pixels are nearly equal, and it is among the first or
    last 2%.

    Args:
        pixels: uint8, [height, width, 3], 0..255.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < LEAST_SIDE:
        return 0, 0, width, height
    columns = pixels.swapaxes(0, 1)
    return (
        _uniform(columns),
        _uniform(pixels),
        width - _uniform(columns[::-1]),
        height - _uniform(pixels[::-1]),
    )


def _uniform(lines: np.ndarray) -> int:
    """Return how many of `lines`, from the first on, are nearly of one colour."""
    most = ceil(len(lines) / EDGE)
    for number, line in enumerate(lines[:most]):  # most images end this at the first
        if np.ptp(line, 0).max() > BORDER_RANGE:
            return number
    return most


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
