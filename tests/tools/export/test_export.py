"""export: every format says what the original says, or is not written."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.common.arrays import Split, write_views
from stages.common.command import InputError
from stages.evaluate.classifier import Classifier
from stages.networks.runtime import keras
from stages.train.model import CNNModel
from tests.helpers import REPOSITORY
from tests.stages.card.test_contents import frozen
from tests.stages.train.test_model import config
from tools.export import agreement
from tools.export.formats import FORMATS, require

pytestmark = pytest.mark.usefixtures("tensorflow", "workspace")

SHAPE = (48, 64, 3)
VIEWS = ("whole", "crop", "crop")
LAYERS = [
    {"filters": 4, "batch_normalization": True, "padding": "same"},
    {"filters": 4, "batch_normalization": True, "padding": "same", "shortcut": 1, "pool": 2},
]


def save(views: str, **changes: object) -> Path:
    """Write a network that looks at these views to models/base.h5; return the path."""
    path = Path("models/base.h5")
    path.parent.mkdir()
    small = {"conv_layers": LAYERS, "dense_units": 8, "views": views, "input_size": [24, 24]}
    if views == "frozen":
        frozen(views="both", input_size=[24, 24]).save(path)
    else:
        CNNModel(config(**small | changes), SHAPE).save(path)
    return path


def split() -> Split:
    pixels = np.random.default_rng(0).integers(0, 256, (6, len(VIEWS), *SHAPE)).astype(np.uint8)
    return Split(
        pixels // np.arange(1, 7, dtype=np.uint8)[:, None, None, None, None],
        np.arange(6) % 2,
        VIEWS,
    )


@pytest.mark.parametrize("views", ["whole", "crops", "frozen"])
def test_every_format_has_the_log_odds_of_the_original(views: str) -> None:
    """Of each view that the network looks at; it scales whole ones, and cuts crops."""
    path = save(views)
    inputs, expected = agreement.trial(Classifier(path, batch_size=4), split())
    assert len(expected) == 6 * {"whole": 1, "crops": 2}.get(views, 3)
    assert np.ptp(expected) > 10 * agreement.TOLERANCE, "else a network of its own would do"
    network = keras.models.load_model(path, compile=False)
    for name, chosen in FORMATS.items():
        require(name, network, path)
        file = Path(chosen.file.format("base"))
        chosen.write(network, file)
        run = chosen.load(file, 1)
        found = run(inputs)
        assert agreement.furthest(found, expected) < agreement.TOLERANCE / 10, name
        alone = run({key: values[:1] for key, values in inputs.items()})
        np.testing.assert_allclose(alone, found[:1], atol=1e-6)


def test_log_odds_that_float32_cannot_tell_are_equal() -> None:
    certain = np.array([[1, 0], [0, 1], [0.25, 0.75]], np.float32)
    expected = np.array([-200, 95, np.log(3)], np.float32)
    assert agreement.furthest(certain, expected) < 1e-6
    assert agreement.furthest(certain, expected + np.array([0, 0, 0.5])) == pytest.approx(0.5)
    assert np.isnan(agreement.furthest(np.full((3, 2), np.nan), expected))


def test_what_a_format_cannot_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    path = save("whole", precision="mixed_bfloat16", instruction_set=None)
    network = keras.models.load_model(path, compile=False)
    require("keras", network, path)
    with pytest.raises(InputError, match=r"^models/base\.h5: computes in bfloat16, which tflite"):
        require("tflite", network, path)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)  # as where it is not installed
    with pytest.raises(InputError, match=r"no tf2onnx; run `make \.venv/export`$"):
        require("onnx", network, path)


def export(variant: str, *formats: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["tools.export", variant, "--format", *formats])
        runpy.run_module("tools.export.__main__")["main"]()


def test_what_is_missing_or_differs_is_named_and_an_earlier_export_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    with pytest.raises(InputError, match=r"no 'smal'; did you mean 'small'\?$"):
        export("smal", "keras")
    with pytest.raises(InputError, match=r"^models/base\.h5: not here; run `dvc pull` or `dvc rep"):
        export("base", "keras")
    path = save("whole")
    path.with_suffix(".json").write_text("{}")
    path.with_suffix(".md").write_text("# base\n")
    with pytest.raises(InputError, match=r"^data/processed/validation: .+ run `dvc repro prep"):
        export("base", "keras")

    folder = Path("data/processed/validation")
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", split().images)
    np.save(folder / "labels.npy", split().labels)
    write_views(folder, VIEWS)
    export("base", "tflite", "keras")
    made = {file.name: file.read_bytes() for file in Path("exports/base").iterdir()}
    assert set(made) == {"base.tflite", "base.keras", "base.json", "base.md"}
    assert made["base.md"] == b"# base\n"
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows[1:4]] == [
        str(path),
        *(f"exports/base/base.{kind}" for kind in ("tflite", "keras")),
    ]
    assert rows[3][1] == f"{len(made['base.keras']) / 1000:,.0f}"

    monkeypatch.setattr(agreement, "TOLERANCE", -1.0)
    with pytest.raises(
        InputError, match=r"^exports/base/base\.keras: not written: its log-odds of 6"
    ):
        export("base", "keras")
    assert Path("exports/base/base.keras").read_bytes() == made["base.keras"]
