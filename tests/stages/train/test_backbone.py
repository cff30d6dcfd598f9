"""backbone: features are the layers' means, and of the very file that was meant."""

from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras.src.applications.convnext import LayerScale

from stages.common.command import InputError
from stages.networks.config import Backbone
from stages.networks.runtime import keras
from stages.train.backbone import features, load
from stages.train.model import CNNModel
from tests.stages.train.test_model import config, random_split

pytestmark = pytest.mark.usefixtures("tensorflow")


def network(size: int | None = None, extra: list[keras.layers.Layer] | None = None) -> keras.Model:
    """Return a small pretrained network that takes 0..255."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Rescaling(1 / 255, name="normalise"),
            keras.layers.Conv2D(4, 3, activation="relu", name="low"),
            keras.layers.BatchNormalization(name="bn"),
            keras.layers.Conv2D(6, 3, strides=2, activation="relu", name="high"),
            *(extra or []),
            keras.layers.GlobalAveragePooling2D(name="pool"),
            keras.layers.Dense(5, name="classes"),
        ]
    )


def saved(path: Path, of: keras.Model | None = None, **changes: Any) -> Backbone:
    """Write a network to `path`; return the block of params.yaml that names it."""
    (of or network()).save(path)
    values: dict[str, Any] = {
        "weights": str(path),
        "md5": md5(path.read_bytes()).hexdigest(),
        "layers": ["low", "high"],
        "trainable": False,
    }
    return Backbone.model_validate(values | changes)


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_features_are_the_means_of_the_maps_side_by_side(tmp_path: Path, suffix: str) -> None:
    backbone = saved(tmp_path / f"b.{suffix}", layers=["high", "low", "pool"])
    image = keras.Input((32, 32, 3))
    found = keras.Model(image, features(backbone, image))(random_split(3).images.astype("f4"))
    of = network()
    low = of.get_layer("low")(of.get_layer("normalise")(random_split(3).images.astype("f4")))
    high = of.get_layer("high")(of.get_layer("bn")(low))
    means = [np.asarray(maps).mean((1, 2)) for maps in (high, low)]
    np.testing.assert_allclose(found, np.hstack([*means, means[0]]), rtol=1e-5)


def test_another_file_is_refused_and_both_hashes_are_named(tmp_path: Path) -> None:
    backbone = saved(tmp_path / "b.h5", md5="0" * 32)
    digest = md5((tmp_path / "b.h5").read_bytes()).hexdigest()
    with pytest.raises(InputError, match=rf"b\.h5, {digest}, found {'0' * 32}$"):
        load(backbone)


def test_a_missing_file_is_named_with_what_makes_it(tmp_path: Path) -> None:
    backbone = saved(tmp_path / "b.h5", weights=str(tmp_path / "other.h5"))
    with pytest.raises(InputError, match=r"other\.h5: No such file .*; `make backbone` makes"):
        load(backbone)


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_a_layer_that_needs_code_of_its_own_is_named(tmp_path: Path, suffix: str) -> None:
    """LayerScale of ConvNeXt: a .keras file loads in Keras, and the saved .h5 would not."""
    scale = LayerScale(0.1, 6, name="scale")
    backbone = saved(tmp_path / f"b.{suffix}", network(extra=[scale]))
    with pytest.raises(InputError, match="LayerScale") as refused:
        load(backbone)
    assert "\n" not in str(refused.value)


def test_a_layer_that_is_not_there_is_named_with_the_last_ones(tmp_path: Path) -> None:
    backbone = saved(tmp_path / "b.h5", layers=["hihg"])
    with pytest.raises(InputError, match=r"no layer 'hihg' in .*low, bn, high, pool, classes"):
        load(backbone)


@pytest.mark.parametrize(
    ("extra", "layers", "message"),
    [
        ([keras.layers.Reshape((-1, 6), name="tokens")], ["tokens"], "found 3 axes"),
        ([], ["classes"], ""),
    ],
)
def test_a_layer_must_give_maps_or_features(
    tmp_path: Path, extra: list[keras.layers.Layer], layers: list[str], message: str
) -> None:
    keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Conv2D(6, 3), *extra, keras.layers.Flatten(),
         keras.layers.Dense(5, name="classes")]
    ).save(tmp_path / "b.h5")  # fmt: skip
    digest = md5((tmp_path / "b.h5").read_bytes()).hexdigest()
    backbone = Backbone(weights=str(tmp_path / "b.h5"), md5=digest, layers=layers, trainable=False)
    if not message:
        assert [output.shape for output in load(backbone).outputs] == [(None, 5)]
        return
    with pytest.raises(InputError, match=message):
        load(backbone)


def test_images_of_another_size_than_it_takes_are_refused(tmp_path: Path) -> None:
    backbone = saved(tmp_path / "b.h5", network(size=24))
    with pytest.raises(InputError, match=r"takes images of \(24, 24, 3\), found \(32, 32, 3\)"):
        features(backbone, keras.Input((32, 32, 3)))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.h5").write_bytes(b"hello")
    digest = md5(b"hello").hexdigest()
    backbone = saved(tmp_path / "c.h5", weights=str(tmp_path / "b.h5"), md5=digest)
    with pytest.raises(InputError, match=r"b\.h5: not a Keras model of built-in layers: "):
        load(backbone)


def test_a_trainable_backbone_is_trained_but_for_its_statistics(tmp_path: Path) -> None:
    backbone = saved(tmp_path / "b.h5", trainable=True, layers=["high"])
    chosen = config(
        backbone=backbone.model_dump(), epochs=1, batch_size=8, learning_rate=0.01, dense_units=0
    )
    model = CNNModel(chosen, (32, 32, 3))
    model.fit(random_split(16), random_split(8), tmp_path / "curves.csv")
    inside = model.network.get_layer("backbone")
    for name, changes in (("low", True), ("high", True), ("bn", False)):
        before, after = (
            network().get_layer(name).get_weights(),
            inside.get_layer(name).get_weights(),
        )
        same = all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
        assert same != changes, name
    assert not [layer for layer in model.network.layers if layer.name.startswith("conv_")]
