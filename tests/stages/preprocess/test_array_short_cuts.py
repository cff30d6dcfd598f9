"""array_short_cuts: what tells the labels apart in arrays is found, and nothing else is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.common.arrays import write_views
from stages.preprocess.array_short_cuts import array_short_cuts

FAKE_FROM = 30
"""The place of the first FAKE image of each split, of 60."""


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Noise in two views: of FAKE, the whole images are redder, and the crops are smooth."""
    random = np.random.default_rng(0)
    splits = {}
    for split in ("train", "validation", "test"):
        images = random.integers(0, 200, (60, 2, 16, 16, 3)).astype(np.uint8)
        images[FAKE_FROM:, 0, :, :, 0] += 50
        images[FAKE_FROM:, 1] = images[FAKE_FROM:, 1].mean((1, 2), keepdims=True).astype(np.uint8)
        folder = tmp_path / split
        folder.mkdir()
        np.save(folder / "images.npy", images)
        np.save(folder / "labels.npy", np.repeat([0, 1], 30).astype(np.uint8))
        write_views(folder, ("whole", "crop"))
        splits[split] = folder
    return splits


def used() -> pd.DataFrame:
    rows = [
        {"path": f"{split}/{n}", "split": split, "label": "REAL" if n < FAKE_FROM else "FAKE"}
        for split in ("train", "validation", "test")
        for n in range(60)
    ]
    return pd.DataFrame(rows).assign(group="", cluster="")


def test_each_kind_of_view_is_looked_at(folders: dict[str, Path]) -> None:
    found = array_short_cuts(folders, used(), seed=1)
    assert list(found) == [
        "mean colour (whole)", "spectrum (whole)", "mean colour (crop)", "spectrum (crop)",
        "all of these",
    ]  # fmt: skip
    assert found["mean colour (whole)"] == found["spectrum (crop)"] == found["all of these"] == 1
    assert 0.3 < found["spectrum (whole)"] < 0.7
    assert 0.3 < found["mean colour (crop)"] < 0.7


def test_the_test_split_is_not_read(folders: dict[str, Path]) -> None:
    before = array_short_cuts(folders, used(), seed=1)
    (folders["test"] / "images.npy").unlink()
    assert array_short_cuts(folders, used(), seed=1) == before


def test_few_images_tell_nothing(folders: dict[str, Path]) -> None:
    few = used().groupby(["split", "label"], sort=False).head(12)
    for folder in folders.values():
        keep = [*range(12), *range(FAKE_FROM, FAKE_FROM + 12)]
        for name in ("images", "labels"):
            np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[keep])
    assert array_short_cuts(folders, few, seed=1) == {}
