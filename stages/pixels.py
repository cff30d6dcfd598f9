"""From an image file to pixels: the one way in which every stage and tool decodes."""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from stages.command import InputError


def decode(data: bytes, name: str) -> Image.Image:
    """Return the image file `data` as 8-bit RGB.

    Raises:
        InputError: `data` is no complete image; the message names `name`.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")
    except UnidentifiedImageError:
        raise InputError(f"{name}: not an image") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: not a readable image: {error}") from None


def to_array(image: Image.Image) -> np.ndarray:
    """Return the pixels of an RGB `image`: uint8, [height, width, 3], 0..255."""
    return np.asarray(image, dtype=np.uint8)
