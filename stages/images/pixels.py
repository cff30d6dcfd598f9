"""From an image file to pixels: the one way in which every stage and tool decodes."""

import io
import warnings
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from stages.images.schema import DecodeParams

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
NO_IMAGE = f"damaged, or no image of a known format: {', '.join(FORMATS)}"
"""Why a file is unreadable that begins as none of these do."""
PHOTOMETRIC = 262
"""The TIFF tag that says whether 0 is black; Pillow heeds it up to 8 bits."""

BYTES_PER_PIXEL = 8
"""Of the largest uncompressed file: four channels of 16 bits."""

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


def decode(data: bytes, params: DecodeParams) -> Decoded:
    """Return the image file `data` as it is stored, and its first frame as 8-bit RGB.

    It is turned as its EXIF orientation says. Of 16 bits a channel the upper 8 are kept, as Pillow
    does for colours. Transparent pixels show the background. Colour profiles are not applied.

    Raises:
        UnreadableImageError: `data` is cut off, no image, too large, or of 32 bits a channel.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        width, height = image.size
        if width * height > params.max_pixels:
            raise UnreadableImageError(
                f"{width}x{height} pixels are more than decode.max_pixels, {params.max_pixels}"
            )
        image.load()
        return Decoded(image, _to_rgb(image, params.background))
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError(NO_IMAGE) from None
    except Exception as error:  # damaged files make Pillow raise errors of many kinds
        raise UnreadableImageError(f"damaged or cut off: {error}") from None


def _to_rgb(image: Image.Image, background: list[int]) -> Image.Image:
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        white_is_zero = getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        image = Image.fromarray(255 - grey if white_is_zero else grey)
    elif image.mode in ("I", "F"):
        raise UnreadableImageError("more than 16 bits a channel, or signed ones")
    if image.has_transparency_data:
        behind = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(behind, image.convert("RGBA"))
    return image.convert("RGB")


def to_array(image: Image.Image) -> np.ndarray:
    """Return the pixels of an RGB `image`: uint8, [height, width, 3], 0..255."""
    return np.asarray(image, dtype=np.uint8)
