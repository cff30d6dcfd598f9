"""folds: each image is measured once, what belongs together stays together, test is not there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.common.arrays import PROCESSED
from stages.common.command import InputError
from stages.common.manifest import COLUMNS, LABELS, MANIFEST
from tools.search.folds import assign, load, ratio, write

IMAGES = {"train": 40, "validation": 20, "test": 10}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the first pixel of an image is its place among all of train and so on."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for split, number in IMAGES.items():
        for place in range(number):
            label = LABELS[place >= number // 2]
            # Four images at a time look alike, across the splits, and have one label.
            cluster = f"{label}{place % (number // 2) // 2}" if place % 3 else ""
            rows.append([f"{split}/{place:02}", split, label, "", "", cluster, 4, 4, "", "used"])
        if split == "test":
            continue
        folder = PROCESSED / split
        folder.mkdir(parents=True)
        places = np.arange(number) + (0 if split == "train" else IMAGES["train"])
        np.save(folder / "images.npy", np.tile(places.astype(np.uint8), (3, 4, 4, 1)).T)
        np.save(folder / "labels.npy", (np.arange(number) >= number // 2).astype(np.uint8))
    pd.DataFrame(rows, columns=COLUMNS).sort_values(["split", "path"]).to_csv(MANIFEST, index=False)
    return tmp_path


def test_observations_stay_together_and_labels_are_as_frequent_everywhere(workspace: Path) -> None:
    of = assign(3, seed=1)
    table = pd.read_csv(MANIFEST, keep_default_na=False)
    table = table[table["split"] != "test"].reset_index(drop=True).assign(fold=of)
    in_clusters = table[table["cluster"] != ""]
    assert in_clusters.groupby("cluster").size().max() > 1
    assert in_clusters.groupby("cluster")["fold"].nunique().max() == 1
    counts = table.groupby(["fold", "label"]).size()
    assert len(of) == 60
    assert counts.between(8, 12).all()
    assert (assign(3, seed=1) == of).all()
    assert (assign(3, seed=2) != of).any()


@pytest.mark.parametrize("number", [None, 3])
def test_each_fold_trains_on_what_it_is_not_measured_on(
    workspace: Path, number: int | None
) -> None:
    of = assign(number, seed=1)
    write(Path("folds"), of)
    found = load(Path("folds"), number is not None)
    measured = []
    for fold in found.folds:
        train, validation = found.of(fold)
        seen, left = train.images[:, 0, 0, 0], validation.images[:, 0, 0, 0]
        assert sorted([*seen, *left]) == list(range(60))
        assert train.images.base is not None, "mapped from the file, and not copied"
        for split, places in ((train, seen), (validation, left)):
            expected = [(place % 40 if place < 40 else place - 40) for place in places]
            half = [20 if place < 40 else 10 for place in places]
            assert list(split.labels) == [e >= h for e, h in zip(expected, half, strict=True)]
        measured += list(left)
        assert len(left) / len(seen) == pytest.approx(ratio(of), abs=0.1)
    assert sorted(measured) == (list(range(60)) if number else list(range(40, 60)))


def test_more_folds_than_observations_are_refused(workspace: Path) -> None:
    with pytest.raises(InputError, match=r"search.folds: must be at most \d+, the observations"):
        assign(50, seed=1)
