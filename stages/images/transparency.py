"""Transparent pixels that Pillow does not tell from others."""

import io
import struct

import numpy as np
from PIL import Image

BITFIELDS = 3
"""The compression of a BMP file that says which bits hold which channel."""
ALPHA_BIT = 0x8000


def clear_pixels(image: Image.Image, data: bytes) -> np.ndarray | None:
    """Return which pixels are wholly transparent: bool, [height, width]; None: Pillow knows.

    Args:
        image: the file `data`, loaded.
    """
    if image.format == "PNG" and "transparency" in image.info:
        return _of_png(image, data)
    if image.format == "BMP" and image.mode == "RGB":
        return _of_bmp(image, data)
    return None


def _of_png(image: Image.Image, data: bytes) -> np.ndarray | None:
    """Look for the one colour that is transparent.

    It has as many bits as the file stores, and Pillow compares it to what has become 8 bits; by the
    PNG specification, sections 11.3.2.1 and 13.12, all bits count.
    """
    colour = image.info["transparency"]
    bits = data[data.index(b"IHDR") + 12]
    if image.mode == "I;16":
        return np.asarray(image) == colour
    if image.mode == "L" and bits < 8:
        return np.asarray(image) == colour * (255 // (2**bits - 1))
    if image.mode != "RGB" or bits < 16:
        return None
    lower = Image.open(io.BytesIO(data), formats=("PNG",))
    # As if the file were little-endian: of both bytes, Pillow then keeps the other one.
    lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
    whole = np.asarray(image, np.uint16) << 8 | np.asarray(lower)
    return (whole == colour).all(-1)


def _of_bmp(image: Image.Image, data: bytes) -> np.ndarray | None:
    """Look at the one bit of alpha beside three times five of colour, which Pillow leaves out."""
    (start, header) = struct.unpack_from("<II", data, 10)
    (bits, compression) = struct.unpack_from("<HI", data, 28)
    if bits != 16 or compression != BITFIELDS or header < 56:
        return None
    if struct.unpack_from("<I", data, 66) != (ALPHA_BIT,):
        return None
    words = -(-image.width // 2) * 2  # a row of a file ends at a multiple of four bytes
    pixels = np.frombuffer(data, "<u2", words * image.height, start).reshape(image.height, words)
    clear = pixels[:, : image.width] & ALPHA_BIT == 0
    is_from_top = struct.unpack_from("<i", data, 22)[0] < 0
    return clear if is_from_top else clear[::-1]
