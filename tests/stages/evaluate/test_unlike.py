"""unlike: spectra by hand, colours as Pillow has them, distances by brute force, shares counted."""

import io
import json
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from threadpoolctl import threadpool_limits

from stages.evaluate.unlike import BATCH, NEIGHBOURS, Reference, describe, distances, fit
from stages.networks.perturb import blur, downscale, jpeg, noise
from tests.helpers import REPOSITORY

ERROR_RATE = 0.1


@cache
def demo() -> dict[str, np.ndarray]:
    """Return the images of each split of the demo data set: uint8, [N, 32, 32, 3]."""
    found: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    with zipfile.ZipFile(REPOSITORY / "data/demo.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".jpg"):
                image = Image.open(io.BytesIO(archive.read(name)))
                found[name.split("/")[0]].append(np.asarray(image))
    return {split: np.stack(images) for split, images in found.items()}


@cache
def of_demo() -> Reference:
    return fit(demo()["train"], demo()["validation"], ERROR_RATE)


def drawing() -> Image.Image:
    image = Image.new("RGB", (1000, 800), "skyblue")
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, 550, 1000, 800], fill="green")
    draw.rectangle([300, 350, 600, 650], fill="brown")
    draw.polygon([(250, 350), (650, 350), (450, 180)], fill="red")
    draw.ellipse([800, 60, 920, 180], fill="yellow")
    return image


def noisy() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (800, 1000, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def text() -> Image.Image:
    image = Image.new("RGB", (1000, 800), "white")
    draw = ImageDraw.Draw(image)
    for line in range(32):
        draw.text(
            (20, 10 + 24 * line), "The quick brown fox jumps over the lazy dog. " * 2, "black"
        )
    return image


def blobs() -> Image.Image:
    random = np.random.default_rng(0)
    image = Image.new("RGB", (1000, 800), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(30):
        x, y, width, height = (int(value) for value in random.integers(60, 350, 4))
        x, y = 3 * x - 150, 2 * y - 100
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        draw.ellipse([x, y, x + width, y + height], fill=colour)
    return image.filter(ImageFilter.GaussianBlur(10))


@pytest.mark.parametrize(
    "picture",
    [drawing(), Image.new("RGB", (1000, 800), "white"), noisy(), text(), blobs()],
    ids=["drawing", "white", "noise", "text", "blobs"],
)
def test_what_is_no_photograph_is_unlike_the_demo(picture: Image.Image) -> None:
    pixels = np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR))
    assert distances(pixels[np.newaxis], of_demo()) > 1


def test_few_images_of_the_demo_are_unlike() -> None:
    for split in ("train", "validation", "test"):
        assert (distances(demo()[split], of_demo()) > 1).mean() <= ERROR_RATE


@pytest.mark.parametrize(
    ("change", "share"),
    [
        (lambda images: jpeg(images, 75), 0.9),
        (lambda images: blur(images, 1), 0.99),
        (lambda images: noise(images, 12, 1), 0.9),
        (lambda images: downscale(images, 0.5), 0.99),
        (lambda images: np.repeat(images[..., :1], 3, axis=3), 0.99),
    ],
    ids=["jpeg", "blur", "noise", "scaled", "grey"],
)
def test_images_of_the_demo_that_were_changed_are_unlike(change, share: float) -> None:  # type: ignore[no-untyped-def]
    changed = change(demo()["validation"][::4])
    assert (distances(changed, of_demo()) > 1).mean() >= share


def smooth(random: np.random.Generator, number: int) -> np.ndarray:
    """Return random images, 16x16, in which neighbours are alike."""
    return blur(random.integers(0, 256, (number, 16, 16, 3)).astype(np.uint8), 0.7)


def test_a_share_of_error_rate_is_unlike_by_simulation() -> None:
    random = np.random.default_rng(0)
    shares = []
    for _ in range(50):
        reference = fit(smooth(random, 60), smooth(random, 59), 0.2)
        shares.append((distances(smooth(random, 60), reference) > 1).mean())
    margin = 3 * np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) - margin <= 0.2
    assert np.mean(shares) + margin >= 0.15  # not by calling hardly any unlike


def test_of_few_validation_images_none_is_unlike() -> None:
    random = np.random.default_rng(0)
    training, few = smooth(random, 60), smooth(random, 8)
    found = distances(few, fit(training, few, 0.1))
    assert found.max() == 1
    # Of 39, (39 + 1) * 0.9 = 36 are not.
    more = smooth(random, 39)
    assert (distances(more, fit(training, more, 0.1)) > 1).sum() in (1, 2, 3)


