"""The picture that explains an answer: what the network saw, and what in it speaks for a label."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stages.evaluate.gallery import overlay
from tools.predict.rows import plain

PANEL = 256
"""The least height and width of each of the two images, in pixels."""
GAP = 8
TEXT = 14
"""The height of the letters, in pixels."""
SCALE = 80
"""The width of the colour scale, in pixels."""


def explanation(
    shown: np.ndarray, heat: np.ndarray, name: str, said: str, label: str
) -> Image.Image:
    """Return two images side by side, what the network saw and the heat map over it; texts below.

    Args:
        shown: uint8, [height, width, 3].
        heat: 0..1, [height, width].
        name, said: of the image, and what the network says of it: a line each.
        label: what the heat speaks for.
    """
    left, right = enlarged(shown), enlarged(overlay(shown, heat))
    start, line = left.width + GAP, TEXT + GAP
    picture = Image.new("RGB", (start + right.width, left.height + 3 * line + GAP), "white")
    picture.paste(left, (0, 0))
    picture.paste(right, (start, 0))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(TEXT)
    top = left.height + GAP
    for number, text in enumerate((plain(name), said)):
        fitting = _fitting(text, picture.width - 2 * GAP, font)
        draw.text((GAP, top + number * line), fitting, "black", font)
    before = f"left: what it saw; right: what speaks for {label}, nothing "
    top += 2 * line
    place = GAP + math.ceil(font.getlength(before))
    draw.text((GAP, top), before, "black", font)
    picture.paste(scale(), (place, top))
    draw.text((place + SCALE, top), " most", "black", font)
    return picture


def scale() -> Image.Image:
    """Return the colours of a heat map over grey, from nothing to most."""
    heat = np.broadcast_to(np.linspace(0, 1, SCALE), (TEXT, SCALE))
    return Image.fromarray(overlay(np.full((TEXT, SCALE, 3), 128, np.uint8), heat))


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return `text`, without its middle where it is wider than `width` pixels."""
    kept = len(text)
    fitting = text
    while font.getlength(fitting) > width:
        kept -= 1
        fitting = f"{text[: kept // 2]} ... {text[len(text) - kept + kept // 2 :]}"
    return fitting


def enlarged(pixels: np.ndarray) -> Image.Image:
    """Return `pixels` as a picture, a square for each, that is at least PANEL high and wide."""
    factor = math.ceil(PANEL / min(pixels.shape[:2]))
    return Image.fromarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))
