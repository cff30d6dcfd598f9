"""external: another data set becomes arrays, without what the models have learned from."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from stages.common.arrays import EXTERNAL, Split, load_folder
from stages.common.command import InputError, run
from stages.common.manifest import MANIFEST
from tests.helpers import (
    NONE,
    REPOSITORY,
    edit_params,
    flat,
    png,
    run_stage,
    small_data_set,
    write_zip,
)
from tests.stages.source.test_images import manifest_of

FOLDER = EXTERNAL / "other"
Prepare = Callable[..., Split]

OWN = small_data_set({"train": 3, "validation": 2, "test": 2}, seed=1)


@pytest.fixture
def finished(workspace: Path) -> Path:
    """A folder in which source has run, on `OWN`."""
    write_zip(workspace / "own.zip", OWN)
    (workspace / "data").mkdir()
    manifest_of(workspace / "own.zip").to_csv(MANIFEST, index=False)
    (workspace / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    edit_params(workspace, {"source.path": "own.zip"})
    return workspace


@pytest.fixture
def prepare(finished: Path) -> Prepare:
    """Runs the stage on files as another data set; returns the arrays that it wrote."""

    def prepare(files: dict[str, bytes], *arguments: str, **changes: Any) -> Split:
        write_zip(finished / "other.zip", files)
        edit_params(finished, {"external.other": "other.zip", **changes})
        run_stage("external", "other", *arguments)
        return load_folder(FOLDER, "external@other")

    return prepare


def paths() -> list[str]:
    return pd.read_csv(FOLDER / "images.csv")["path"].tolist()


def test_arrays_are_the_images_in_the_order_of_label_and_path(prepare: Prepare) -> None:
    red, grey = png(np.full((4, 4, 3), (255, 0, 0), np.uint8)), png(np.full((32, 32, 3), 7, "u1"))
    files = {"b/real/2.png": flat(2), "b/fake/9.png": red, "a/real/x.png": grey}
    images, labels, _ = prepare(files, **{"preprocess.image_size": [16, 8]})
    table = pd.read_csv(FOLDER / "images.csv", keep_default_na=False)
    assert table.to_dict("list") == {
        "path": ["b/fake/9.png", "a/real/x.png", "b/real/2.png"],
        "label": ["FAKE", "REAL", "REAL"],
        "slice": ["", "", ""],
        "cluster": ["", "", ""],
    }
    assert labels.dtype == images.dtype == np.uint8
    assert labels.tolist() == [1, 0, 0]
    assert images.shape == (3, 16, 8, 3)
    assert [image[0, 0].tolist() for image in images] == [[255, 0, 0], [7] * 3, [2] * 3]


def test_where_folders_name_splits_only_test_is_used(prepare: Prepare) -> None:
    prepare(small_data_set({"train": 4, "val": 2, "test": 3}))
    assert len(paths()) == 6
    assert all(path.startswith("test/") for path in paths())


def test_without_splits_all_images_are_used(prepare: Prepare) -> None:
    prepare({f"x/{name}": data for name, data in small_data_set({"some": 3}).items()})
    assert len(paths()) == 6


def test_what_the_models_learned_from_is_left_out(
    prepare: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images in the project's test split stay: no model has learned from them."""
    known = {name.split("/")[0]: data for name, data in OWN.items() if name.endswith("L/0000.png")}
    new = small_data_set({"some": 2})
    prepare(new | {f"some/REAL/{split}.png": data for split, data in known.items()})
    assert set(known) == {"train", "validation", "test"}
    assert sorted(paths()) == sorted([*new, "some/REAL/test.png"])
    assert capsys.readouterr().out == (
        "other: 3 REAL, 2 FAKE; left out: 0 unreadable, 0 duplicate, 2 in train or validation\n"
    )


@pytest.mark.parametrize(("column", "value"), [("status", "not sampled"), ("split", "held_out")])
def test_what_the_project_does_not_train_on_was_not_learned(
    prepare: Prepare, column: str, value: str
) -> None:
    manifest = pd.read_csv(MANIFEST)
    first = manifest["path"] == "train/REAL/0000.png"
    manifest.loc[first, column] = value
    manifest.to_csv(MANIFEST, index=False)
    prepare(small_data_set({"some": 1}) | {"some/REAL/x.png": OWN["train/REAL/0000.png"]})
    assert "some/REAL/x.png" in paths()


def test_the_first_of_copies_is_used(prepare: Prepare, capsys: pytest.CaptureFixture[str]) -> None:
    """By pixels: another shape of the same bytes is another image."""
    a, wide, high = flat(10), np.full((2, 8, 3), 9, np.uint8), np.full((8, 2, 3), 9, np.uint8)
    prepare(
        {
            "real/3.png": a,
            "real/2.png": a,
            "real/1.png": flat(11),
            "fake/x.png": flat(12),
            "fake/wide.png": png(wide),
            "fake/high.png": png(high),
        }
    )
    assert paths() == ["fake/high.png", "fake/wide.png", "fake/x.png", "real/1.png", "real/2.png"]
    assert "2 REAL, 3 FAKE; left out: 0 unreadable, 1 duplicate, 0 in" in capsys.readouterr().out


