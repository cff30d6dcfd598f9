"""fingerprint: what a file says of itself is read as it was written."""

import hashlib
import io
from typing import Any

import imagehash
import numpy as np
from PIL import Image

from stages.images.fingerprint import Fingerprint, fingerprint
from stages.images.schema import DecodeParams
from tests.helpers import default_block, png


def of(data: bytes) -> Fingerprint:
    return fingerprint(data, default_block("decode", DecodeParams))


def jpeg(**options: Any) -> Fingerprint:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 8), (200, 100, 50)).save(buffer, "JPEG", **options)
    return of(buffer.getvalue())


def test_of_pixels() -> None:
    pixels = np.array([[[0, 10, 20], [30, 40, 60]]], np.uint8)
    data = png(pixels)
    found = of(data)
    assert (found.status, found.width, found.height) == ("used", 2, 1)
    assert (found.red, found.green, found.blue) == (15, 25, 40)
    assert found.sha256 == hashlib.sha256(bytes([0, 10, 20, 30, 40, 60])).hexdigest()
    assert (found.format, found.mode, found.file_size) == ("PNG", "RGB", len(data))


def test_of_jpeg_tables() -> None:
    """At quality 100 every entry of both 8x8 tables is 1; at 50 they are the standard's own."""
    finest = jpeg(quality=100, subsampling="4:4:4")
    assert (finest.luminance_table, finest.chrominance_table) == (64, 64)
    assert (finest.subsampling, finest.progressive) == (0, False)
    # The sums of tables K.1 and K.2 of ITU-T T.81.
    middle = jpeg(quality=50, subsampling="4:2:0", progressive=True)
    assert (middle.luminance_table, middle.chrominance_table) == (3688, 5505)
    assert (middle.subsampling, middle.progressive) == (2, True)
    assert of(png(np.zeros((2, 2, 3), np.uint8))).subsampling == -1


def test_of_metadata() -> None:
    assert jpeg().metadata_entries == jpeg().metadata_bytes == 0
    commented = jpeg(comment=b"a camera")
    assert (commented.metadata_entries, commented.metadata_bytes) == (1, 8)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "a maker", "a model"
    tagged = jpeg(exif=exif)
    # Two tags, and the block that holds them.
    assert (tagged.metadata_entries, tagged.metadata_bytes) == (3, len(exif.tobytes()))


def test_the_perceptual_hash_is_imagehashs() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    expected = imagehash.phash(Image.fromarray(pixels))
    assert f"{of(png(pixels)).perceptual_hash:016x}" == str(expected)
