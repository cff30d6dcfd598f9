"""conformal: crepes leaves out the same labels; bounds by hand; coverage by simulation."""

import json

import numpy as np
import pytest
from crepes import ConformalClassifier

from stages.evaluate import conformal
from stages.evaluate.conformal import ConformalSets, bound, fit, fitting

REAL, FAKE = 0, 1


def answers(logits: np.ndarray, sets: ConformalSets) -> np.ndarray:
    """Return the answers on images that are like those of training."""
    return conformal.answers(logits, np.zeros(len(logits), bool), sets)


def drawn(random: np.random.Generator, real: int, fake: int) -> tuple[np.ndarray, np.ndarray]:
    """Return log-odds of two overlapping classes of unlike width (float32), and labels."""
    logits = np.concatenate([random.normal(-1, 1, real), random.normal(1, 2, fake)])
    return logits.astype(np.float32), np.repeat([REAL, FAKE], [real, fake])


@pytest.mark.parametrize("error_rate", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("decimals", [1, 6])
def test_the_labels_that_fit_are_crepes(error_rate: float, decimals: int) -> None:
    random = np.random.default_rng(0)
    logits, labels = drawn(random, real=73, fake=199)
    logits = np.round(logits, decimals)  # to one place: many are equal
    asked = np.concatenate([logits, np.round(drawn(random, 200, 200)[0], decimals)])
    of_real = ConformalClassifier().fit(logits[labels == REAL])
    of_fake = ConformalClassifier().fit(-logits[labels == FAKE])
    p_values = [
        of_real.predict_p(asked[:, np.newaxis], smoothing=False)[:, 0],
        of_fake.predict_p(-asked[:, np.newaxis], smoothing=False)[:, 0],
    ]

    found = fitting(asked, fit(logits, labels, error_rate))
    # Rounded, since p-values of exactly 0.1 or 0.3 are to be left out.
    np.testing.assert_array_equal(found, np.round(np.stack(p_values, axis=1), 9) > error_rate)


def test_bounds_by_hand() -> None:
    # Of 9 images and an error rate of 0.2, (9 + 1) * 0.8 = 8 fit.
    logits = np.array([*range(-9, 0), *range(1, 10)], np.float32)
    labels = np.repeat([REAL, FAKE], 9)
    sets = fit(logits, labels, 0.2)
    assert sets == ConformalSets(real_up_to=-2, fake_from=2)
    found = answers(np.array([-9, -2, -1.9, 0, 1.9, 2, 9]), sets)
    assert found.tolist() == ["REAL", "REAL", "UNSURE", "UNSURE", "UNSURE", "FAKE", "FAKE"]


def test_a_bound_by_hand_even_where_floats_would_ask_for_one_image_more() -> None:
    assert bound(np.arange(1.0, 10), 0.5) == 5
    # 150 * 0.82 is 123, but a little more in floats.
    assert bound(np.arange(1.0, 150), 0.18) == 123
    assert bound(np.arange(1.0, 9), 0.1) is None


def test_unsure_where_both_fit() -> None:
    found = answers(np.array([-2, -1, 0, 1, 2]), ConformalSets(real_up_to=1, fake_from=-1))
    assert found.tolist() == ["REAL", "UNSURE", "UNSURE", "UNSURE", "FAKE"]


def test_a_label_with_too_few_images_always_fits() -> None:
    # (9 + 1) * 0.9 = 9 of 9 images, but (8 + 1) * 0.9 would be more than the 8 there are.
    logits, labels = np.arange(17.0), np.repeat([REAL, FAKE], [9, 8])
    sets = fit(logits, labels, 0.1)
    assert sets == ConformalSets(real_up_to=8, fake_from=None)
    assert answers(np.array([-99, 8, 8.1, 99]), sets).tolist() == [
        "UNSURE",
        "UNSURE",
        "FAKE",
        "FAKE",
    ]
    none = fit(np.empty(0), np.empty(0, int), 0.1)
    assert answers(np.array([-99, 99]), none).tolist() == ["UNSURE", "UNSURE"]


def test_images_with_equal_log_odds_get_equal_answers() -> None:
    # 8 of 9 fit, but the last four are equal.
    logits = np.array([-4, -3, -2, -1, -1, 0, 0, 0, 0, 5, 6, 7, 8, 9, 10, 11, 12, 13], np.float32)
    sets = fit(logits, np.repeat([REAL, FAKE], 9), 0.2)
    assert sets.real_up_to == 0
    assert answers(logits[:9], sets).tolist() == ["REAL"] * 9


def test_answers_do_not_depend_on_the_scale() -> None:
    logits, labels = drawn(np.random.default_rng(2), 60, 60)
    hot = logits / np.float32(4)  # a power of 2: exact
    expected = answers(logits, fit(logits, labels, 0.1))
    np.testing.assert_array_equal(answers(hot, fit(hot, labels, 0.1)), expected)


def test_json_brings_bounds_back_digit_for_digit() -> None:
    logits, labels = drawn(np.random.default_rng(3), 60, 5)
    sets = fit(logits, labels, 0.1)
    assert ConformalSets.model_validate(json.loads(json.dumps(sets.model_dump()))) == sets
    # An image at the bound still fits.
    assert np.float32(sets.real_up_to) in logits


@pytest.mark.parametrize(("real", "fake"), [(40, 25), (400, 9)])
def test_the_true_label_fits_as_often_as_promised(real: int, fake: int) -> None:
    random = np.random.default_rng(4)
    error_rate, repeats, coverage = 0.1, 1000, []
    for _ in range(repeats):
        sets = fit(*drawn(random, real, fake), error_rate)
        asked, labels = drawn(random, 200, 200)
        fits = fitting(asked, sets)[np.arange(400), labels]
        coverage.append([fits[labels == label].mean() for label in (REAL, FAKE)])
    mean = np.mean(coverage, axis=0)
    margin = 3 * np.std(coverage, axis=0) / np.sqrt(repeats)
    assert (mean + margin >= 1 - error_rate).all()
    # Not by making the sets larger than they must be: Lei et al., 2018, at most 1 / (n + 1) more.
    assert (mean - margin <= 1 - error_rate + 1 / (np.array([real, fake]) + 1)).all()


def test_an_unlike_image_has_no_answer() -> None:
    sets = ConformalSets(real_up_to=-1, fake_from=1)
    found = conformal.answers(np.array([-9, -9, 9, 9]), np.array([False, True] * 2), sets)
    assert found.tolist() == ["REAL", "UNSURE", "FAKE", "UNSURE"]
