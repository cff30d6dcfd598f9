"""preprocess: what networks see of an image, by hand and as Pillow scales it."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from stages.images.pixels import UnreadableImageError
from stages.images.schema import DecodeParams
from stages.preprocess.schema import PreprocessParams
from stages.preprocess.views import Preprocess, aligned
from tests.helpers import default_block, file_of, patches, png


def preprocess(**changes: Any) -> Preprocess:
    params = default_block("preprocess", PreprocessParams, **changes)
    return Preprocess(params, default_block("decode", DecodeParams))


def test_an_image_of_another_size_is_resized_as_pillow_does() -> None:
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (50, 41, 3)).astype(np.uint8))
    result = preprocess(image_size=[20, 30], resample="lanczos").resize(image)
    expected = np.asarray(image.resize((30, 20), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(result, expected)


def test_an_image_of_the_right_size_stays_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(preprocess().resize(Image.fromarray(pixels)), pixels)


def wide() -> Image.Image:
    """Return a 20x10 image: red, then green, then blue."""
    image = Image.new("RGB", (20, 10), (0, 255, 0))
    image.paste((255, 0, 0), (0, 0, 5, 10))
    image.paste((0, 0, 255), (15, 0, 20, 10))
    return image


def test_an_image_of_another_shape_is_stretched_cropped_or_padded() -> None:
    """By hand: 20x10 into 10x10 halves the width, keeps the middle 10, or adds 5 rows of border."""
    size: dict[str, Any] = {"image_size": [10, 10], "resample": "nearest"}
    red, green, blue, white = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

    def columns(aspect: str, row: int) -> list[tuple[int, ...]]:
        pixels = preprocess(aspect=aspect, **size).resize(wide())
        return [tuple(pixel) for pixel in pixels[row].tolist()]

    assert columns("crop", 0) == columns("crop", 9) == [green] * 10
    assert columns("stretch", 5)[:2] == [red] * 2
    assert columns("stretch", 5)[3:7] == [green] * 4
    assert columns("stretch", 5)[8:] == [blue] * 2
    assert columns("pad", 0) == columns("pad", 9) == [white] * 10
    assert columns("pad", 5)[0] == red
    assert columns("pad", 5)[9] == blue


def numbered(height: int, width: int) -> np.ndarray:
    """Return an image that tells of each pixel where it is: its row, its column, 7."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, 7)], axis=2).astype(np.uint8)


def test_crops_are_parts_of_the_image_behind_all_of_it() -> None:
    pixels = numbered(60, 90)
    chosen = preprocess(image_size=[32, 24], crops=3)
    views = chosen.views(Image.fromarray(pixels))
    assert chosen.kinds == ("whole", "crop", "crop", "crop")
    assert views.shape == chosen.shape == (4, 32, 24, 3)
    np.testing.assert_array_equal(views[0], chosen.resize(Image.fromarray(pixels)))
    places = set()
    for crop in views[1:]:
        top, left = crop[0, 0, :2].tolist()
        np.testing.assert_array_equal(crop, pixels[top : top + 32, left : left + 24])
        places.add((top, left))
    assert len(places) == 3


def test_crops_alone_are_the_same_without_the_whole_image() -> None:
    image = patches(1, 80, 60)
    both = preprocess(crops=2).views(image)
    alone = preprocess(crops=2, whole=False)
    assert alone.kinds == ("crop", "crop")
    np.testing.assert_array_equal(alone.views(image), both[1:])


def test_where_crops_lie_follows_from_the_pixels_alone() -> None:
    """Neither the file around them matters, nor what was cut before; another pixel does."""
    image = patches(2, 200, 150)
    chosen = preprocess(crops=4)
    views = chosen.see(file_of(image, "PNG"))
    chosen.see(file_of(patches(3, 100, 100)))
    np.testing.assert_array_equal(chosen.see(file_of(image, "BMP")), views)
    for pixel in ((0, 0), (199, 149)):
        other = image.copy()
        other.putpixel(pixel, (1, 2, 3))
        assert (chosen.views(other)[1:] != views[1:]).mean() > 0.5, "elsewhere, not one pixel"


def test_a_small_image_is_mirrored_at_its_borders() -> None:
    """By hand: 2 rows become 8, three more above and below; 3 columns become 8, two and three."""
    crop = preprocess(image_size=[8, 8], crops=1, whole=False).views(
        Image.fromarray(numbered(2, 3))
    )[0]
    assert crop[:, 0, 0].tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    assert crop[0, :, 1].tolist() == [1, 0, 0, 1, 2, 2, 1, 0]


def test_without_crops_an_image_is_one_array_without_views() -> None:
    assert preprocess().shape == (32, 32, 3)
    assert preprocess().see(png(numbered(32, 32))).shape == (32, 32, 3)


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
@pytest.mark.parametrize("size", [(1600, 1200), (1003, 777)])
def test_of_a_large_jpeg_file_few_pixels_are_decoded_where_only_the_whole_is_seen(
    size: tuple[int, int], turn: int
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    file = io.BytesIO()
    patches(6, *size).save(file, "JPEG", quality=95, exif=exif)
    data = file.getvalue()
    chosen, with_crops = preprocess(), preprocess(crops=1)
    image, all_of_it = chosen.decode(data), with_crops.decode(data)
    assert image.size == all_of_it.size == all_of_it.rgb.size
    assert 3 * 32 <= min(image.rgb.size) <= min(image.size) / 4
    whole = with_crops.views(all_of_it.rgb)[0].astype(int)
    assert abs(chosen.see(data) - whole).max() <= 8
    assert abs(chosen.see(data) - whole).mean() <= 1


def test_aligned_images_are_those_of_a_jpeg_file_of_one_size() -> None:
    image = patches(4, 120, 80)
    chosen = preprocess(
        align={"shorter_side": 40, "jpeg_quality": 70}, image_size=[40, 60], resample="bicubic"
    )
    file = io.BytesIO()
    image.resize((60, 40), Image.Resampling.BICUBIC).save(file, "JPEG", quality=70)
    np.testing.assert_array_equal(chosen.views(image), np.asarray(Image.open(file)))


@pytest.mark.parametrize("size", [(120, 80), (80, 120), (400, 300)])
def test_aligned_images_have_one_shorter_side(size: tuple[int, int]) -> None:
    chosen = preprocess(
        align={"shorter_side": 64, "jpeg_quality": 90}, image_size=[64, 64], crops=1
    )
    assert chosen.align is not None
    assert min(aligned(patches(5, *size), chosen.align, chosen.filter).size) == 64


def test_an_image_that_would_be_too_long_for_a_jpeg_file_is_named() -> None:
    chosen = preprocess(align={"shorter_side": 256, "jpeg_quality": 90})
    with pytest.raises(UnreadableImageError, match="2570x10 pixels would be 65792x256, more than"):
        chosen.views(Image.new("RGB", (2570, 10)))
