"""perturb: each change as it is defined, worked out by other means."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.command import InputError
from stages.perturb import RobustnessParams, blur, downscale, jpeg, noise, perturbations
from stages.runtime import tf
from tests.helpers import default_block
from tests.stages.test_audit import scene

NONE: dict[str, Any] = {
    "jpeg_quality": [],
    "blur_sigma": [],
    "noise_sigma": [],
    "downscale_to": [],
}


def scenes(number: int = 2) -> np.ndarray:
    """Return uint8 images of soft patches, [number, 32, 40, 3]."""
    return np.stack([np.asarray(scene(seed).resize((40, 32))) for seed in range(number)])


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_every_kind_and_level_comes_once_after_the_one_that_changes_nothing() -> None:
    params = default_block(
        "robustness", RobustnessParams, jpeg_quality=[90, 10], blur_sigma=[1], noise_sigma=[0.5, 8],
        downscale_to=[16], seed=3,
    )  # fmt: skip
    found = list(perturbations(params))
    assert [(kind, level) for kind, level, _ in found] == [
        ("none", 0), ("JPEG", 90), ("JPEG", 10), ("blur", 1), ("noise", 0.5), ("noise", 8),
        ("downscale", 16),
    ]  # fmt: skip
    images = scenes()
    np.testing.assert_array_equal(found[0].change(images), images)
    expected = [
        jpeg(images, 90), jpeg(images, 10), blur(images, 1), noise(images, 0.5, seed=3),
        noise(images, 8, seed=3), downscale(images, 16),
    ]  # fmt: skip
    for perturbation, changed in zip(found[1:], expected, strict=True):
        np.testing.assert_array_equal(perturbation.change(images), changed)


def test_without_levels_only_the_unchanged_images_are_left() -> None:
    params = default_block("robustness", RobustnessParams, **NONE)
    assert [perturbation.kind for perturbation in perturbations(params)] == ["none"]


def test_images_go_in_and_come_out_as_bytes_and_are_left_alone() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 40, 3)).astype(np.uint8)
    before = images.copy()
    images.flags.writeable = False
    for kind, _, change in perturbations(default_block("robustness", RobustnessParams)):
        changed = change(images)
        assert changed.dtype == np.uint8
        assert changed.shape == images.shape
        np.testing.assert_array_equal(changed[1:], change(images[1:]), err_msg="others matter")
        assert (kind == "none") == np.array_equal(changed, images)
    np.testing.assert_array_equal(images, before)


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
    # The shorter side, of 32 pixels, becomes 16.
    expected = resize(resize(images, (16, 20)), (32, 40))
    np.testing.assert_allclose(downscale(images, 16), expected, atol=2)
    assert difference(expected, images) > 1


def test_downscale_takes_the_details_and_leaves_the_rest() -> None:
    flat = np.full((1, 32, 40, 3), 77, np.uint8)
    np.testing.assert_array_equal(downscale(flat, 5), flat)
    board = (np.indices((32, 40)).sum(axis=0) % 2 * 200).astype(np.uint8)
    images = board[np.newaxis, ..., np.newaxis].repeat(3, axis=-1)
    # Squares of one pixel leave their mean.
    assert np.abs(downscale(images, 8)[0, 4:-4, 4:-4].astype(int) - 100).max() <= 5
    # As many pixels as there are leave everything; as few as there can be, one colour a channel.
    np.testing.assert_array_equal(downscale(images, 32), images)
    assert np.ptp(downscale(scenes(1), 1), axis=1).max() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jpeg_quality": [0]}, r"jpeg_quality\.0: must be greater than or equal to 1, found 0"),
        ({"jpeg_quality": [101]}, r"jpeg_quality\.0: must be less than or equal to 100, found 101"),
        ({"jpeg_quality": [9.5]}, r"jpeg_quality\.0: .*integer, found 9\.5"),
        ({"blur_sigma": [0.3, 0]}, r"blur_sigma\.1: must be greater than 0, found 0"),
        ({"noise_sigma": 2}, r"noise_sigma: must be a valid list, found 2"),
        ({"downscale_to": [0]}, r"downscale_to\.0: must be .*, found 0"),
        ({"seed": -1}, r"seed: must be greater than or equal to 0, found -1"),
        ({"jpg": []}, r"jpg: unknown key; did you mean 'jpeg_quality'\?"),
        ({"noise_sigma": [2, 4, 2.0]}, r"noise_sigma: 2\.0 is there twice"),
    ],
)
def test_levels_that_cannot_be_are_refused_in_one_sentence(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=rf"^robustness.{message}$") as refused:
        default_block("robustness", RobustnessParams, **changes)
    assert "\n" not in str(refused.value)
