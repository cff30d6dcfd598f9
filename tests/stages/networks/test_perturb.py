"""perturb: each change as it is defined, worked out by other means."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.networks.perturb import blur, downscale, jpeg, noise
from stages.networks.runtime import tf
from tests.stages.source.test_audit import scene


def scenes(number: int = 2) -> np.ndarray:
    """Return uint8 images of soft patches, [number, 32, 40, 3]."""
    return np.stack([np.asarray(scene(seed).resize((40, 32))) for seed in range(number)])


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_jpeg_is_what_a_file_of_that_quality_holds(tmp_path: Path) -> None:
    images = scenes()
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.jpg", quality=60)
    expected = [np.asarray(Image.open(tmp_path / f"{number}.jpg")) for number in range(2)]
    np.testing.assert_array_equal(jpeg(images, 60), expected)


def test_a_lower_quality_differs_more() -> None:
    images = scenes(4)
    lost = [difference(jpeg(images, quality), images) for quality in (95, 75, 40, 10)]
    assert lost[0] > 0
    assert (np.diff(lost) > 0).all()


def test_blur_spreads_a_point_as_a_gaussian() -> None:
    point = np.zeros((1, 31, 31, 3), np.uint8)
    point[0, 15, 15, 1] = 255
    x = np.arange(-15, 16)
    bell = np.exp(-(x**2) / (2 * 1.2**2))
    expected = 255 * np.outer(bell, bell) / bell.sum() ** 2
    found = blur(point, 1.2)[0]
    np.testing.assert_allclose(found[..., 1], expected, atol=0.51)
    assert found[..., 1].max() == round(expected.max())
    assert not found[..., [0, 2]].any(), "colours do not mix"


def test_blur_mirrors_the_borders() -> None:
    image = scenes(1)[0].astype(float)
    # Enough of the mirrored image to blur without borders.
    wide = np.pad(image, ((8, 8), (8, 8), (0, 0)), mode="symmetric")
    x = np.arange(-6, 7)
    bell = np.exp(-(x**2) / (2 * 1.5**2)) / np.exp(-(x**2) / (2 * 1.5**2)).sum()
    for axis in (0, 1):
        wide = np.apply_along_axis(np.convolve, axis, wide, bell, mode="same")
    np.testing.assert_allclose(blur(scenes(1), 1.5)[0], wide[8:-8, 8:-8], atol=0.51)


def test_noise_has_its_standard_deviation_and_no_mean() -> None:
    grey = np.full((1, 64, 64, 3), 128, np.uint8)
    for sigma in (2, 8, 16):
        change = noise(grey, sigma, seed=1).astype(float) - 128
        # Rounding adds a variance of 1/12. 12,288 values: a standard error of 0.6%.
        assert change.std() == pytest.approx((sigma**2 + 1 / 12) ** 0.5, rel=0.03)
        assert abs(change.mean()) < 5 * sigma / 12_288**0.5
        assert change.mean(axis=(0, 1, 2)).std() < sigma / 20, "every channel has its own"


def test_noise_stops_at_black_and_white() -> None:
    for value in (0, 255):
        changed = noise(np.full((1, 32, 32, 3), value, np.uint8), 8, seed=1)
        # Half of the noise goes beyond the end of the scale, and does not come in at the other.
        assert (changed == value).mean() == pytest.approx(0.5, abs=0.05)
        assert np.abs(changed.astype(int) - value).max() < 60


def test_noise_goes_by_the_image_and_the_seed_and_not_by_the_place() -> None:
    one, other = scenes(2)
    nearly = one.copy()
    nearly[0, 0, 0] ^= 1
    together = noise(np.stack([one, other, nearly, one]), 8, seed=1)
    alone = noise(one[np.newaxis], 8, seed=1)[0]
    np.testing.assert_array_equal(together[0], alone)
    np.testing.assert_array_equal(together[3], alone)
    assert difference(together[2], alone) > 4, "two images never share their noise"
    assert difference(noise(one[np.newaxis], 8, seed=2)[0], alone) > 4


def test_downscale_is_bicubic_down_and_up_again(tensorflow: None) -> None:
    """Against TensorFlow, whose bicubic filter with antialiasing is Pillow's."""

    def resize(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        floats = tf.image.resize(images.astype(np.float32), size, "bicubic", antialias=True)
        return np.clip(np.rint(floats.numpy()), 0, 255)

    # Far from black and white, where Pillow rounds between rows and columns, too.
    images = scenes() // 2 + 64
    # Of 32x40 pixels, half are 16x20.
    expected = resize(resize(images, (16, 20)), (32, 40))
    np.testing.assert_allclose(downscale(images, 0.5), expected, atol=2)
    assert difference(expected, images) > 1


def test_downscale_takes_the_details_and_leaves_the_rest() -> None:
    flat = np.full((1, 32, 40, 3), 77, np.uint8)
    np.testing.assert_array_equal(downscale(flat, 0.15), flat)
    board = (np.indices((32, 40)).sum(axis=0) % 2 * 200).astype(np.uint8)
    images = board[np.newaxis, ..., np.newaxis].repeat(3, axis=-1)
    # Squares of one pixel leave their mean.
    assert np.abs(downscale(images, 0.25)[0, 4:-4, 4:-4].astype(int) - 100).max() <= 5
    # As few pixels as there can be are one colour a channel.
    assert np.ptp(downscale(scenes(1), 0.01), axis=(1, 2)).max() == 0
