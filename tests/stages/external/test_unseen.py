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
from tests.helpers import REPOSITORY, edit_params, flat, png, run_stage, small_data_set, write_zip
from tests.stages.images.test_archive import BAD as BAD_ARCHIVES
from tests.stages.source.test_images import manifest_of

Prepare = Callable[..., Split]

OWN = small_data_set({"train": 3, "validation": 2, "test": 2}, seed=1)


@pytest.fixture
def finished(workspace: Path) -> Path:
    """A folder in which source has run, on `OWN`."""
    write_zip(workspace / "own.zip", OWN)
    (workspace / "data").mkdir()
    manifest_of(workspace / "own.zip").to_csv(MANIFEST, index=False)
    (workspace / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    edit_params(workspace, {"source.path": "own.zip", "external.path": "own.zip"})
    return workspace


@pytest.fixture
def prepare(finished: Path) -> Prepare:
    """Runs the stage on files as another data set; returns the arrays that it wrote."""

    def prepare(files: dict[str, bytes], *arguments: str, **changes: Any) -> Split:
        write_zip(finished / "other.zip", files)
        edit_params(finished, {"external.path": "other.zip", **changes})
        run_stage("external", *arguments)
        return load_folder(EXTERNAL, "external")

    return prepare


def paths() -> list[str]:
    return pd.read_csv(EXTERNAL / "images.csv")["path"].tolist()


def test_arrays_are_the_images_in_the_order_of_label_and_path(prepare: Prepare) -> None:
    red, grey = png(np.full((4, 4, 3), (255, 0, 0), np.uint8)), png(np.full((32, 32, 3), 7, "u1"))
    files = {"b/real/2.png": flat(2), "b/fake/9.png": red, "a/real/x.png": grey}
    images, labels = prepare(files, **{"preprocess.image_size": [16, 8]})
    table = pd.read_csv(EXTERNAL / "images.csv")
    assert table.to_dict("list") == {
        "path": ["b/fake/9.png", "a/real/x.png", "b/real/2.png"],
        "label": ["FAKE", "REAL", "REAL"],
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
        "external: 3 REAL, 2 FAKE; left out: 0 unreadable, 0 duplicate, 2 in train or validation\n"
    )


def test_what_the_project_does_not_use_was_not_learned(prepare: Prepare) -> None:
    manifest = pd.read_csv(MANIFEST)
    first = manifest["path"] == "train/REAL/0000.png"
    manifest.loc[first, "status"] = "not sampled"
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


@pytest.mark.parametrize("path", ["own.zip", "./own.zip"])
def test_the_projects_own_data_set_means_none(
    prepare: Prepare, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    images, labels = prepare({}, **{"external.path": path, "preprocess.image_size": [16, 8]})
    assert images.shape == (0, 16, 8, 3)
    assert labels.shape == (0,)
    assert images.dtype == labels.dtype == np.uint8
    assert (EXTERNAL / "images.csv").read_text() == "path,label\n"
    assert capsys.readouterr().out.startswith("external: no other data set")


def test_any_number_of_processes_writes_the_same_bytes(prepare: Prepare) -> None:
    files = small_data_set({"some": 300}) | {"some/REAL/bad.png": b"x"}
    written = []
    for processes in ("1", "2"):
        prepare(files, "--processes", processes)
        written.append({file.name: file.read_bytes() for file in EXTERNAL.iterdir()})
    assert set(written[0]) == {"images.npy", "labels.npy", "images.csv"}
    assert written[0] == written[1]


def test_the_stage_reads_only_what_it_declares(prepare: Prepare, finished: Path) -> None:
    file = finished / "params.yaml"
    params = yaml.safe_load(file.read_text())
    kept = {key: params[key] for key in ("decode", "external", "preprocess")}
    kept["source"] = {key: params["source"][key] for key in ("labels", "path")}
    file.write_text(yaml.safe_dump(kept))
    prepare(small_data_set({"some": 1}))
    assert len(paths()) == 2


OTHER = small_data_set({"some": 1})
BAD: dict[str, tuple[dict[str, bytes], dict[str, Any], str]] = {
    "no path": (OTHER, {"external.path": None}, "params.yaml: external.path: missing"),
    "a path that is no text": (
        OTHER,
        {"external.path": 5},
        "params.yaml: external.path: must be a valid string, found 5",
    ),
    "an empty path": (
        OTHER,
        {"external.path": ""},
        "params.yaml: external.path: String should have at least 1 character, found ''",
    ),
    "an unknown key": (
        OTHER,
        {"external.paht": "x"},
        "params.yaml: external.paht: unknown key; did you mean 'path'?",
    ),
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
        {"external.path": "gone.zip"},
        "external.path: gone.zip: no such file or folder; "
        "`external.path: own.zip`, as source.path, means none",
    ),
    "one label": (
        {"real/1.png": flat(1)},
        {},
        "external.path: other.zip: no FAKE image to use (0 found: 0 unreadable, 0 duplicate, "
        "0 in train or validation); images of both labels are needed, in split 'test' where "
        "folders name splits",
    ),
    "no test split": (
        small_data_set({"train": 2}),
        {},
        "external.path: other.zip: no REAL image to use (0 found",
    ),
    "a label that was learned or is unreadable": (
        {"real/1.png": OWN["train/REAL/0000.png"], "real/2.png": b"", "fake/1.png": flat(1)},
        {},
        "no REAL image to use (2 found: 1 unreadable, 0 duplicate, 1 in train or validation)",
    ),
    "no image": ({}, {}, "no REAL image to use (0 found"),
    "no label in a path": (
        OTHER | {"some/x.png": flat(1)},
        {},
        "external.path: other.zip: some/x.png: no folder of its path names a label; source.labels",
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
    before = {file: file.read_bytes() for file in EXTERNAL.iterdir()}
    with pytest.raises(SystemExit) as stop:
        run(lambda: prepare(files, **changes) and None)
    assert {file: file.read_bytes() for file in EXTERNAL.iterdir()} == before
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


@pytest.mark.parametrize("what", BAD_ARCHIVES)
def test_wrong_archives_are_one_sentence_and_lose_nothing(
    finished: Path, prepare: Prepare, tmp_path_factory: pytest.TempPathFactory, what: str
) -> None:
    make, message = BAD_ARCHIVES[what]
    path = str(make(tmp_path_factory.mktemp("bad")))
    assert message in refusal(finished, prepare, OTHER, {"external.path": path})


def test_without_a_manifest_the_stage_to_run_is_named(prepare: Prepare) -> None:
    MANIFEST.unlink()
    with pytest.raises(InputError, match=re.escape("run `dvc repro source`")):
        prepare(OTHER)
