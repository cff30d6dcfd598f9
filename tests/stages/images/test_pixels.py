"""decode: every format and kind of pixel becomes the RGB that a person sees."""

import importlib.util
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import AvifImagePlugin, Image

from stages.images.pixels import UnreadableImageError, decode, require_size
from stages.images.schema import DecodeParams
from tests.helpers import default_block, flat

RED, WHITE = [255, 0, 0], [255, 255, 255]


def params(**changes: object) -> DecodeParams:
    return default_block("decode", DecodeParams, **changes)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    checksum = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + checksum


def tiff(tags: list[tuple[int, list[int]]], pixels: bytes, width: int, order: str = "<") -> bytes:
    """Return a TIFF file of one row: `tags` with 16-bit values, and what every file needs."""
    row = [(256, [width]), (257, [1]), (259, [1]), (278, [1]), (279, [len(pixels)])]
    tags = sorted([*tags, *row, (273, [0])])
    listed, values = struct.pack(order + "H", len(tags)), b""
    after = 8 + 2 + 12 * len(tags) + 4
    size = sum(2 * len(numbers) for _, numbers in tags if len(numbers) > 2)
    for tag, numbers in tags:
        packed = struct.pack(f"{order}{len(numbers)}H", *numbers)
        if tag == 273:
            packed = struct.pack(order + "H", after + size)
        if len(packed) > 4:
            packed, values = struct.pack(order + "I", after + len(values)), values + packed
        listed += struct.pack(order + "HHI", tag, 3, len(numbers)) + packed.ljust(4, b"\0")
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(order + "I", 8) + listed + bytes(4) + values + pixels


def decoded(data: bytes, **changes: object) -> list[list[list[int]]]:
    return np.asarray(decode(data, params(**changes)).rgb).tolist()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "AVIF"])
def test_every_format_gives_its_pixels(kind: str) -> None:
    image = Image.new("RGB", (3, 2), (255, 0, 0))
    data = saved(image, kind, lossless=True, quality=100)
    pixels = np.asarray(decode(data, params()).rgb).astype(int)
    assert pixels.shape == (2, 3, 3)
    # The colours of these are rounded twice.
    assert np.abs(pixels - RED).max() <= (2 if kind in ("JPEG", "AVIF") else 0)


def test_other_formats_are_unreadable() -> None:
    with pytest.raises(UnreadableImageError, match="damaged, or no image of a known format"):
        decode(saved(Image.new("RGB", (3, 2)), "PPM"), params())


def test_grey_and_bilevel_become_rgb() -> None:
    assert decoded(saved(Image.new("L", (1, 1), 77), "PNG")) == [[[77, 77, 77]]]
    assert decoded(saved(Image.new("1", (1, 1), 1), "PNG")) == [[WHITE]]


def test_twelve_bits_of_grey_keep_the_upper_eight() -> None:
    """0xFFF and 0x010, packed into three bytes."""
    data = tiff([(258, [12]), (262, [1]), (277, [1])], b"\xff\xf0\x10", width=2)
    assert decoded(data) == [[WHITE, [1, 1, 1]]]


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_heic_is_read_or_names_its_package(brand: bytes) -> None:
    data = struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + b"mif1heic" + bytes(40)
    message = "HEIC needs the package pillow-heif; `pip install pillow-heif`"
    if importlib.util.find_spec("pillow_heif"):
        message = "damaged"  # it is all head
    with pytest.raises(UnreadableImageError, match=message):
        decode(data, params())


def test_heic_shows_what_it_shows() -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    data = saved(Image.new("RGBA", (16, 8), (255, 0, 0, 128)), "HEIF", quality=100, chroma=444)
    pixels = np.asarray(decode(data, params()).rgb).astype(int)
    assert pixels.shape == (8, 16, 3)
    assert np.abs(pixels - [255, 127, 127]).max() <= 2


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_avif_has_the_same_pixels_on_any_number_of_threads(
    subsampling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (500, 700, 3)).astype(np.uint8)
    data = saved(Image.fromarray(noise), "AVIF", subsampling=subsampling, tile_cols=2, speed=10)
    ours = decoded(data)
    for threads in (1, 2, 7):
        monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", threads)
        assert decoded(data) == ours


def test_a_palette_is_looked_up() -> None:
    image = Image.new("P", (1, 1), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert decoded(saved(image, "GIF")) == [[RED]]


def test_transparent_pixels_show_the_background() -> None:
    """Half of red over white is, by hand, (255, 127, 127)."""
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 128))
    data = saved(image, "PNG")
    assert decoded(data) == [[WHITE, [255, 127, 127]]]
    assert decoded(data, background=[0, 0, 255]) == [[[0, 0, 255], [128, 0, 127]]]


