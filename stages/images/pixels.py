"""From an image file to pixels: the one way in which every stage and tool decodes."""

import io
import warnings
from contextlib import suppress
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from PIL import AvifImagePlugin, ExifTags, Image, UnidentifiedImageError, features

from stages.images.metadata import without_metadata
from stages.images.schema import DecodeParams
from stages.images.transparency import clear_pixels

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
NO_IMAGE = f"damaged, or no image of a known format: {', '.join(FORMATS)}"
"""Why a file is unreadable that begins as none of these do."""
AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1"}
"""How the first box of a file says what is in it; mif1 is any image, most often HEIC."""
LONGEST_BRANDS = 1024
"""Bytes of that box, at most."""

PHOTOMETRIC, BITS_PER_SAMPLE = 262, 258
"""The TIFF tags that say whether 0 is black, and what white is; Pillow heeds them up to 8 bits."""
PNG_NUMBERS = ("transparency", "interlace", "bbox")
"""What Pillow keeps beside a PNG file's texts; a text of that name takes its place."""
XMP = ("xmp", "XML:com.adobe.xmp")

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation. (ImageOps.exif_transpose writes the EXIF anew, and may fail.)
"""

SIDEWAYS = {5, 6, 7, 8}
"""The orientations that make height of width."""

BYTES_PER_PIXEL = 8
"""Of the largest uncompressed file: four channels of 16 bits."""

# Images are decoded side by side as it is.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# Pillow's own limit gives way to `decode.max_pixels`.
Image.MAX_IMAGE_PIXELS = None
# What Pillow warns of (odd metadata, mostly) is either harmless or becomes an UnreadableImageError.
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")


class UnreadableImageError(Exception):
    """A file that is no image that can be decoded; the message says why."""


class Decoded(NamedTuple):
    """An image as its file stores it, and as the networks see it."""

    stored: Image.Image
    rgb: Image.Image
    size: tuple[int, int]
    """Width and height of the whole image, turned; `rgb` may be smaller, see `decode`."""
    bad_metadata: bool
    """Whether there is metadata that cannot be read; the pixels are those without it."""


def require_size(size: int, params: DecodeParams) -> None:
    """Refuse a file of `size` bytes that cannot be an image before it is read into memory.

    Raises:
        UnreadableImageError: it is empty, or larger than any file of `max_pixels` pixels need be.
    """
    if size == 0:
        raise UnreadableImageError("an empty file")
    if size > BYTES_PER_PIXEL * params.max_pixels:
        raise UnreadableImageError(
            f"{size} bytes are more than an image of decode.max_pixels, {params.max_pixels}, needs"
        )


def decode(data: bytes, params: DecodeParams, least: int | None = None) -> Decoded:
    """Return the image file `data` as it is stored, and its first frame as 8-bit RGB.

    It is turned as its EXIF orientation says. Of 16 bits a channel the upper 8 are kept, as Pillow
    does for colours. Transparent pixels show the background. Colour profiles are not applied.
    Metadata that cannot be read is passed over.

    Args:
        least: of both sides, in pixels, for who wants no more: a JPEG file that has twice as much
            or more is decoded at 1/2, 1/4 or 1/8 of its size, see Pillow's `Image.draft`.

    Raises:
        UnreadableImageError: `data` is cut off, no image, too large, of 32 bits a channel, or of a
            format whose package is not installed.
    """
    formats = _formats(data)
    try:
        return _decode(data, formats, params, least)
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        problem = NO_IMAGE
        if begins_as_image(data[:16]):
            problem = "damaged or cut off: its header cannot be read"
    except Exception as error:  # damaged files make Pillow raise errors of many kinds
        problem = f"damaged or cut off: {error}"
    tried = {data}
    for keep_exif in (True, False):
        bare = without_metadata(data, keep_exif)
        if bare in tried:
            continue
        tried.add(bare)
        try:
            return _decode(bare, formats, params, least)._replace(bad_metadata=True)
        except UnreadableImageError:
            raise
        except Exception:  # what is wrong with it is not its metadata
            continue
    raise UnreadableImageError(problem)


def begins_as_image(start: bytes) -> bool:
    """Return whether a file with these first 16 bytes is an image to Pillow, damaged or not."""
    Image.init()
    accepts = [Image.OPEN[name][1] for name in FORMATS]
    is_heic = start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS
    return is_heic or any(accept is not None and accept(start) is True for accept in accepts)


def _formats(data: bytes) -> tuple[str, ...]:
    """Return the names by which Pillow knows the formats that `data` may have.

    Raises:
        UnreadableImageError: it begins as a file that needs a package that is not installed.
    """
    if data[4:8] != b"ftyp":
        return FORMATS
    # ISO/IEC 14496-12: the brand of the file, a version, and the brands that it is compatible with.
    end = min(int.from_bytes(data[:4]), LONGEST_BRANDS)
    brands = {data[8:12], *(data[place : place + 4] for place in range(16, end, 4))}
    if brands & AVIF_BRANDS:
        if not features.check("avif"):
            raise UnreadableImageError(
                "AVIF needs the package pillow with AVIF in it; `pip install --upgrade pillow`"
            )
        return ("AVIF",)
    if brands & HEIC_BRANDS:
        try:
            import pillow_heif
        except ImportError:  # only who has such files needs it
            raise UnreadableImageError(
                "HEIC needs the package pillow-heif; `pip install pillow-heif`"
            ) from None
        pillow_heif.register_heif_opener(decode_threads=1)
        return ("HEIF",)
    return FORMATS


def _decode(
    data: bytes, formats: tuple[str, ...], params: DecodeParams, least: int | None
) -> Decoded:
    image = Image.open(io.BytesIO(data), formats=formats)
    width, height = image.size
    if width * height > params.max_pixels:
        raise UnreadableImageError(
            f"{width}x{height} pixels are more than decode.max_pixels, {params.max_pixels}"
        )
    drafted = image.draft(None, (least, least)) if least else None
    image.load()
    if image.format == "PNG" and any(isinstance(image.info.get(key), str) for key in PNG_NUMBERS):
        raise ValueError("a text with the name of a number")
    turn, is_readable = _orientation(image)
    rgb = _to_rgb(image, data, params.background)
    if drafted and drafted[1][2:] != rgb.size:  # its last pixels are those of less than a square
        box = drafted[1]
        rgb = rgb.resize((round(box[2]), round(box[3])), Image.Resampling.BICUBIC, box)
    if turn in TURNS:
        rgb = rgb.transpose(TURNS[turn])
        if turn in SIDEWAYS:
            width, height = height, width
    return Decoded(image, rgb, (width, height), not is_readable)


def _orientation(image: Image.Image) -> tuple[object, bool]:
    """Return the EXIF orientation of `image`, 1 without one, and whether its EXIF can be read."""
    with suppress(Exception):  # values are read when they are asked for, and may be anything
        if "exif" in image.info:
            # Pillow may have read it before, for the resolution, and forgets what was wrong.
            Image.Exif().load(image.info["exif"])
        return image.getexif().get(ExifTags.Base.Orientation, 1), True
    with suppress(Exception):
        without_exif = Image.new("1", (1, 1))
        without_exif.info = {key: image.info[key] for key in XMP if key in image.info}
        return without_exif.getexif().get(ExifTags.Base.Orientation, 1), False
    return 1, False


def _to_rgb(image: Image.Image, data: bytes, background: list[int]) -> Image.Image:
    clear = clear_pixels(image, data)
    if image.mode.startswith("I;16"):
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(BITS_PER_SAMPLE, (16,))[0]
        grey = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
        image = Image.fromarray(255 - grey if tags.get(PHOTOMETRIC) == 0 else grey)
    elif image.mode in ("I", "F"):
        raise UnreadableImageError("more than 16 bits a channel, or signed ones")
    elif image.mode == "La":  # times alpha
        image = image.convert("LA")
    if clear is not None:
        image = Image.fromarray(np.asarray(image)).convert("RGB")
        image.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
    if image.has_transparency_data:
        behind = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(behind, image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def pixels_digest(image: Image.Image) -> bytes:
    """Return the SHA-256 of the pixels of an RGB `image`, row by row."""
    file = _HashedPPM(image.size)
    image.save(file, "PPM")
    return file.digest.digest()


class _HashedPPM(io.BytesIO):
    """A file that hashes the pixels that are written to it, some rows at a time.

    A copy of all of them would take memory that the system clears for each image anew.
    """

    def __init__(self, size: tuple[int, int]):
        super().__init__()
        self.digest = sha256()
        self.header = len(b"P6\n%d %d\n255\n" % size)
        """Bytes of it that are still to come, before the pixels."""

    def write(self, data: Any) -> int:
        self.digest.update(data[self.header :])
        self.header = max(0, self.header - len(data))
        return len(data)


def to_array(image: Image.Image) -> np.ndarray:
    """Return the pixels of an RGB `image`: uint8, [height, width, 3], 0..255."""
    return np.asarray(image, dtype=np.uint8)
