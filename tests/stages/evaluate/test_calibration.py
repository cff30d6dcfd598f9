"""calibration: scikit-learn's own temperature scaling finds the same; thresholds by hand."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from stages.evaluate.calibration import (
    fit,
    log_loss,
    probabilities,
)


def drawn(temperature: float, images: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Return log-odds that are `temperature` times too large, and labels."""
    random = np.random.default_rng(0)
    log_odds = random.normal(0, 2, images)
    labels = (random.random(images) < expit(log_odds)).astype(int)
    return log_odds * temperature, labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_scikit_learns(temperature: float) -> None:
    logits, labels = drawn(temperature)
    network = LogisticRegression()
    network.classes_ = np.array([0, 1])
    network.coef_, network.intercept_ = np.array([[1.0]]), np.array([0.0])
    scaled = CalibratedClassifierCV(FrozenEstimator(network), method="temperature", ensemble=False)
    scaled.fit(logits[:, np.newaxis], labels)
    expected = scaled.predict_proba(logits[:, np.newaxis])[:, 1]

    found = fit(logits, labels).temperature
    assert found == pytest.approx(temperature, rel=0.15)
    np.testing.assert_allclose(probabilities(logits, found), expected, atol=1e-5)


def test_probabilities_by_hand() -> None:
    # The odds of 3 to 1 are 0.75; at temperature 2, of sqrt(3) to 1.
    logits = np.log(np.array([3, 1 / 3, 1], np.float32))
    np.testing.assert_allclose(probabilities(logits), [0.75, 0.25, 0.5], rtol=1e-6)
    cooler = 3**0.5 / (1 + 3**0.5)
    np.testing.assert_allclose(probabilities(logits, 2.0), [cooler, 1 - cooler, 0.5], rtol=1e-6)


def test_the_log_loss_by_hand_even_where_probabilities_are_rounded() -> None:
    odds = np.log([3, 1 / 4, 1])
    # p_fake is 0.75, 0.2 and 0.5; at temperature 2, for odds of 9 to 1, it is 0.75 again.
    expected = -np.log([0.75, 0.8, 0.5]).mean()
    assert log_loss(np.array([1, 0, 1]), odds) == pytest.approx(expected)
    assert log_loss(np.array([1]), np.log([9.0]), 2.0) == pytest.approx(-np.log(0.75))
    # log(1 + exp(x)) is x for a large x; p_fake is 1.0 there, be it float32 or float64.
    assert log_loss(np.array([0, 0]), np.array([20, 1000], np.float32)) == pytest.approx(510)


@pytest.mark.parametrize(
    ("fake", "real", "place"),
    [
        # From 3 down: F R F F R R. FAKE found less REAL called FAKE, in thirds: 1, 0, 1, 2, 1, 0.
        ([3, 0.5, -0.5], [1, -1, -2], -0.5),
        # F R F R F R, in thirds: 1, 0, 1, 0, 1, 0: of equal ones the highest.
        ([3, 0, -2], [1, -1, -3], 3),
        # 1 is a FAKE and a REAL, which no threshold tells apart: -1/6, then 1/6, 1/2 and 0.
        ([1, 0.5, 0.4], [1, -1], 0.4),
    ],
)
def test_the_threshold_is_youdens(fake: list[float], real: list[float], place: float) -> None:
    logits = np.array([*fake, *real])
    labels = np.array([1] * len(fake) + [0] * len(real))
    found = fit(logits, labels)
    assert found.threshold == pytest.approx(expit(place / found.temperature), rel=1e-6)
    # The image at the threshold counts as FAKE.
    p_fake = probabilities(logits, found.temperature)
    assert (p_fake >= found.threshold).sum() == (logits >= place).sum()


@pytest.mark.parametrize("logits", [[-1.0, -2.0, 2.0, 1.0], [0.3, 0.3, 0.3, 0.3]])
def test_where_nothing_is_better_than_chance_the_threshold_is_a_half(logits: list[float]) -> None:
    assert fit(np.array(logits), np.array([1, 1, 0, 0])).threshold == 0.5


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("sign", [1, -1])
def test_validation_without_a_mistake_or_with_nothing_else_stays_in_bounds(
    size: float, sign: int
) -> None:
    labels = np.arange(10) % 2
    logits = np.where(labels == 1, 1, -1) * np.linspace(1, 2, 10) * size * sign
    found = fit(logits.astype(np.float32), labels)
    assert 0.05 <= found.temperature <= 20
    assert 0 <= found.threshold <= 1
    # Without a mistake, the sharper the better, down to where nothing is left to gain.
    if sign == 1 and size <= 1:
        assert found.temperature == pytest.approx(0.05, rel=1e-3)
    if sign == -1:
        assert found.temperature == pytest.approx(20, rel=1e-3)