def test_unreadable_images_are_skipped_and_counted(
    prepare: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"real/1.png": flat(1), "fake/1.png": flat(2)}
    prepare(files | {"real/2.png": b"x", "fake/2.png": b"", "fake/3.png": flat(3)[:30]})
    assert sorted(paths()) == sorted(files)
    assert "1 REAL, 1 FAKE; left out: 3 unreadable, 0" in capsys.readouterr().out


SETS: dict[str, tuple[dict[str, bytes], list[str]]] = {
    "train and validation alone (GenImage)": (
        {"sd/train/ai/1.png": flat(1), "sd/val/ai/2.png": flat(2), "sd/val/nature/3.png": flat(3)},
        ["sd/val/ai/2.png", "sd/val/nature/3.png"],
    ),
    "train alone": (
        {"train/ai/1.png": flat(1), "train/nature/2.png": flat(2)},
        ["train/ai/1.png", "train/nature/2.png"],
    ),
    "generated images alone": (
        {"fake/dalle/1.png": flat(1), "fake/mj/2.png": flat(2)},
        ["fake/dalle/1.png", "fake/mj/2.png"],
    ),
    "photographs alone": ({"real/1.jpg": flat(1)}, ["real/1.jpg"]),
}


@pytest.mark.parametrize("what", SETS)
def test_a_set_is_used_as_far_as_it_goes(prepare: Prepare, what: str) -> None:
    files, expected = SETS[what]
    labels = prepare(files).labels
    assert sorted(paths()) == expected
    assert len(labels) == len(expected)


def test_without_splits_in_params_folders_of_that_name_are_folders(prepare: Prepare) -> None:
    files = {"train/real/1.png": flat(1), "test/real/2.png": flat(2), "fake/3.png": flat(3)}
    prepare(files, **{"source.splits": NONE})
    assert len(paths()) == 3


def test_any_number_of_processes_writes_the_same_bytes(prepare: Prepare) -> None:
    files = small_data_set({"some": 300}) | {"some/REAL/bad.png": b"x"}
    written = []
    for processes in ("1", "2"):
        prepare(files, "--processes", processes)
        written.append({file.name: file.read_bytes() for file in FOLDER.iterdir()})
    assert set(written[0]) == {"images.npy", "labels.npy", "images.csv"}
    assert written[0] == written[1]


def test_the_stage_reads_only_what_it_declares(prepare: Prepare, finished: Path) -> None:
    file = finished / "params.yaml"
    params = yaml.safe_load(file.read_text())
    kept = {key: params[key] for key in ("decode", "external", "preprocess")}
    source = params["source"]
    kept["source"] = {
        key: source[key] for key in ("groups", "labels", "near_copies", "splits", "table")
    }
    bits = source["audit"]["near_duplicate_bits"]
    kept["source"]["audit"] = {"near_duplicate_bits": bits}
    file.write_text(yaml.safe_dump(kept))
    prepare(small_data_set({"some": 1}))
    assert len(paths()) == 2


OTHER = small_data_set({"some": 1})
BAD: dict[str, tuple[dict[str, bytes], dict[str, Any], str]] = {
    "no such set": (OTHER, {"external.other": None}, "params.yaml: external.other: missing"),
    "no block of labels": (
        OTHER,
        {"source.labels": None},
        "params.yaml: source.labels: missing",
    ),
    "a folder for two labels": (
        OTHER,
        {"source.labels.REAL": ["some", "AI"]},
        "params.yaml: source.labels: 'ai' cannot be both REAL and FAKE",
    ),
    "nothing there": (
        OTHER,
        {"external.other": "gone.zip"},
        "external.other: gone.zip: no such file or folder",
    ),
    "all of it learned or unreadable": (
        {"real/1.png": OWN["train/REAL/0000.png"], "real/2.png": b""},
        {},
        "other.zip: no image to use (2 found: 1 unreadable, 0 duplicate, 1 in train or validation)",
    ),
    "no image": ({}, {}, "no image to use (0 found"),
    "no label in a path": (
        OTHER | {"some/x.png": flat(1)},
        {},
        "external.other: other.zip: some/x.png: no folder of its path names a label; source.labels",
    ),
    "split folders for some": (
        OTHER | {"test/real/x.png": flat(1)},
        {},
        "no folder of its path names a split, as one of test/real/x.png does",
    ),
}


def refusal(root: Path, prepare: Prepare, files: dict[str, bytes], changes: dict[str, Any]) -> str:
    """Run the stage on what is wrong; return what it says on its way out."""
    prepare(OTHER)
    before = {file: file.read_bytes() for file in FOLDER.iterdir()}
    with pytest.raises(SystemExit) as stop:
        run(lambda: prepare(files, **changes) and None)
    assert {file: file.read_bytes() for file in FOLDER.iterdir()} == before
    assert not list(root.rglob(".tmp-*"))
    message = str(stop.value.code)
    assert message.startswith("error: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_one_sentence_and_loses_nothing(
    finished: Path, prepare: Prepare, what: str
) -> None:
    files, changes, message = BAD[what]
    assert message in refusal(finished, prepare, files, changes)


def test_without_a_manifest_the_stage_to_run_is_named(prepare: Prepare) -> None:
    MANIFEST.unlink()
    with pytest.raises(InputError, match=re.escape("run `dvc repro source`")):
        prepare(OTHER)
