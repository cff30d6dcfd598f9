"""preprocess: the arrays are the manifest's images, in its order, in the size of params."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.common.arrays import load_split
from stages.common.command import InputError
from stages.common.manifest import SPLITS, read_used
from stages.images.schema import DecodeParams
from stages.preprocess.resize import Preprocess
from stages.preprocess.schema import PreprocessParams
from tests.helpers import default_block, png, small_data_set, write_zip
from tests.stages.source.test_images import manifest_of


def preprocess(processes: int | None = None, **changes: Any) -> Preprocess:
    params = default_block("preprocess", PreprocessParams, **changes)
    return Preprocess(params, default_block("decode", DecodeParams), processes)


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


def wide() -> Image.Image:
    """Return a 20x10 image: red, then green, then blue."""
    image = Image.new("RGB", (20, 10), (0, 255, 0))
    image.paste((255, 0, 0), (0, 0, 5, 10))
    image.paste((0, 0, 255), (15, 0, 20, 10))
    return image


def test_an_image_of_another_shape_is_stretched_cropped_or_padded() -> None:
    """By hand: 20x10 into 10x10 halves the width, keeps the middle 10, or adds 5 rows of border."""
    size: dict[str, Any] = {"image_size": [10, 10], "resample": "nearest"}
    red, green, blue, white = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

    def columns(aspect: str, row: int) -> list[tuple[int, ...]]:
        pixels = preprocess(aspect=aspect, **size).resize(wide())
        return [tuple(pixel) for pixel in pixels[row].tolist()]

    assert columns("crop", 0) == columns("crop", 9) == [green] * 10
    assert columns("stretch", 5)[:2] == [red] * 2
    assert columns("stretch", 5)[3:7] == [green] * 4
    assert columns("stretch", 5)[8:] == [blue] * 2
    assert columns("pad", 0) == columns("pad", 9) == [white] * 10
    assert columns("pad", 5)[0] == red
    assert columns("pad", 5)[9] == blue


def test_any_number_of_processes_writes_the_same_arrays(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", small_data_set({"train": 300, "test": 150}))
    used = manifest_of(path)
    written = {}
    for processes in (1, 2, 3):
        folders = {split: workspace / f"{split}-{processes}" for split in SPLITS}
        preprocess(processes).write_splits(path, used, folders)
        written[processes] = [
            (folder / name).read_bytes()
            for folder in folders.values()
            for name in ("images.npy", "labels.npy")
        ]
    assert written[1] == written[2] == written[3]


def test_an_image_that_is_gone_is_named(workspace: Path) -> None:
    files = small_data_set({"train": 3, "validation": 2, "test": 2})
    used = manifest_of(write_zip(workspace / "data.zip", files))
    del files["test/FAKE/0001.png"]
    path = write_zip(workspace / "data.zip", files | {"other.txt": png(np.zeros((1, 1, 3), "u1"))})
    folders = {split: workspace / split for split in ("train", "validation", "test")}
    with pytest.raises(InputError, match=r"test/FAKE/0001\.png: not here any more"):
        preprocess().write_splits(path, used, folders)
