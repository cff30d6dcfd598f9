"""decode: every image whose pixels can be read is used, whatever its metadata holds."""

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.images.fingerprint import fingerprint
from stages.images.pixels import UnreadableImageError, decode
from tests.stages.images.test_pixels import chunk, params, saved

BAD_EXIF = bytes.fromhex("0008000201120003")
BOMB = zlib.compress(bytes(2_000_000))
END = chunk(b"IEND", b"")

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")

IMAGE = Image.new("RGB", (16, 8), "white")
IMAGE.paste((0, 0, 0), (0, 0, 8, 8))


def exif(*tags: tuple[int, int, int, bytes]) -> bytes:
    """Return an EXIF block of `tags`: number, type, how many values, and the values or where."""
    listed = b"".join(struct.pack("<HHI", *tag[:3]) + tag[3].ljust(4, b"\0") for tag in tags)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(tags)) + listed + bytes(4)


def turned(orientation: int) -> tuple[int, int, int, bytes]:
    return (0x0112, 3, 1, struct.pack("<H", orientation))


def png(*chunks: bytes, after: bytes = b"") -> bytes:
    data = saved(IMAGE, "PNG")
    return data[:33] + b"".join(chunks) + data[33:].replace(END, after + END)


def jpeg(marker: int, body: bytes) -> bytes:
    data = saved(IMAGE, "JPEG", quality=100)
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[2:]


def webp(flags: int, name: bytes, body: bytes) -> bytes:
    pixels = saved(IMAGE, "WEBP", lossless=True)[12:]
    size = bytes([flags, 0, 0, 0, 15, 0, 0, 7, 0, 0])
    padded = body + b"\0" * (len(body) % 2)
    chunks = b"VP8X" + struct.pack("<I", 10) + size + pixels
    chunks += name + struct.pack("<I", len(body)) + padded
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def tiff(*extra: tuple[int, int, int, bytes], order: str = "<") -> bytes:
    """Return a TIFF file with the tags `extra`, whose values take four bytes at most."""
    pixels = np.asarray(IMAGE).tobytes()
    one, size = struct.pack(order + "H", 1), struct.pack(order + "I", len(pixels))
    bits = struct.pack(order + "3H", 8, 8, 8)
    tags = [
        (256, 4, 1, struct.pack(order + "I", 16)),
        (257, 4, 1, struct.pack(order + "I", 8)),
        (258, 3, 3, struct.pack(order + "I", 8)),
        (259, 3, 1, one),
        (262, 3, 1, struct.pack(order + "H", 2)),
        (273, 4, 1, struct.pack(order + "I", 8 + len(bits))),
        (277, 3, 1, struct.pack(order + "H", 3)),
        (279, 4, 1, size),
        *extra,
    ]
    listed = struct.pack(order + "H", len(tags))
    for number, kind, count, value in sorted(tags):
        listed += struct.pack(order + "HHI", number, kind, count) + value.ljust(4, b"\0")
    start = b"II*\0" if order == "<" else b"MM\0*"
    place = struct.pack(order + "I", 8 + len(bits) + len(pixels))
    return start + place + bits + pixels + listed + bytes(4)


def gif(extension: bytes) -> bytes:
    data = saved(IMAGE, "GIF")
    place = 13 + 3 * (2 << (data[10] & 7))
    return data[:place] + extension + data[place:]


def avif(**options: Any) -> bytes:
    return saved(IMAGE, "AVIF", quality=100, subsampling="4:4:4", **options)


def adobe_text(name: bytes) -> bytes:
    return b"http://ns.adobe.com/xap/1.0/\0" + name


TEXT = chunk(b"tEXt", b"a\0b")
PNG_PIXELS = zlib.compress(b"".join(b"\0" + row.tobytes() for row in np.asarray(IMAGE)))

