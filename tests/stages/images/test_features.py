"""features: what they say of pictures that are known."""

import numpy as np
import pytest

from stages.images.features import BANDS, features

COUNT = 19 + BANDS
MEANS, DEVIATIONS, STEPS, SPECTRUM = slice(9, 12), slice(13, 16), slice(17, 19), slice(19, COUNT)


def of(pixels: np.ndarray) -> np.ndarray:
    return features(np.zeros((1, 32, 32), np.uint8), [pixels.astype(np.uint8)])[0]


def test_of_colours() -> None:
    """Half of it is pure red, half is grey: a saturation of 1 and 0."""
    pixels = np.zeros((8, 8, 3))
    pixels[:4, :, 0] = 200
    pixels[4:] = 100
    found = of(pixels)
    assert found.shape == (COUNT,)
    assert found[MEANS].tolist() == [150, 50, 50]
    assert found[DEVIATIONS].tolist() == [50, 50, 50]
    assert (found[12], found[16]) == (0.5, 0.5)


def test_of_steps_in_a_row_and_in_a_column() -> None:
    pixels = np.repeat(10 * np.arange(8)[None, :, None] + 3 * np.arange(8)[:, None, None], 3, 2)
    assert of(pixels)[STEPS] == pytest.approx([10, 3], rel=1e-4)


@pytest.mark.parametrize("band", range(1, BANDS))
def test_a_wave_is_in_the_band_of_its_frequency(band: int) -> None:
    frequency = (band + 0.5) / BANDS / 2
    wave = 128 + 100 * np.sin(2 * np.pi * frequency * np.arange(128))
    for pixels in (wave[None, :], wave[:, None]):
        found = of(np.repeat(np.broadcast_to(pixels, (128, 128))[..., None], 3, 2))
        assert found[SPECTRUM].argmax() == band


def test_of_layout() -> None:
    """Thirds of 11, 11 and 10 rows; edges that lie are in the bands of frequencies down."""
    hashed = np.zeros((2, 32, 32), np.uint8)
    hashed[0, :11], hashed[0, 11:22] = 200, 100
    hashed[1] = hashed[0].T
    lying, standing = features(hashed, [np.zeros((1, 1, 3), np.uint8)] * 2)
    assert lying[:3].tolist() == [200, 100, 0]
    assert standing[:3].tolist() == pytest.approx([(11 * 200 + 11 * 100) / 32] * 3)
    assert lying[3:6] == pytest.approx(standing[6:9], rel=1e-4)
    assert lying[3] > lying[6]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (3, 1), (7, 128)])
def test_tiny_pictures_have_numbers(shape: tuple[int, int]) -> None:
    assert np.isfinite(of(np.random.default_rng(0).integers(0, 256, (*shape, 3)))).all()
