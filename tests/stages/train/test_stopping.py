"""stopping: the epoch that is kept is the best on validation, whatever happens on the way."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.networks.runtime import keras
from stages.train.checkpoint import Checkpoint
from stages.train.model import CNNModel
from tests.stages.train.test_model import config, random_split

pytestmark = pytest.mark.usefixtures("tensorflow")

TRAIN, VALIDATION = random_split(24), random_split(8, seed=1)
LEARNS_BY_HEART: dict[str, Any] = {
    "epochs": 8, "batch_size": 8, "dropout": 0.0, "dense_units": 16, "learning_rate": 0.003,
    "conv_layers": [{"filters": 8, "pool": 4}],
}  # fmt: skip
"""Of noise: soon validation gets worse."""


class KilledError(Exception):
    """Stands for the end of the process."""


class KilledAfter(Checkpoint):
    """A checkpoint after whose `last` epoch the process ends."""

    last = -1

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        super().on_epoch_end(epoch, logs)
        if epoch == self.last:
            raise KilledError


def fit(folder: Path, killed_after: int = -1, **changes: Any) -> CNNModel:
    """Train in `folder`, on from what is kept there; or until an epoch has ended."""
    chosen = config(**LEARNS_BY_HEART | changes)
    keras.utils.set_random_seed(chosen.seed)
    model = CNNModel(chosen, (32, 32, 3))
    folder.mkdir(exist_ok=True)
    curves = folder / "curves.csv"
    checkpoint = KilledAfter(folder / "kept.h5", "origin", curves, model.early_stopping)
    checkpoint.last = killed_after
    model.fit(TRAIN, VALIDATION, curves, checkpoint)
    return model


def losses(folder: Path) -> list[float]:
    return pd.read_csv(folder / "curves.csv")["val_loss"].to_list()


def require_equal(one: CNNModel, other: CNNModel) -> None:
    for a, b in zip(one.network.weights, other.network.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_the_best_epoch_is_kept_and_without_it_the_last(tmp_path: Path) -> None:
    last = fit(tmp_path / "last")
    best = fit(tmp_path / "best", keep="best")
    found = losses(tmp_path / "best")
    assert found == losses(tmp_path / "last"), "nothing else changes"
    place = int(np.argmin(found))
    assert 0 < place < 7, "a case in which it matters"
    until_there = fit(tmp_path / "until", epochs=place + 1)
    require_equal(best, until_there)
    with pytest.raises(AssertionError):
        require_equal(best, last)


def test_training_ends_once_patience_does_killed_or_not(tmp_path: Path) -> None:
    chosen: dict[str, Any] = {"keep": "best", "patience": 2}
    whole = fit(tmp_path / "whole", **chosen)
    found = losses(tmp_path / "whole")
    place = int(np.argmin(found))
    assert len(found) == place + 3 < 8
    # After the best epoch, and after the last one, which alone knows that all is over.
    for moment in (place, place + 2):
        folder = tmp_path / str(moment)
        with pytest.raises(KilledError):
            fit(folder, moment, **chosen)
        require_equal(fit(folder, **chosen), whole)
        assert losses(folder) == found


def test_epoch_by_epoch_is_what_fit_does(tmp_path: Path) -> None:
    fit(tmp_path / "whole", patience=2)
    chosen = config(**LEARNS_BY_HEART, patience=2)
    keras.utils.set_random_seed(chosen.seed)
    logs = list(CNNModel(chosen, (32, 32, 3)).epochs(TRAIN, VALIDATION))
    curves = pd.read_csv(tmp_path / "whole/curves.csv").drop(columns="epoch")
    names = list(map(str, curves.columns))
    assert [{name: log[name] for name in names} for log in logs] == curves.to_dict("records")
