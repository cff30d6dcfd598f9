"""source: labels, splits and groups from a table go all the way into the manifest."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.common.arrays import PROCESSED, load_folder
from stages.common.command import InputError
from stages.common.manifest import MANIFEST, read_used
from stages.report.data_page import Shown, data_page
from stages.source.schema import SourceParams
from tests.helpers import REPOSITORY, default_block, edit_params, flat, run_stage, write_zip

TABLE = {"file": "train.csv", "path": "id", "label": "target", "REAL": [0], "FAKE": [1]}


def kaggle(scenes: int) -> dict[str, bytes]:
    """Return `scenes` scenes with two photographs and one generated image each, and a table."""
    rows, files = ["id,target,scene"], dict[str, bytes]()
    for scene in range(scenes):
        for target in (0, 0, 1):
            name = f"{len(files):03}"
            files[f"images/{name}.png"] = flat(len(files))
            rows.append(f"{name},{target},{scene:03}")
    return files | {"train.csv": "\n".join(rows).encode()}


def written(root: Path, path: Path, **changes: Any) -> pd.DataFrame:
    """Run the stage; return the images that it uses."""
    (root / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    changes = {f"source.{name}": value for name, value in changes.items()}
    edit_params(root, {"source.path": path.name, **changes})
    run_stage("source")
    return read_used(root / MANIFEST)


def test_images_of_a_tables_group_stay_in_one_split(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", kaggle(20))
    table = TABLE | {"group": "scene"}
    together = written(workspace, path, table=table)
    assert together.groupby("group")["split"].nunique().tolist() == [1] * 20
    assert together["group"].isin([f"{scene:03}" for scene in range(20)]).all(), "as text"
    assert together.groupby("split").size().to_dict() == {"train": 36, "validation": 12, "test": 12}
    assert together.groupby("label").size().to_dict() == {"REAL": 40, "FAKE": 20}
    report = json.loads(Path("reports/data.json").read_text())
    assert report["shared_groups"] == []
    assert report["passed_over"] == {"litter": 0, "images in no row": 0, "other files": 1}
    apart = written(workspace, path, table=TABLE)
    assert set(apart["group"]) == {""}


def test_groups_that_a_table_puts_into_two_splits_are_a_finding(workspace: Path) -> None:
    files = kaggle(20)
    lines = files["train.csv"].decode().split("\n")
    # Images 27 to 29 are of scene 9, 42 to 44 of scene 14.
    parts = ["part", *["Train"] * 29, *["val"] * 15, *["test"] * 16]
    rows = [f"{line},{part}" for line, part in zip(lines, parts, strict=True)]
    path = write_zip(workspace / "data.zip", files | {"train.csv": "\n".join(rows).encode()})
    used = written(workspace, path, table=TABLE | {"group": "scene", "split": "part"})
    assert used.groupby("split").size().to_dict() == {"train": 29, "validation": 15, "test": 16}
    report = json.loads(Path("reports/data.json").read_text())
    assert report["shared_groups"] == ["009", "014"]


def test_images_are_counted_by_a_tables_slice(workspace: Path) -> None:
    rows = ["id,target,scene,part,made by"]
    files, made = {}, ("a camera", "sdxl", "flux | 2")
    for number in range(30):
        files[f"images/{number:03}.png"] = flat(number)
        target = int(number % 3 > 0)
        part = "train" if number < 24 else "test"
        rows.append(f"{number:03},{target},{number},{part},{made[number % 3]}")
    path = write_zip(workspace / "data.zip", files | {"train.csv": "\n".join(rows).encode()})
    written(workspace, path, table=TABLE | {"split": "part", "slice": "made by"})
    found = pd.read_csv("data/audit/slices.csv").set_index(["slice", "label"])
    assert found.index.tolist() == [("a camera", "REAL"), ("flux | 2", "FAKE"), ("sdxl", "FAKE")]
    assert found["test"].tolist() == [2, 2, 2], "the last six of thirty"
    assert (found["train"] + found["validation"]).tolist() == [8, 8, 8]
    shown = Shown.read(Path("data/audit"))
    page = data_page("data.zip", json.loads(Path("reports/data.json").read_text()), shown, {})
    assert "| slice | label | train | validation | test |" in page
    assert r"| `flux \| 2` | FAKE |" in page


def test_without_slices_there_is_nothing_to_count(workspace: Path) -> None:
    written(workspace, write_zip(workspace / "data.zip", kaggle(20)), table=TABLE)
    assert pd.read_csv("data/audit/slices.csv").empty
    shown = Shown.read(Path("data/audit"))
    page = data_page("data.zip", json.loads(Path("reports/data.json").read_text()), shown, {})
    assert "## Slices" not in page


def test_a_row_whose_image_is_damaged_is_named_by_its_file(workspace: Path) -> None:
    path = write_zip(workspace / "data.zip", kaggle(20) | {"images/007.png": b"x"})
    with pytest.raises(InputError, match=r"^data.zip: images/007.png: unreadable: "):
        written(workspace, path, table=TABLE)


def test_parquet_shards_go_all_the_way(workspace: Path) -> None:
    pytest.importorskip("pyarrow")
    from tests.stages.images.test_read_parquet import image, shard

    values = iter(range(256))
    for part, rows in (("train-00000-of-00002", 20), ("train-00001-of-00002", 20), ("test", 8)):
        shard(
            workspace / f"set/data/{part}.parquet",
            [image(flat(next(values))) for _ in range(rows)],
            ["FAKE", "REAL"],
            rows=3,
            label=[number % 2 for number in range(rows)],
        )
    used = written(workspace, workspace / "set")
    assert used.groupby(["split", "label"]).size().to_dict() == {
        ("test", "FAKE"): 4,
        ("test", "REAL"): 4,
        ("train", "FAKE"): 16,
        ("train", "REAL"): 16,
        ("validation", "FAKE"): 4,
        ("validation", "REAL"): 4,
    }
    run_stage("preprocess")
    images, labels, _ = load_folder(PROCESSED / "test", "preprocess")
    table = used[used["split"] == "test"]
    assert labels.tolist() == [["REAL", "FAKE"].index(label) for label in table["label"]]
    # Image n of the test shard has the grey value 40 + n.
    assert images[:, 0, 0, 0].tolist() == [40 + int(Path(p).stem) for p in table["path"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"table": TABLE | {"group": "scene"}, "group_pattern": "x"},
            "group_pattern and table.group both say what belongs together",
        ),
        (
            {"table": TABLE | {"split": "part"}, "splits": None},
            "table.split needs the names in splits, found null",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        default_block("source", SourceParams, **changes)
    assert str(error.value) == f"source: {message}"
