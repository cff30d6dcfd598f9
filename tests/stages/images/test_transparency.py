"""decode: transparent pixels show the background, in every mode that a format has."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.stages.images.test_pixels import RED, WHITE, chunk, decoded, saved, tiff

PINK = [255, 127, 127]
"""Half of red over white."""


def png(width: int, bits: int, colour_type: int, row: bytes, *before: bytes) -> bytes:
    """Return a PNG of one row."""
    header = struct.pack(">IIBBBBB", width, 1, bits, colour_type, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row))
    chunks = [chunk(b"IHDR", header), *before, pixels, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def trns(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def grey(*values: int) -> list[list[int]]:
    return [[value] * 3 for value in values]


PALETTE = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))

PNGS = {
    "16 bits of grey": (png(2, 16, 0, words(0, 0x8000), trns(0)), grey(255, 0x80)),
    "16 bits of grey, all of which count": (
        png(2, 16, 0, words(0x1234, 0x1235), trns(0x1234)),
        grey(255, 0x12),
    ),
    "8 bits of grey": (png(2, 8, 0, bytes([7, 8]), trns(7)), grey(255, 8)),
    "4 bits of grey": (png(2, 4, 0, bytes([0x35]), trns(3)), grey(255, 5 * 17)),
    "2 bits of grey": (png(4, 2, 0, bytes([0b00_01_10_11]), trns(1)), grey(0, 255, 170, 255)),
    "1 bit of grey": (png(2, 1, 0, bytes([0b01_000000]), trns(0)), grey(255, 255)),
    "8 bits of colour": (
        png(2, 8, 2, bytes([1, 2, 3, 1, 2, 4]), trns(1, 2, 3)),
        [WHITE, [1, 2, 4]],
    ),
    "16 bits of colour": (
        png(2, 16, 2, words(0x1200, 0x3400, 0x5600, 0, 0, 0), trns(0x1200, 0x3400, 0x5600)),
        [WHITE, [0, 0, 0]],
    ),
    "16 bits of colour, all of which count": (
        png(2, 16, 2, words(0x101, 0x202, 0x303, 0x101, 0x202, 0x304), trns(0x101, 0x202, 0x303)),
        [WHITE, [1, 2, 3]],
    ),
    "grey and alpha": (png(2, 8, 4, bytes([0, 128, 50, 255])), grey(127, 50)),
    "16 bits of grey and alpha": (png(2, 16, 4, words(0, 0x8000, 0x3200, 0xFFFF)), grey(127, 50)),
    "16 bits of colour and alpha": (
        png(2, 16, 6, words(0xFF00, 0, 0, 0x8000, 0x100, 0x200, 0x300, 0xFFFF)),
        [PINK, [1, 2, 3]],
    ),
    "a palette with alpha": (
        png(3, 8, 3, bytes([0, 1, 2]), PALETTE, chunk(b"tRNS", bytes([128, 0]))),
        [PINK, WHITE, [0, 0, 255]],
    ),
    "a palette with one clear colour": (
        png(3, 8, 3, bytes([0, 1, 2]), PALETTE, chunk(b"tRNS", bytes([255, 0]))),
        [RED, WHITE, [0, 0, 255]],
    ),
    "a palette of 2 bits": (
        png(3, 2, 3, bytes([0b00_01_10_00]), PALETTE, chunk(b"tRNS", bytes([0, 255, 128]))),
        [WHITE, [0, 255, 0], [127, 127, 255]],
    ),
}


@pytest.mark.parametrize("what", PNGS)
def test_of_png(what: str) -> None:
    data, expected = PNGS[what]
    assert decoded(data) == [expected]


def test_sixteen_bits_of_grey_show_the_background() -> None:
    """Black is clear, so half of the image is white and half of it is 128."""
    data = png(2, 16, 0, words(0, 0x8000), trns(0))
    assert np.mean(decoded(data)) == 191.5
    assert decoded(data, background=[1, 2, 3]) == [[[1, 2, 3], [128, 128, 128]]]


def test_a_turned_image_keeps_its_clear_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    row = words(0, 0x8000)
    data = png(2, 16, 0, row, trns(0), chunk(b"eXIf", exif.tobytes()[6:]))
    assert decoded(data) == [[WHITE], [[128, 128, 128]]]


COLOURS = [0xFFFF, *[0] * 255, *[0] * 512]
"""A palette whose first colour is red, and all others are black."""

ORDERS = ("<", ">")
TIFFS = {
    "grey and alpha": ([(258, [8, 8]), (262, [1]), (338, [2])], [0, 128, 50, 255], grey(127, 50)),
    "grey times alpha": ([(258, [8, 8]), (262, [1]), (338, [1])], [0, 128, 50, 255], grey(127, 50)),
    "white times alpha": ([(258, [8, 8]), (262, [1]), (338, [1])], [128, 128, 0, 0], [WHITE] * 2),
    "grey beside something": (
        [(258, [8, 8]), (262, [1]), (338, [0])],
        [10, 128, 50, 0],
        grey(10, 50),
    ),
    "colour and alpha": (
        [(258, [8] * 4), (262, [2]), (338, [2])],
        [255, 0, 0, 128, 0, 0, 0, 0],
        [PINK, WHITE],
    ),
    "colour times alpha": (
        [(258, [8] * 4), (262, [2]), (338, [1])],
        [128, 0, 0, 128, 0, 0, 0, 0],
        [PINK, WHITE],
    ),
    "colour beside something": (
        [(258, [8] * 4), (262, [2]), (338, [0])],
        [255, 0, 0, 128, 1, 2, 3, 0],
        [RED, [1, 2, 3]],
    ),
    "a palette and alpha": (
        [(258, [8, 8]), (262, [3]), (320, COLOURS), (338, [2])],
        [0, 128, 1, 255],
        [PINK, [0, 0, 0]],
    ),
    "ink beside something": (
        [(258, [8] * 5), (262, [5]), (338, [0])],
        [0, 255, 255, 0, 9, 0, 0, 0, 255, 9],
        [RED, [0, 0, 0]],
    ),
    # CIELAB's lightest and darkest; the way to sRGB rounds.
    "lightness": ([(258, [8] * 3), (262, [8])], [255, 0, 0, 0, 0, 0], [[254, 255, 254], [1, 0, 1]]),
    "luma and chroma": ([(258, [8] * 3), (262, [6])], [255, 128, 128, 0, 128, 128], grey(255, 0)),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("what", TIFFS)
def test_of_tiff(what: str, order: str) -> None:
    tags, pixels, expected = TIFFS[what]
    samples = len(dict(tags)[258])
    data = tiff([*tags, (277, [samples])], bytes(pixels), width=2, order=order)
    assert decoded(data) == [expected]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("meaning", "red"), [(1, 0x8000), (2, 0xFF00)])
def test_of_tiff_with_sixteen_bits(order: str, meaning: int, red: int) -> None:
    pixels = struct.pack(order + "8H", red, 0, 0, 0x8000, 0, 0, 0, 0)
    tags = [(258, [16] * 4), (262, [2]), (277, [4]), (338, [meaning])]
    assert decoded(tiff(tags, pixels, width=2, order=order)) == [[PINK, WHITE]]


def bmp(masks: tuple[int, int, int, int], bits: int, rows: list[bytes], header: int = 124) -> bytes:
    """Return a BMP, two pixels wide, whose channels are the bits in `masks`; rows from below."""
    pixels = b"".join(rows)
    fields = struct.pack("<IiiHHIIiiII", header, 2, len(rows), 1, bits, 3, len(pixels), 0, 0, 0, 0)
    fields = (fields + struct.pack("<4I", *masks)).ljust(header, b"\0")
    start = 14 + header
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + fields + pixels


BGRA = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
SHORT = (0x7C00, 0x3E0, 0x1F, 0x8000)


def test_of_bmp() -> None:
    clear_red = bytes([0, 0, 255, 128, 0, 0, 0, 0])
    assert decoded(bmp(BGRA, 32, [clear_red])) == [[PINK, WHITE]]
    assert decoded(bmp((*BGRA[:3], 0), 32, [clear_red])) == [[RED, [0, 0, 0]]]
    assert decoded(bmp(BGRA, 32, [clear_red], header=56)) == [[PINK, WHITE]]


def test_of_bmp_with_one_bit_of_alpha() -> None:
    below, above = struct.pack("<2H", 0xFC00, 0), struct.pack("<2H", 0, 0x8000)
    expected = [[WHITE, [0, 0, 0]], [RED, WHITE]]
    assert decoded(bmp(SHORT, 16, [below, above])) == expected
    opaque = [[[0, 0, 0]] * 2, [RED, [0, 0, 0]]]
    assert decoded(bmp((*SHORT[:3], 0), 16, [below, above])) == opaque
    upside_down = bytearray(bmp(SHORT, 16, [below, above]))
    upside_down[22:26] = struct.pack("<i", -2)
    assert decoded(bytes(upside_down)) == expected[::-1]


def test_of_gif() -> None:
    image = Image.new("L", (2, 1))
    image.putpixel((1, 0), 1)
    assert decoded(saved(image, "GIF", transparency=1)) == [grey(0, 255)]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("WEBP", {"lossless": True, "exact": True}),
        ("WEBP", {"quality": 100}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4", "alpha_premultiplied": True}),
    ],
)
def test_of_formats_for_the_web(kind: str, options: dict) -> None:
    image = Image.new("RGBA", (16, 16), (255, 0, 0, 128))
    image.paste((0, 0, 0, 0), (8, 0, 16, 16))
    pixels = np.array(decoded(saved(image, kind, **options)))
    assert np.abs(pixels[:, :6] - PINK).max() <= 2
    assert pixels[:, 10:].min() >= 253