BAD = {
    "PNG, EXIF": png(chunk(b"eXIf", BAD_EXIF)),
    "PNG, EXIF behind the pixels": png(after=chunk(b"eXIf", BAD_EXIF)),
    "PNG, EXIF with a bad checksum": png(chunk(b"eXIf", exif(turned(6))[6:])[:-1] + b"\0"),
    "PNG, a text that unpacks to megabytes": png(chunk(b"zTXt", b"a\0\0" + BOMB)),
    "PNG, such a text behind the pixels": png(after=chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB)),
    "PNG, texts of 80 megabytes together": png(
        *[chunk(b"zTXt", b"%d\0\0" % n + zlib.compress(bytes(1_000_000))) for n in range(80)]
    ),
    "PNG, an unknown compression": png(chunk(b"zTXt", b"a\0\3b")),
    "PNG, a text with a bad checksum": png(TEXT[:-1] + b"\0"),
    "PNG, a text that is cut off": png(after=chunk(b"tEXt", b"a\0" + b"b" * 99))[:-60],
    "PNG, a bad text, and an end that is cut off": png(chunk(b"zTXt", b"a\0\3b"))[:-7],
    "PNG, a text between pixels": png()[:33]
    + chunk(b"IDAT", PNG_PIXELS[:9])
    + TEXT
    + chunk(b"IDAT", PNG_PIXELS[9:])
    + END,
    "PNG, a large colour profile": png(chunk(b"iCCP", b"a\0\0" + BOMB)),
    "PNG, a colour profile without a name": png(chunk(b"iCCP", b"abc")),
    "PNG, an empty colour profile": png(chunk(b"iCCP", b"")),
    "PNG, a short gamma": png(chunk(b"gAMA", b"\0")),
    "PNG, short chromaticities": png(chunk(b"cHRM", b"\0")),
    "PNG, a short size": png(chunk(b"pHYs", b"\0")),
    "PNG, an empty intent": png(chunk(b"sRGB", b"")),
    "PNG, a short animation": png(chunk(b"acTL", b"\0")),
    "PNG, a frame outside": png(
        chunk(b"acTL", struct.pack(">2I", 1, 0)),
        chunk(b"fcTL", struct.pack(">5I2H2B", 0, 99, 99, 0, 0, 1, 1, 0, 0)),
    ),
    "PNG, a chunk without a name": png(chunk(b"a-b!", b"c")),
    **{
        f"PNG, a text called {name}": png(chunk(b"tEXt", name.encode() + b"\0b"))
        for name in ("transparency", "interlace", "bbox", "exif", "xmp")
    },
    "PNG, a raw profile that is none": png(
        chunk(b"tEXt", b"Raw profile type exif\0a\nexif\n4\nnothing")
    ),
    "JPEG, EXIF": jpeg(0xE1, b"Exif\0\0no EXIF at all"),
    "JPEG, EXIF with a resolution of no letters": jpeg(
        0xE1, exif((0x011A, 2, 1, b""), (0x0128, 3, 1, b"\3"))
    ),
    "JPEG, a short profile": jpeg(0xE2, b"ICC_PROFILE\0"),
    "JPEG, Photoshop's block is cut off": jpeg(0xED, b"Photoshop 3.0\x008BIM\4\4"),
    "JPEG, a short JFIF": jpeg(0xE0, b"JFIF"),
    "JPEG, a short Adobe": jpeg(0xEE, b"Adobe"),
    "WebP, EXIF": webp(0x08, b"EXIF", b"garbage!"),
    "WebP, EXIF that is cut off": webp(0x08, b"EXIF", exif(turned(1)))[:-20],
    "WebP, an unknown chunk that is cut off": webp(0, b"JUNK", bytes(60))[:-20],
    "TIFF, a resolution in letters": tiff((282, 2, 2, b"x"), (283, 2, 2, b"x"), (296, 3, 1, b"\3")),
    "TIFF, XMP in numbers": tiff((700, 3, 2, b"abcd")),
    "TIFF, XMP in letters": tiff((700, 2, 4, b"abc")),
    "TIFF, XMP in numbers, big-endian": tiff((700, 3, 2, b"abcd"), order=">"),
    "GIF, a short control block": gif(b"!\xf9\2\1\0\0"),
    "AVIF, EXIF": avif(exif=exif((0x0131, 2, 4, b"abc"))).replace(b"II*\0", b"zzzz"),
}

