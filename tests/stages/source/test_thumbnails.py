"""thumbnails: which images a person is shown, and how small they are."""

import numpy as np
import pandas as pd
from PIL import Image

from stages.images.schema import DecodeParams
from stages.source.thumbnails import choose, thumbnails
from tests.helpers import default_block, file_of, png


def manifest(unused: str = "") -> pd.DataFrame:
    """Return 100 images of each split and label, one of which may not be used."""
    rows = [
        (f"{split}/{label}/{number:03}", split, label)
        for split in ("test", "train", "validation")
        for label in ("FAKE", "REAL")
        for number in range(100)
    ]
    table = pd.DataFrame(rows, columns=["path", "split", "label"])
    return table.assign(status=(table["path"] == unused).map({True: "not sampled", False: "used"}))


NO_PAIRS = pd.DataFrame(columns=["path", "other_path"])


def test_examples_are_forty_of_each_split_and_label_from_the_first_to_the_last() -> None:
    chosen = choose(manifest(), NO_PAIRS)
    assert chosen.groupby(["split", "label"]).size().tolist() == [40] * 6
    paths = chosen["path"].tolist()
    assert paths == sorted(paths)
    assert paths[:3] == ["test/FAKE/000", "test/FAKE/003", "test/FAKE/005"], "every 99/39th"
    assert paths[39] == "test/FAKE/099"
    assert "test/FAKE/000" not in choose(manifest("test/FAKE/000"), NO_PAIRS)["path"].tolist()


def test_images_that_look_alike_are_shown_too_and_are_no_examples() -> None:
    pairs = pd.DataFrame([("train/REAL/001", "test/FAKE/000")], columns=["path", "other_path"])
    chosen = choose(manifest(), pairs).set_index("path")["is_example"]
    assert len(chosen) == 241
    assert not chosen["train/REAL/001"]
    assert chosen["test/FAKE/000"]


def test_a_small_image_is_enlarged_by_whole_pixels_and_a_large_one_shrunk() -> None:
    pixels = np.arange(32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    large = file_of(Image.new("RGB", (400, 200), "red"))
    files = [("small", png(pixels)), ("large", large)]
    pictures = dict(thumbnails(files, default_block("decode", DecodeParams)))
    np.testing.assert_array_equal(np.asarray(pictures["small"]), pixels.repeat(3, 0).repeat(3, 1))
    assert pictures["large"].size == (96, 48)
