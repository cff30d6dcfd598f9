"""frozen: the head is scikit-learn's logistic regression, and a kill loses no feature."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stages.common.arrays import Split
from stages.networks.config import Backbone, FrozenConfig
from stages.networks.runtime import keras
from stages.train.checkpoint import Rows
from stages.train.frozen import FrozenModel
from tests.stages.train.test_backbone import network, saved

pytestmark = pytest.mark.usefixtures("tensorflow")

KINDS = ("whole", "crop")


def split(images: int, seed: int) -> Split:
    """Return images of 16x16 pixels in two views, FAKE a little brighter."""
    random = np.random.default_rng(seed)
    labels = (np.arange(images) % 2).astype(np.uint8)
    pixels = random.integers(0, 200, (images, 2, 16, 16, 3)) + 3 * labels[:, None, None, None, None]
    return Split(pixels.astype(np.uint8), labels, KINDS)


TRAIN, VALIDATION = split(42, seed=0), split(21, seed=1)


def config(backbone: Backbone, **changes: Any) -> FrozenConfig:
    values: dict[str, Any] = {
        "views": "both", "input_size": None, "batch_size": 8, "instruction_set": None, "threads": 1,
        "backbone": backbone.model_dump(), "head_l2": 0.5,
    }  # fmt: skip
    return FrozenConfig.model_validate(values | changes)


class KilledError(Exception):
    """Stands for the end of the process."""


class KilledAfter(Rows):
    """Rows after whose `batches`-th batch the process ends."""

    batches, written = 1000, 0

    def append(self, rows: np.ndarray) -> None:
        super().append(rows)
        self.written += 1
        if self.written == self.batches:
            raise KilledError


def fitted(folder: Path, chosen: FrozenConfig, batches: int = 1000, origin: str = "a") -> Rows:
    """Fit a network in `folder`, until so many batches are done; return what was kept."""
    model = FrozenModel(chosen, (16, 16, 3))
    kept = KilledAfter(folder / "kept.features", origin)
    kept.batches = batches
    model.fit(TRAIN, VALIDATION, folder / "curves.csv", kept)
    model.save(folder / "model.h5")
    return kept


def test_it_is_a_logistic_regression_on_the_mean_features_of_the_views(tmp_path: Path) -> None:
    backbone = saved(tmp_path / "b.h5")
    fitted(tmp_path, config(backbone))
    of = network()
    maps = keras.Model(of.inputs, [of.get_layer(name).output for name in ("low", "high")])

    def features(part: Split) -> np.ndarray:
        views = [
            np.hstack([np.asarray(m, float).mean((1, 2)) for m in maps([part.images[:, v]])])
            for v in (0, 1)
        ]
        return np.mean(views, axis=0)

    expected = make_pipeline(StandardScaler(), LogisticRegression(C=2, tol=1e-8, max_iter=5000))
    expected.fit(features(TRAIN), TRAIN.labels)
    loaded = keras.models.load_model(tmp_path / "model.h5", compile=False)
    loaded.layers[-1].activation = keras.activations.linear
    scores = [loaded.predict(VALIDATION.images[:, v].astype("f4"), verbose=0) for v in (0, 1)]
    log_odds = np.mean([s[:, 1] - s[:, 0] for s in scores], axis=0)
    assert np.ptp(log_odds) > 1
    np.testing.assert_allclose(
        log_odds, expected.decision_function(features(VALIDATION)), atol=2e-3
    )
    curves = pd.read_csv(tmp_path / "curves.csv")
    assert list(curves.columns) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    right = expected.predict(features(VALIDATION)) == VALIDATION.labels
    assert curves["val_accuracy"].tolist() == [round(right.mean(), 6)]
    p_label = 1 / (1 + np.exp(np.where(VALIDATION.labels == 1, -log_odds, log_odds)))
    np.testing.assert_allclose(curves["val_loss"], -np.log(p_label).mean(), rtol=1e-3)


@pytest.mark.parametrize("batches", [1, 5, 7, 9])
def test_a_killed_one_goes_on_and_gives_the_same_bytes(tmp_path: Path, batches: int) -> None:
    """42 images are five batches of 8 and one of 2; 21 more are two of 8 and one of 5."""
    chosen = config(saved(tmp_path / "b.h5"))
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    fitted(tmp_path / "whole", chosen)
    with pytest.raises(KilledError):
        fitted(tmp_path / "killed", chosen, batches)
    with (tmp_path / "killed/kept.features").open("ab") as file:
        file.write(b"a row, and a half".ljust(4 * 15, b"."))  # of 10 numbers each
    assert fitted(tmp_path / "killed", chosen).written == 9 - batches  # type: ignore[attr-defined]
    for name in ("model.h5", "curves.csv", "kept.features"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_features_of_another_origin_are_computed_anew(tmp_path: Path) -> None:
    chosen = config(saved(tmp_path / "b.h5"))
    fitted(tmp_path, chosen)
    assert fitted(tmp_path, chosen, origin="b").written == 9  # type: ignore[attr-defined]
    assert fitted(tmp_path, chosen, origin="b").written == 0  # type: ignore[attr-defined]


def test_the_penalty_makes_weights_small(tmp_path: Path) -> None:
    backbone = saved(tmp_path / "b.h5")
    sizes = []
    for penalty in (0.01, 1.0, 100.0):
        fitted(tmp_path, config(backbone, head_l2=penalty))
        loaded = keras.models.load_model(tmp_path / "model.h5", compile=False)
        sizes.append(np.abs(loaded.get_layer("probabilities").get_weights()[0]).sum())
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 3 * sizes[2]
