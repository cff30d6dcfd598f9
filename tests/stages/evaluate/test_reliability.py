"""reliability: bins by hand, and the calibration error of another library."""

import numpy as np
import pytest

from stages.evaluate.reliability import expected_calibration_error, reliability


def test_the_diagram_and_the_error_of_six_images_by_hand() -> None:
    # Bins are 1/15 wide: 0.01 and 0.05 are in the first, 0.41 and 0.45 in the seventh (from 0.4),
    # 0.50 in the eighth (from 0.4667), 0.99 in the last.
    p_fake = np.array([0.99, 0.01, 0.41, 0.05, 0.45, 0.50])
    labels = np.array([1, 0, 1, 1, 1, 0])
    table = reliability(labels, p_fake)
    assert list(table.columns) == ["p_fake", "share_fake", "images"]
    expected = [[0.03, 0.5, 2], [0.43, 1, 2], [0.5, 0, 1], [0.99, 1, 1]]
    np.testing.assert_allclose(table.to_numpy(float), expected)
    # Distances 0.47, 0.57, 0.5 and 0.01, weighted by the number of images.
    error = (2 * 0.47 + 2 * 0.57 + 0.5 + 0.01) / 6
    assert expected_calibration_error(labels, p_fake) == pytest.approx(error)


def test_a_border_belongs_to_the_bin_above_it_and_1_to_the_last() -> None:
    borders = np.arange(16) / 15
    table = reliability(np.zeros(16, int), borders)
    # 14/15 and 1 share the last bin; every other border is alone in its own.
    assert list(table["images"]) == [1] * 14 + [2]
    np.testing.assert_allclose(table["p_fake"], [*borders[:14], (14 / 15 + 1) / 2])
    just_below = np.nextafter(borders[1:], 0)
    assert list(reliability(np.zeros(15, int), just_below)["images"]) == [1] * 15


def test_perfect_certainty_has_no_error_and_perfect_error_has_1() -> None:
    p_fake = np.array([0.0, 0.0, 1.0, 1.0], np.float32)
    assert expected_calibration_error(np.array([0, 0, 1, 1]), p_fake) == 0
    assert expected_calibration_error(np.array([1, 1, 0, 0]), p_fake) == 1
    # Half of the images that are called 0.5 are FAKE.
    assert expected_calibration_error(np.array([0, 1]), np.array([0.5, 0.5])) == 0


def test_the_error_is_another_librarys() -> None:
    random = np.random.default_rng(0)
    p_fake = random.random(500)
    labels = (random.random(500) < p_fake**2).astype(int)
    # relplot 1.0.3, relplot.metrics.binnedECE(p_fake, labels, nbins=15)
    assert expected_calibration_error(labels, p_fake) == pytest.approx(0.1627599754610954)