def test_a_wave_lies_in_its_band() -> None:
    # The cosine transform's own wave, 5 half periods over 16 rows: 5/16 of the highest frequency,
    # in the third of eight bands; and the fourth in the columns.
    wave = 40 * np.cos(np.pi * 5 * (np.arange(16) + 0.5) / 16)
    grey = np.rint(128 + wave).astype(np.uint8)
    rows = np.tile(grey[:, np.newaxis, np.newaxis], (1, 16, 3))
    spectrum = describe(np.stack([rows, rows.transpose(1, 0, 2)]))[0].reshape(2, 8, 3)
    # Band 0 holds the mean, too.
    assert (spectrum[:, 1:, 0].argmax(1) + 1 == 2).all()
    # The energy of a wave of height h over 16 x 16 pixels is 16 * 16 * h² / 2; the band holds
    # the places with 4 <= hypot(row, column) < 6; of a grey picture, nothing else is above 1/12.
    places = sum(4 <= np.hypot(row, column) < 6 for row in range(16) for column in range(16))
    energy = 256 * 40**2 / 2 / places
    expected = np.log(energy + 1 / 12) - np.log(1 / 12)
    found = spectrum[:, 2, 0] - spectrum[:, 7, 0]
    np.testing.assert_allclose(found, expected, atol=0.6)  # the waves are rounded to whole numbers
    np.testing.assert_allclose(spectrum[:, :, 1:], 0, atol=1e-6)


def test_a_spectrum_has_the_same_shape_at_any_contrast() -> None:
    images = demo()["test"][:50]
    darker = (images // 2).astype(np.uint8)
    full, half = describe(images)[0], describe(darker)[0]
    # The smallest waves are lost in rounding.
    assert np.abs(full - half).mean() < 0.25 * np.abs(full).mean()


def test_colours_are_pillows() -> None:
    images = demo()["test"][:20]
    colours = describe(images)[1]
    ycbcr = np.stack([np.asarray(Image.fromarray(image).convert("YCbCr")) for image in images])
    values = ycbcr.reshape(20, -1, 3).astype(float) - [0, 128, 128]
    np.testing.assert_allclose(colours[:, :3], images.mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(colours[:, 3:6], values.std(1), atol=0.5)
    for place, share in enumerate((5, 50, 95)):
        of_share = colours[:, 6 + 3 * place : 9 + 3 * place]
        np.testing.assert_allclose(of_share, np.percentile(values, share, axis=1), atol=1)


def test_the_share_of_equal_neighbours_by_hand() -> None:
    image = np.zeros((1, 2, 4, 3), np.uint8)
    image[0, 0, 1] = [0, 0, 1]  # other than both beside it: 4 of 6 pairs are left
    assert describe(image)[1][0, -1] == pytest.approx(4 / 6)


def test_distances_by_brute_force() -> None:
    random = np.random.default_rng(0)
    training, validation, asked = smooth(random, 40), smooth(random, 30), smooth(random, 5)
    reference = fit(training, validation, 0.2)
    expected = []
    for part, numbers, of_training in zip(
        (reference.spectrum, reference.colours), describe(asked), describe(training), strict=True
    ):
        deviation = np.maximum(of_training.std(0), 1e-3)
        scaled = (numbers - of_training.mean(0)) / deviation
        rows = (of_training - of_training.mean(0)) / deviation
        apart = np.sort(np.linalg.norm(scaled[:, np.newaxis] - rows, axis=2), axis=1)
        expected.append(apart[:, :NEIGHBOURS].mean(1) / part.threshold)
    np.testing.assert_allclose(distances(asked, reference), np.max(expected, 0), rtol=2e-3)


def test_json_brings_a_reference_back_digit_for_digit() -> None:
    written = json.dumps(of_demo().model_dump())
    assert len(written) < 100_000
    assert Reference.model_validate(json.loads(written)) == of_demo()


def test_distances_do_not_depend_on_other_images_or_threads(tmp_path: Path) -> None:
    images = demo()["test"][: BATCH + 10]
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    found = distances(mapped, of_demo())
    np.testing.assert_array_equal(distances(images[::-1], of_demo()), found[::-1])
    np.testing.assert_array_equal(distances(images[:1], of_demo()), found[:1])
    for threads in (1, 2):
        with threadpool_limits(threads):
            assert fit(demo()["train"], demo()["validation"], ERROR_RATE) == of_demo()
            np.testing.assert_array_equal(distances(images, of_demo()), found)
    assert distances(images[:0], of_demo()).shape == (0,)


@pytest.mark.parametrize("shape", [(4, 4), (1, 1), (3, 50)])
def test_training_images_that_are_all_the_same(shape: tuple[int, int]) -> None:
    same = np.full((12, *shape, 3), 100, np.uint8)
    reference = fit(same, same, 0.1)
    assert (distances(same, reference) <= 1).all()
    assert (distances(same + np.uint8(50), reference) > 1).all()
    assert (distances(same[:2], fit(same[:2], same[:1], 0.1)) <= 1).all()
