"""fingerprint: what a file says of itself is read as it was written."""

import hashlib
import io
from typing import Any

import imagehash
import numpy as np
from PIL import Image, ImageOps

from stages.images.fingerprint import Fingerprint, fingerprint, fingerprints, without_border
from stages.images.schema import DecodeParams
from tests.helpers import default_block, patches, png


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


def pictures() -> list[Image.Image]:
    """Return soft pictures of several sizes, and pictures of noise, flat and even."""
    random = np.random.default_rng(0)
    soft = [
        Image.fromarray(random.integers(0, 256, (9, 7, 3)).astype(np.uint8)).resize(size)
        for size in ((32, 32), (47, 30), (200, 150), (333, 500), (1, 1), (3, 90))
        for _ in range(4)
    ]
    noise = [
        Image.fromarray(random.integers(0, 256, (20, 30, 3)).astype(np.uint8)) for _ in range(4)
    ]
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = 255
    return [*soft, *noise, Image.fromarray(stripes), Image.new("RGB", (40, 40), "red")]


def hashes_of(images: list[Image.Image]) -> list[tuple[int, int]]:
    files = [("", png(np.asarray(image))) for image in images]
    found = fingerprints(files, default_block("decode", DecodeParams))
    return [(one.perceptual_hash, one.mirrored_hash) for _, one in found]


def by_imagehash(image: Image.Image) -> int:
    return int(str(imagehash.phash(image)), 16)


def test_the_perceptual_hash_is_imagehashs() -> None:
    """Of large images, of which it is made of means of squares, nearly."""
    images = pictures()
    for image, (straight, _) in zip(images, hashes_of(images), strict=True):
        bits = (straight ^ by_imagehash(image)).bit_count()
        assert bits <= (2 if min(image.size) >= 256 else 0)


def test_a_large_image_is_hashed_as_if_all_its_pixels_were_scaled() -> None:
    """Also where its sides are no multiples of a square; its mean colour is nearly theirs."""
    for size in ((1601, 1203), (700, 511), (300, 2000)):
        image = patches(1, *size)
        found = of(png(np.asarray(image)))
        assert (found.perceptual_hash ^ by_imagehash(image)).bit_count() <= 2
        mean = np.asarray(image).mean((0, 1))
        np.testing.assert_allclose((found.red, found.green, found.blue), mean, atol=0.5)
        assert found.sha256 == hashlib.sha256(image.tobytes()).hexdigest()


def test_the_mirrored_hash_is_that_of_the_mirror_image() -> None:
    images = pictures()[:-2]  # those that are their own mirror image have no odd frequencies
    for image, (_, mirrored) in zip(images, hashes_of(images), strict=True):
        bits = (mirrored ^ by_imagehash(ImageOps.mirror(image))).bit_count()
        assert bits <= (0 if image.size == (32, 32) else 2)


def test_a_border_changes_no_hash_and_a_wider_one_does() -> None:
    image = pictures()[8]
    (plain,) = hashes_of([image])
    for colour in ("white", "black", "grey"):
        bordered = ImageOps.expand(image, (4, 3), colour)
        assert hashes_of([bordered]) == [plain]
        buffer = io.BytesIO()
        bordered.save(buffer, "JPEG", quality=90)
        assert (of(buffer.getvalue()).perceptual_hash ^ plain[0]).bit_count() <= 4
    assert hashes_of([ImageOps.expand(image, 20, "white")]) != [plain]


def test_at_most_two_percent_are_cut_off_and_nothing_of_small_images() -> None:
    def inside(pixels: np.ndarray) -> tuple[int, int, int, int]:
        return without_border(Image.fromarray(pixels))

    flat = np.zeros((49, 300, 3), np.uint8)
    assert inside(flat) == (0, 0, 300, 49)
    flat = np.zeros((101, 301, 3), np.uint8)
    assert inside(flat) == (7, 3, 294, 98)
    flat[::2, ::2, 1] = 33
    assert inside(flat) == (0, 0, 301, 101)
    flat[::2, ::2, 1] = 32
    assert inside(flat) == (7, 3, 294, 98)


def test_a_batch_gives_what_each_file_gives_alone() -> None:
    files = [(str(number), png(np.asarray(image))) for number, image in enumerate(pictures())]
    files.insert(3, ("broken", b"no image"))
    found = fingerprints(files, default_block("decode", DecodeParams))
    assert [name for name, _ in found] == [name for name, _ in files]
    assert found[3][1].status.startswith("unreadable: ")
    for (_, data), (_, one) in zip(files, found, strict=True):
        alone = of(data)
        ours, theirs = (np.frombuffer(row.features, np.float32) for row in (one, alone))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
        assert one._replace(features=b"") == alone._replace(features=b"")
