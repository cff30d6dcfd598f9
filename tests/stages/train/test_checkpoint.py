"""checkpoint: what goes on from one is what was never stopped, and nothing else goes on from it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.common.arrays import Split
from stages.networks.config import ModelConfig
from stages.networks.runtime import keras
from stages.train import checkpoint as module
from stages.train.checkpoint import Checkpoint, origin
from stages.train.model import CNNModel
from tests.stages.train.test_model import config, random_split

pytestmark = pytest.mark.usefixtures("tensorflow")

TRAIN, VALIDATION = random_split(24), random_split(8, seed=1)
CHANGES: dict[str, Any] = {
    "epochs": 3, "batch_size": 8, "dropout": 0.5, "dense_units": 4,
    "conv_layers": [{"filters": 4, "pool": 4, "batch_normalization": True}],
    "augmentation": {"flip": "both", "shift": 0.1},
}  # fmt: skip


class KilledError(Exception):
    """Stands for the end of the process."""


class KilledAfter(Checkpoint):
    """A checkpoint after whose `epochs`-th epoch the process ends."""

    epochs = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        super().on_epoch_end(epoch, logs)
        if epoch + 1 == self.epochs:
            raise KilledError


def fit(folder: Path, chosen: ModelConfig, epochs: int = 0, kept: str = "kept") -> CNNModel:
    """Train in `folder`, until `epochs` are done if that is not 0."""
    keras.utils.set_random_seed(chosen.seed)
    model = CNNModel(chosen, (32, 32, 3))
    curves = folder / "curves.csv"
    checkpoint = KilledAfter(folder / "kept.h5", origin(chosen, TRAIN, VALIDATION), curves)
    checkpoint.epochs = epochs
    model.fit(TRAIN, VALIDATION, curves, checkpoint)
    return model


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd with a schedule": {
        "optimizer": "sgd", "momentum": 0.9, "schedule": "cosine", "warmup_epochs": 1.0,
    },
    "mixed precision": {"precision": "mixed_float16", "instruction_set": None},
}  # fmt: skip


@pytest.fixture
def chosen(request: pytest.FixtureRequest) -> Iterator[ModelConfig]:
    before = keras.mixed_precision.dtype_policy()
    yield config(**CHANGES, **OPTIMIZERS[request.param])
    keras.mixed_precision.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("chosen", "epochs"),
    [("sgd with a schedule", 3), pytest.param("mixed precision", 1, marks=pytest.mark.slow)],
    indirect=["chosen"],
)
def test_what_was_killed_ends_as_what_was_not(
    tmp_path: Path, chosen: ModelConfig, epochs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = fit(tmp_path / "whole", chosen)
    with pytest.raises(KilledError):
        fit(tmp_path / "killed", chosen, epochs)
    (tmp_path / "killed/curves.csv").unlink()  # DVC removes what a stage wrote before
    capsys.readouterr()
    killed = fit(tmp_path / "killed", chosen)
    assert f"going on after epoch {epochs} of 3" in capsys.readouterr().out
    for one, other in zip(whole.network.weights, killed.network.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    curves = [(tmp_path / name / "curves.csv").read_bytes() for name in ("whole", "killed")]
    assert curves[0] == curves[1]


def test_nothing_else_goes_on_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = config(**CHANGES)
    kept = origin(chosen, TRAIN, VALIDATION)
    pixels = TRAIN.images.copy()
    pixels[-1, -1, -1, -1] ^= 1
    others = {
        "configuration": origin(config(**CHANGES | {"seed": 2}), TRAIN, VALIDATION),
        "a pixel": origin(chosen, Split(pixels, TRAIN.labels), VALIDATION),
        "a label": origin(chosen, Split(TRAIN.images, TRAIN.labels ^ 1), VALIDATION),
        "the splits": origin(chosen, VALIDATION, TRAIN),
    }
    monkeypatch.setattr(module, "version", lambda library: "another")
    others["a library"] = origin(chosen, TRAIN, VALIDATION)
    monkeypatch.undo()
    code = tmp_path / "code.py"
    code.write_bytes(Path(module.__file__).read_bytes() + b"# a comment")
    monkeypatch.setattr(module, "__file__", str(code))
    others["code"] = origin(chosen, TRAIN, VALIDATION)
    monkeypatch.undo()
    assert kept == origin(chosen, TRAIN, VALIDATION)
    assert len({kept, *others.values()}) == 1 + len(others)

    with pytest.raises(KilledError):
        fit(tmp_path, chosen, epochs=2)
    other = Checkpoint(tmp_path / "kept.h5", others["a pixel"], tmp_path / "curves.csv")
    model = CNNModel(chosen, (32, 32, 3))
    before = [weight.numpy() for weight in model.network.weights]
    assert other.restore(model._compiled(steps=3)) == 0
    for weight, value in zip(model.network.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_a_state_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    chosen = config(**CHANGES)
    with pytest.raises(KilledError):
        fit(tmp_path, chosen, epochs=1)
    path = tmp_path / "kept.h5"
    whole = path.read_bytes()
    model = CNNModel(chosen, (32, 32, 3))._compiled(steps=3)
    checkpoint = Checkpoint(path, origin(chosen, TRAIN, VALIDATION), tmp_path / "curves.csv")
    assert checkpoint.restore(model) == 1
    for damaged in (b"", whole[: len(whole) // 2], b"x" * len(whole)):
        path.write_bytes(damaged)
        assert checkpoint.restore(model) == 0
    path.unlink(missing_ok=True)
    assert checkpoint.restore(model) == 0


def test_a_broken_state_is_not_kept(tmp_path: Path) -> None:
    chosen = config(**CHANGES)
    with pytest.raises(KilledError):
        fit(tmp_path, chosen, epochs=1)
    before = (tmp_path / "kept.h5").read_bytes()
    checkpoint = Checkpoint(tmp_path / "kept.h5", "origin", tmp_path / "curves.csv")
    model = CNNModel(chosen, (32, 32, 3))._compiled(steps=3)
    checkpoint.set_model(model)
    checkpoint.on_epoch_end(1, {"loss": float("nan")})
    assert (tmp_path / "kept.h5").read_bytes() == before
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    checkpoint.on_epoch_end(1, {"loss": 0.5})
    assert (tmp_path / "kept.h5").read_bytes() == before


def test_the_last_one_that_is_removed_takes_the_folder_along(tmp_path: Path) -> None:
    kept = [tmp_path / "kept" / f"{name}.h5" for name in "ab"]
    kept[0].parent.mkdir()
    for path in kept:
        path.touch()
    for number, path in enumerate(kept):
        Checkpoint(path, "", Path()).remove()
        assert path.parent.exists() == (number == 0)
