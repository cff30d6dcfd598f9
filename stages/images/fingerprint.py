"""What can be told of an image without looking at what it shows, and hashes of what it shows."""

import hashlib
from typing import NamedTuple

import imagehash
import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin

from stages.images.parallel import File
from stages.images.pixels import UnreadableImageError, decode
from stages.images.schema import DecodeParams


class Fingerprint(NamedTuple):
    """One image file, in numbers."""

    status: str = "used"
    """`used`, or `unreadable: ` and why; all that follows is then empty."""
    width: int = 0
    height: int = 0
    sha256: str = ""
    """Of the decoded RGB pixels, row by row."""
    perceptual_hash: int = 0
    """64 bits; images that look alike differ in few of them."""
    mirrored_hash: int = 0
    """Of the mirror image."""
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


def fingerprints(files: list[File], params: DecodeParams) -> list[tuple[str, Fingerprint]]:
    """Return name and fingerprint of each of `files`, names and bytes, in their order."""
    return [(name, fingerprint(data, params)) for name, data in files]


def fingerprint(data: bytes, params: DecodeParams) -> Fingerprint:
    """Return the fingerprint of the image file `data`."""
    try:
        stored, rgb, bad_metadata = decode(data, params)
    except UnreadableImageError as problem:
        return unreadable(problem)
    pixels = np.asarray(rgb)
    tables = getattr(stored, "quantization", {})
    texts = [value for value in stored.info.values() if isinstance(value, bytes | str)]
    red, green, blue = pixels.mean((0, 1)).tolist()
    return Fingerprint(
        width=rgb.width,
        height=rgb.height,
        sha256=hashlib.sha256(pixels.data).hexdigest(),
        perceptual_hash=_perceptual_hash(rgb),
        mirrored_hash=_perceptual_hash(ImageOps.mirror(rgb)),
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


def unreadable(problem: UnreadableImageError | str) -> Fingerprint:
    """Return the fingerprint of a file that cannot be decoded."""
    return Fingerprint(status=f"unreadable: {problem}")


def _exif_tags(image: Image.Image) -> int:
    try:
        return len(image.getexif())
    except Exception:  # EXIF may hold anything
        return 0


def _perceptual_hash(image: Image.Image) -> int:
    """Return ImageHash's pHash, the signs of the lowest frequencies, as one number."""
    return int.from_bytes(np.packbits(imagehash.phash(image).hash).tobytes(), "big")
