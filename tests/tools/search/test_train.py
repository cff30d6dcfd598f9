"""train: a fold of a trial is what `train` makes of the same images."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.common.arrays import Split
from stages.train.checkpoint import Rows
from stages.train.frozen import FrozenModel
from stages.train.model import CNNModel
from tests.stages.train.test_backbone import saved
from tests.stages.train.test_frozen import config as frozen_config
from tests.stages.train.test_frozen import split as views_of
from tests.stages.train.test_model import config, random_split
from tools.search.folds import Fold, Folds

pytestmark = pytest.mark.usefixtures("tensorflow")

FOLDS = [Fold(slice(8, 24), slice(0, 8)), Fold(slice(16, 32), slice(8, 16))]


def twice(split: Split) -> Folds:
    """Return 24 images as three folds, of which two are measured."""
    images, labels, views = split
    return Folds(Split(np.concatenate([images] * 2), np.concatenate([labels] * 2), views), FOLDS)


def curves(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)[["val_accuracy", "val_loss"]]


def test_each_fold_is_what_fit_makes_of_it(tmp_path: Path) -> None:
    from stages.networks.runtime import start
    from tools.search.train import by_epoch

    changes = {"batch_size": 4, "dense_units": 4, "conv_layers": [{"filters": 4, "pool": 4}]}
    chosen = config(epochs=3, validation_steps=1, **changes)
    folds = twice(random_split(24))
    epochs = list(by_epoch(chosen, folds))
    assert [epoch.loss for epoch in by_epoch(chosen, folds)] == [e.loss for e in epochs], "again"
    for number, fold in enumerate(FOLDS):
        start(chosen.seed)
        model = CNNModel(config(epochs=3, validation_steps=None, **changes), (32, 32, 3))
        model.fit(*folds.of(fold), tmp_path / "curves.csv")
        found = [[epoch.accuracy[number], epoch.loss[number]] for epoch in epochs]
        assert found == curves(tmp_path / "curves.csv").to_numpy().tolist()


def test_of_a_fold_the_kept_epoch_counts() -> None:
    from tools.search.train import counted

    logs = [{"val_loss": loss, "val_accuracy": 1 - loss} for loss in (0.5, 0.25, 0.75)]
    assert counted(logs, "last") == logs[2]
    assert counted(logs, "best") == logs[1]
    assert counted(logs[:1], "best") == logs[0]


def test_features_are_computed_once_for_all_penalties(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tools.search.train import Backbones

    folds = twice(views_of(24, seed=0))
    backbone = saved(tmp_path / "b.h5")
    looked_at: list[int] = []
    features = FrozenModel.features

    def noted(self: FrozenModel, splits: list[Split], kept: Rows) -> np.ndarray:
        looked_at.append(len(splits))
        return features(self, splits, kept)

    monkeypatch.setattr(FrozenModel, "features", noted)
    backbones = Backbones()
    found = {l2: backbones.fit(frozen_config(backbone, head_l2=l2), folds) for l2 in (0.5, 50.0)}
    assert len(looked_at) == 1
    assert found[0.5] != found[50.0]
    for l2, epoch in found.items():
        for number, fold in enumerate(FOLDS):
            model = FrozenModel(frozen_config(backbone, head_l2=l2), (16, 16, 3))
            kept = Rows(tmp_path / f"{l2} {number}", "")
            model.fit(*folds.of(fold), tmp_path / "curves.csv", kept)
            expected = curves(tmp_path / "curves.csv").to_numpy().tolist()
            assert expected == [[epoch.accuracy[number], epoch.loss[number]]]
    backbones.fit(frozen_config(backbone, batch_size=3), folds)
    assert len(looked_at) == 1 + 4 + 1, "other features"
