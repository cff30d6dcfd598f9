"""detector: answers by hand, of a network whose log-odds are the mean brightness less 100."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import expit

from stages.common.command import InputError
from stages.evaluate.conformal import ConformalSets
from stages.evaluate.gallery import overlay
from stages.images.schema import DecodeParams
from stages.networks.runtime import keras
from stages.preprocess.schema import PreprocessParams
from stages.preprocess.views import Preprocess
from tests.helpers import REPOSITORY, default_block, edit_params
from tools.predict.detector import Detector, best_on_validation, reasons
from tools.predict.explanation import explanation
from tools.predict.pictures import Views
from tools.predict.rows import caveat, rows_of

pytestmark = pytest.mark.usefixtures("tensorflow")


def preprocess(**changes: object) -> Preprocess:
    params = {"image_size": [8, 8], "whole": True, "crops": 2} | changes
    return Preprocess(
        default_block("preprocess", PreprocessParams, **params),
        default_block("decode", DecodeParams),
    )


def detector(
    kind: str = "view", real_up_to: float | None = 20, fake_from: float | None = -20
) -> Detector:
    """Return a detector in the current folder, whose network has an input of this `kind`."""
    Path("params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    edit_params(Path(), {"evaluate.batch_size": 8})
    image = keras.Input((8, 8, 3), name=kind)
    red, head = keras.layers.Conv2D(1, 1), keras.layers.Dense(2, activation="softmax")
    network = keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(red(image))))
    red.set_weights([np.reshape([1, 0, 0], (1, 1, 3, 1)), np.zeros(1)])
    head.set_weights([np.array([[0, 1]]), np.array([0, -100])])
    Path("models").mkdir()
    network.save("models/base.h5")
    sets = {"real_up_to": real_up_to, "fake_from": fake_from}
    decision = {"temperature": 10.0, "threshold": 0.5, "error_rate": 0.1, "sets": sets}
    numbers = {"spectrum": 24, "colours": 16}  # that images are compared by: nothing is unlike
    decision["reference"] = {
        name: {"mean": [0] * n, "deviation": [1] * n, "rows": [[0] * n], "threshold": 1e9}
        for name, n in numbers.items()
    }
    Path("models/base.json").write_text(json.dumps(decision))
    return Detector("base", preprocess())


def views(*brightness: int) -> Views:
    pixels = np.zeros((len(brightness), 8, 8, 3), np.uint8)
    pixels[:] = np.reshape(brightness, (-1, 1, 1, 1))
    return Views(30, 20, pixels)


IMAGES = {
    (40, 70, 100): ("REAL", "", -30, False),
    (10, 20, 150): ("REAL", "", -40, True),
    (110, 120, 130): ("UNSURE", "both fit", 20, False),
    (40, 110, 90): ("UNSURE", "both fit", -20, True),
    (90, 100, 200): ("FAKE", "", 30, True),
    (100, 130, 190): ("FAKE", "", 40, False),
}
"""Answer, why, log-odds and whether the views disagree, by the brightness of three views."""


def test_rows_are_the_mean_of_views_in_order_whatever_stands_beside(workspace: Path) -> None:
    """In groups of two, as a batch of eight leaves room for six views, among unreadable files."""
    found: list[tuple[str, Views | str]] = [(f"{b}.png", views(*b)) for b in IMAGES]
    found[2:2] = [("cut.png", "damaged")]
    whole = detector()
    rows = list(rows_of(found, whole, workspace / "why"))
    assert [row.file for row in rows] == [name for name, _ in found]
    assert (rows[2].error, rows[2].answer, rows[2].views) == ("damaged", None, None)
    del rows[2]
    for row, (answer, why, logit, disagree) in zip(rows, IMAGES.values(), strict=True):
        assert (row.answer, row.why, row.views_disagree) == (answer, why, disagree)
        assert (row.width, row.height, row.views) == (30, 20, 3)
        assert row.p_fake == pytest.approx(expit(logit / 10), rel=1e-5)
        picture = np.asarray(Image.open(row.explanation or ""))
        first = int(row.file[1:].split(",")[0])
        assert (picture[:256, :256] == first).all(), "the first view"
    for brightness, row in zip(IMAGES, rows, strict=True):
        (alone,) = rows_of([(row.file, views(*brightness))], whole, None)
        assert alone == row._replace(explanation=None)


def test_a_network_is_asked_about_its_own_views_alone(workspace: Path) -> None:
    (answer,) = detector("crop").answers([views(200, 40, 50)])
    assert (answer.answer, answer.views, answer.views_disagree) == ("REAL", 2, False)


def test_why_it_is_unsure() -> None:
    table = pd.DataFrame({"logit": [-3.0, 0, 3, 3], "unlike": [False, False, False, True]})
    table["answer"] = ["REAL", "UNSURE", "FAKE", "UNSURE"]
    for bound, why in ((-2, "neither fits"), (2, "both fit")):
        sets = ConformalSets(real_up_to=bound, fake_from=-bound)
        assert reasons(table, sets) == ["", why, "", "unlike what it learned from"]


@pytest.mark.parametrize(
    ("real_up_to", "fake_from", "expected"),
    [
        (20, -20, "REAL up to a p_fake of 0.119, FAKE from 0.881 on"),
        (-20, 20, "REAL up to a p_fake of 0.119, FAKE from 0.881 on"),
        (None, 20, "REAL up to a p_fake of 0.881, never FAKE"),
        (20, None, "never REAL, FAKE from 0.881 on"),
        (1000, 2000, "REAL up to a p_fake of 1, FAKE from 1 on"),
    ],
)
def test_the_limits_of_the_answers_are_said_as_p_fake(
    workspace: Path, real_up_to: float | None, fake_from: float | None, expected: str
) -> None:
    """1 / (1 + exp(20 / 10)) is 0.119."""
    assert detector("view", real_up_to, fake_from).limits() == expected


def test_a_model_that_does_not_fit_params_is_refused(workspace: Path) -> None:
    detector()
    message = "base.h5: the network looks at views of the kind crop, found whole; see preprocess"
    with pytest.raises(InputError, match=message):
        Detector("base", preprocess(crops=0))
    message = r"params.yaml: preprocess.image_size: base was trained on \[8, 8\], found \[16, 8\];"
    with pytest.raises(InputError, match=message):
        Detector("base", preprocess(image_size=[16, 8]))


@pytest.mark.parametrize("name", ["a.png", "W" * 300])
def test_an_explanation_is_two_images_and_texts_that_fit(name: str) -> None:
    shown = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    heat = np.linspace(0, 1, 1024).reshape(32, 32)
    picture = np.asarray(explanation(shown, heat, name, "FAKE", "FAKE"))
    np.testing.assert_array_equal(picture[:256:8, :256:8], shown)
    np.testing.assert_array_equal(picture[:256:8, 264::8], overlay(shown, heat))
    assert (picture[256:] < 100).any()
    assert (picture[256:, -8:] == 255).all(), "a text runs into the border"


def test_the_caveat_says_what_a_model_is_shown(workspace: Path) -> None:
    Path("params.yaml").write_text("source: {path: data/holiday}")
    for views, expected in (
        ({"crops": 0}, "all of an image, scaled to 8x8 pixels"),
        ({}, "all of an image, scaled to 8x8 pixels, and 2 parts of that size, not scaled"),
        ({"whole": False, "crops": 1}, "1 part of 8x8 pixels of an image, not scaled"),
    ):
        text = caveat(preprocess(**views))
        assert text.startswith(
            f"A model is shown {expected}, and knows images like those of data/h"
        )


def test_the_best_is_the_one_with_the_highest_accuracy_on_validation(workspace: Path) -> None:
    folder = workspace / "metrics"
    folder.mkdir()
    for name, accuracy in {"a": 0.6, "b": 0.7, "c": 0.65}.items():
        metrics = {"validation_accuracy": accuracy, "accuracy": 1 - accuracy}
        (folder / f"{name}.json").write_text(json.dumps(metrics))
    assert best_on_validation(["a", "b", "c"]) == "b"
    assert best_on_validation(["d", "c"]) == "c", "of d nothing is known"
    assert best_on_validation(["e", "d"]) == "e"