def test_a_palette_with_a_transparent_colour_shows_the_background() -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([9, 9, 9])
    assert decoded(saved(image, "GIF", transparency=0), background=[1, 2, 3]) == [[[1, 2, 3]]]


def test_grey_with_alpha_shows_the_background() -> None:
    assert decoded(saved(Image.new("LA", (1, 1), (0, 0)), "PNG")) == [[WHITE]]


def test_cmyk_becomes_rgb() -> None:
    """Full magenta and yellow, without cyan and black, is red."""
    pixels = decoded(saved(Image.new("CMYK", (1, 1), (0, 255, 255, 0)), "TIFF"))
    assert pixels == [[RED]]


def test_sixteen_bits_of_grey_keep_the_upper_eight() -> None:
    image = Image.fromarray(np.array([[0, 255, 256, 65535]], np.uint16))
    expected = [[[0] * 3, [0] * 3, [1] * 3, WHITE]]
    for kind in ("PNG", "TIFF"):
        assert decoded(saved(image, kind)) == expected


def test_sixteen_bits_of_grey_may_count_from_white() -> None:
    image = Image.fromarray(np.array([[0, 65535]], np.uint16))
    data = bytearray(saved(image, "TIFF"))
    tag = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
    assert data[tag] == 1, "0 is black"
    data[tag] = 0
    assert decoded(bytes(data)) == [[WHITE, [0, 0, 0]]]


def test_sixteen_bits_of_colour_keep_the_upper_eight() -> None:
    row = b"\0" + struct.pack(">6H", 0, 255, 256, 65535, 0x8000, 0x1234)

    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    assert decoded(data) == [[[0, 0, 1], [255, 0x80, 0x12]]]


def test_thirty_two_bits_a_channel_are_unreadable() -> None:
    with pytest.raises(UnreadableImageError, match="more than 16 bits a channel"):
        decode(saved(Image.new("F", (1, 1), 0.5), "TIFF"), params())


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (1, 1), colour) for colour in ("red", "lime")]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert decoded(data) == [[RED]], kind


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_photograph_is_turned_once_as_its_camera_says(kind: str) -> None:
    """Orientation 6: the camera lay on its right side; the left column is the top row."""
    image = Image.new("RGB", (16, 8), "white")
    image.paste((0, 0, 0), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb = decode(saved(image, kind, exif=exif), params()).rgb
    assert rgb.size == (8, 16)
    pixels = np.asarray(rgb)
    assert pixels[:7].max() < 40
    assert pixels[9:].min() > 215


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "AVIF"])
def test_a_cut_off_image_is_unreadable(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    data = saved(Image.fromarray(noise), kind)
    with pytest.raises(UnreadableImageError) as error:
        decode(data[: len(data) // 2], params())
    assert "0x" not in str(error.value), "no object's address"


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
def test_a_damaged_image_is_unreadable_or_an_image_but_no_other_error() -> None:
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (24, 24, 3)).astype(np.uint8))
    outcomes, allowed = set(), params(max_pixels=10_000)
    for kind in ("PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "AVIF"):
        data = saved(noise, kind)
        for _ in range(150):
            broken = bytearray(data)
            for place in random.integers(0, min(len(data), 400), 3):
                broken[place] = random.integers(256)
            try:
                outcomes.add(decode(bytes(broken), allowed).rgb.mode)
            except UnreadableImageError:
                outcomes.add("unreadable")
    assert outcomes == {"RGB", "unreadable"}


def test_more_pixels_than_params_allow_are_not_decoded() -> None:
    data = saved(Image.new("L", (1000, 1000)), "PNG")
    with pytest.raises(UnreadableImageError, match=r"1000x1000 pixels are more than decode"):
        decode(data, params(max_pixels=999_999))
    assert decode(data, params(max_pixels=1_000_000)).rgb.size == (1000, 1000)


def test_a_file_that_no_image_needs_is_not_read() -> None:
    require_size(8_000, params(max_pixels=1000))
    with pytest.raises(UnreadableImageError, match="8001 bytes are more than an image of"):
        require_size(8_001, params(max_pixels=1000))
    with pytest.raises(UnreadableImageError, match="an empty file"):
        require_size(0, params())


def test_what_is_stored_is_kept_beside_what_is_seen() -> None:
    stored, rgb, *_ = decode(flat(3), params())
    assert (stored.format, rgb.mode, rgb.size) == ("PNG", "RGB", (4, 4))
