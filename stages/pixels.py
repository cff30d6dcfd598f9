"""From an image file to pixels: the one way in which every stage and tool decodes."""

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from stages.command import InputError


def decode(data: bytes, name: str) -> Image.Image:
    """Return the image file `data` as 8-bit RGB, turned as its EXIF orientation says.

    Raises:
        InputError: `data` is no complete image of 8 bits a colour; the message names `name`.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode.startswith(("I", "F")):
                raise InputError(
                    f"{name}: expected 8 bits a colour, found Pillow's mode {image.mode}"
                )
            return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError:
        raise InputError(f"{name}: not an image") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: not a readable image: {error}") from None


def to_array(image: Image.Image) -> np.ndarray:
    """Return the pixels of an RGB `image`: uint8, [height, width, 3], 0..255."""
    return np.asarray(image, dtype=np.uint8)
