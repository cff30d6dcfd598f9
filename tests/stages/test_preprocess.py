"""preprocess: the arrays are the manifest's images, in its order, in the size of params."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.arrays import load_split
from stages.command import InputError
from stages.manifest import read_used
from stages.params import validate
from stages.preprocess import Preprocess, PreprocessParams
from tests.helpers import png, small_data_set, write_zip
from tests.stages.test_source import manifest_of


def preprocess(**changes: object) -> Preprocess:
    values = {"image_size": [32, 32], "resample": "bilinear"}
    return Preprocess(validate(PreprocessParams, values | changes, "preprocess"))


def test_arrays_follow_the_manifest(workspace: Path) -> None:
    files = small_data_set({"train": 3, "validation": 2, "test": 2})
    # Stored in the opposite order of the manifest, and with one image that is not used.
    files["train/REAL/copy.png"] = files["test/REAL/0000.png"]
    path = write_zip(workspace / "data.zip", dict(reversed(files.items())))
    manifest = manifest_of(path)
    manifest.to_csv(workspace / "manifest.csv", index=False)
    used = read_used(workspace / "manifest.csv")
    Path("data/processed").mkdir(parents=True)
    folders = {split: Path("data/processed") / split for split in ("train", "validation", "test")}
    preprocess().write_splits(path, used, folders)

    for split in folders:
        rows = used[used["split"] == split]
        images, labels = load_split(split)
        assert images.dtype == labels.dtype == np.uint8
        assert images.shape == (len(rows), 32, 32, 3)
        for image, label, row in zip(images, labels, rows.itertuples(), strict=True):
            (workspace / "one.png").write_bytes(files[str(row.path)])
            np.testing.assert_array_equal(image, np.asarray(Image.open(workspace / "one.png")))
            assert label == {"REAL": 0, "FAKE": 1}[str(row.label)]


def test_an_image_of_another_size_is_resized_as_pillow_does() -> None:
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (50, 41, 3)).astype(np.uint8))
    result = preprocess(image_size=[20, 30], resample="lanczos").resize(image)
    expected = np.asarray(image.resize((30, 20), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(result, expected)


def test_an_image_of_the_right_size_stays_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(preprocess().resize(Image.fromarray(pixels)), pixels)


def test_an_image_that_is_gone_is_named(workspace: Path) -> None:
    files = small_data_set({"train": 3, "validation": 2, "test": 2})
    used = manifest_of(write_zip(workspace / "data.zip", files))
    del files["test/FAKE/0001.png"]
    path = write_zip(workspace / "data.zip", files | {"other.txt": png(np.zeros((1, 1, 3), "u1"))})
    folders = {split: workspace / split for split in ("train", "validation", "test")}
    with pytest.raises(InputError, match=r"test/FAKE/0001\.png is in data/manifest\.csv but not"):
        preprocess().write_splits(path, used, folders)
