"""preprocess: the arrays are the manifest's images, in its order."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages.common.arrays import load_split
from stages.common.command import InputError
from stages.common.manifest import SPLITS, read_used
from stages.preprocess.write import Part, write
from tests.helpers import png, small_data_set, write_zip
from tests.stages.preprocess.test_views import preprocess
from tests.stages.source.test_images import manifest_of


def write_splits(
    source: Path,
    used: pd.DataFrame,
    folders: dict[str, Path],
    processes: int | None = None,
    **changes: Any,
) -> None:
    """Write the images of each split to its folder, as the stage does."""
    chosen = preprocess(**changes)
    parts = [
        Part(folder, folder, used[used["split"] == split]) for split, folder in folders.items()
    ]
    write(source, parts, chosen.see, chosen.shape, "preprocess", processes)


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
    write_splits(path, used, folders)

    for split in folders:
        rows = used[used["split"] == split]
        images, labels, _ = load_split(split)
        assert images.dtype == labels.dtype == np.uint8
        assert images.shape == (len(rows), 32, 32, 3)
        for image, label, row in zip(images, labels, rows.itertuples(), strict=True):
            (workspace / "one.png").write_bytes(files[str(row.path)])
            np.testing.assert_array_equal(image, np.asarray(Image.open(workspace / "one.png")))
            assert label == {"REAL": 0, "FAKE": 1}[str(row.label)]


def test_any_number_of_processes_writes_the_same_arrays(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", small_data_set({"train": 300, "test": 150}))
    used = manifest_of(path)
    written = {}
    for processes in (1, 2, 3):
        folders = {split: workspace / f"{split}-{processes}" for split in SPLITS}
        write_splits(path, used, folders, processes, crops=2)
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
        write_splits(path, used, folders)