FINE = {
    "PNG, an empty EXIF": png(chunk(b"eXIf", b"")),
    "PNG, a text without a name": png(chunk(b"tEXt", b"abc")),
    "PNG, a text that is no UTF-8": png(chunk(b"iTXt", b"\xff\0\1\0\xff\0\xff\0b")),
    "JPEG, orientation 9": jpeg(0xE1, exif(turned(9))),
    "JPEG, orientation 0": jpeg(0xE1, exif(turned(0))),
    "JPEG, an orientation in letters": jpeg(0xE1, exif((0x0112, 2, 2, b"6"))),
    "JPEG, no orientation": jpeg(0xE1, exif((0x0112, 3, 0, b""))),
    "JPEG, an orientation of no type": jpeg(0xE1, exif((0x0112, 99, 1, b"\6"))),
    "JPEG, several images, and no list of them": jpeg(
        0xE2, b"MPF\0" + exif((0xB001, 4, 1, b"\2"))[6:]
    ),
    "JPEG, a list of images that is garbage": jpeg(0xE2, b"MPF\0garbage"),
    "JPEG, a part of a profile": jpeg(0xE2, b"ICC_PROFILE\0\1\3abc"),
    "JPEG, XMP": jpeg(0xE1, adobe_text(b"\xff\xfe<<<")),
    "JPEG, XMP with orientation 9": jpeg(0xE1, adobe_text(b'tiff:Orientation="9"')),
    "JPEG, a comment": jpeg(0xFE, b"\xff\0\xfe"),
    "WebP, XMP": webp(0x04, b"XMP ", b"\xff\xfe<"),
    "WebP, flags of what is not there": webp(0x2C, b"JUNK", b""),
    "TIFF, an orientation in letters": tiff((274, 2, 2, b"6")),
    "TIFF, EXIF outside the file": tiff((0x8769, 4, 1, b"\xff\xff\xff\0")),
    "GIF, a comment": gif(b"!\xfe\3\xff\0\xfe\0"),
    "GIF, an unknown extension": gif(b"!\x77\2ab\0"),
    "AVIF, XMP": avif(xmp=b"\xff\xfe<"),
}


def looks_like_image(data: bytes, turns: bool = False) -> bool:
    """Return whether `data` shows IMAGE, up to what JPEG, GIF and AVIF round."""
    pixels = np.asarray(decode(data, params()).rgb).astype(int)
    expected = np.asarray(IMAGE).astype(int)
    if turns:  # orientation 6: what is left comes to the top
        expected = np.rot90(expected, -1)
    return pixels.shape == expected.shape and bool(np.abs(pixels - expected).max() <= 8)


@pytest.mark.parametrize("what", BAD)
def test_metadata_that_cannot_be_read_is_passed_over_and_counted(what: str) -> None:
    found = fingerprint(BAD[what], params())
    assert (found.status, found.bad_metadata) == ("used", True)
    assert looks_like_image(BAD[what])


def test_a_text_called_interlace_does_not_change_the_order_of_rows() -> None:
    """In an image of one column, whose rows are as many bytes either way."""
    column = np.arange(24, dtype=np.uint8).reshape(8, 1, 3)
    data = saved(Image.fromarray(column), "PNG")
    data = data[:33] + chunk(b"tEXt", b"interlace\0yes") + data[33:]
    np.testing.assert_array_equal(np.asarray(decode(data, params()).rgb), column)


@pytest.mark.parametrize("what", FINE)
def test_odd_metadata_changes_no_pixels(what: str) -> None:
    found = fingerprint(FINE[what], params())
    assert (found.status, found.bad_metadata) == ("used", False)
    assert looks_like_image(FINE[what])


@pytest.mark.parametrize(
    "data",
    [
        png(chunk(b"eXIf", exif(turned(6))[6:]), chunk(b"zTXt", b"a\0\0" + BOMB)),
        png(
            chunk(b"eXIf", BAD_EXIF),
            chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<a tiff:Orientation="6"/>'),
        ),
        jpeg(0xE1, exif(turned(6), (0x011A, 2, 1, b"a"), (0x0128, 3, 1, b"\3"))),
        jpeg(0xE1, exif(turned(6), (0x8769, 4, 1, b"\xff\xff"))),
        jpeg(0xE1, exif((0x0112, 4, 1, b"\6"))),
        jpeg(0xE2, b"ICC_PROFILE\0")[:18] + jpeg(0xE1, exif(turned(6)))[2:],
        webp(0x08, b"EXIF", exif(turned(6))),
        tiff((274, 3, 1, b"\6"), (700, 3, 2, b"abcd")),
    ],
)
def test_an_orientation_beside_what_is_bad_counts(data: bytes) -> None:
    assert looks_like_image(data, turns=True)


def test_what_lacks_pixels_is_unreadable_with_or_without_metadata() -> None:
    for data in (
        png(chunk(b"eXIf", BAD_EXIF))[:-40],
        jpeg(0xE2, b"ICC_PROFILE\0")[:-200],
        tiff((700, 3, 2, b"abcd"))[:100],
        webp(0x08, b"EXIF", b"garbage!")[:60],
    ):
        with pytest.raises(UnreadableImageError, match="damaged"):
            decode(data, params())


@pytest.mark.parametrize("extra", [chunk(b"eXIf", BAD_EXIF), chunk(b"gAMA", b"")])
def test_the_limit_on_pixels_holds_with_bad_metadata(extra: bytes) -> None:
    with pytest.raises(UnreadableImageError, match="16x8 pixels are more than"):
        decode(png(extra), params(max_pixels=100))
