"""docs/your-data.md: your own images, their audit, another data set, CIFAKE."""

import io
import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt

from tests.guides.guide import Guide
from tests.helpers import (
    REPOSITORY,
    Project,
    edit_params,
    flat,
    small_data_set,
    stages_run,
    write_zip,
)
from tests.stages.images.test_table import labels, listed

URL = "https://github.com/ttrinh2306/ai_image_classification_cifar.git"
REVISION = "427c752af8edc5f1c44ab3d3bf5c027bec1b8cff"


@pytest.fixture
def project(project: Project) -> Project:
    """The finished project with one variant, as all of it runs again for other images."""
    edit_params(project.root, {"variants.base": None, "compare.baseline": "sgd"})
    return project


def images() -> dict[str, bytes]:
    """Return images in folders as the guide names them, without splits."""
    folders = {"REAL": "holiday/photos", "FAKE": "holiday/ai"}
    files = {}
    for name, data in small_data_set({"all": 30}, seed=3).items():
        _, label, file = name.split("/")
        files[f"{folders[label]}/{file}"] = data
    return files


def up_to_preprocess(path: str) -> dict[str, str]:
    """Return what ends a run with the data set `path` once its images are read.

    What follows is that of any data set, as below "From a folder to an answer".
    """
    return {f"source.path={path}": f"source.path={path} preprocess"}


def lay_out(root: Path) -> None:
    """Write `images` to files below `root`."""
    for name, data in images().items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


@pytest.mark.slow
def test_from_a_folder_to_an_answer(project: Project) -> None:
    """What follows is in the README, and in the test of docs/your-own.md."""
    lay_out(project.root)
    proposed, applied = Guide("your-data.md").follow("From a folder to an answer", project)
    command = "python -m tools.start data/holiday.zip --apply"
    assert command in proposed and command not in applied
    assert yaml.safe_load((project.root / "params.yaml").read_text())["source"]["path"] == (
        "data/holiday.zip"
    )


@pytest.mark.slow
def test_your_own_images_take_the_place_of_the_others(project: Project) -> None:
    lay_out(project.root)
    names = {"near_duplicates=error": "near_duplicates=error source"}
    guide = Guide("your-data.md", names | up_to_preprocess("data/holiday.zip"))
    guide.follow("Use your own images", project)
    used = json.loads((project.root / "reports/data.json").read_text())["used"]
    assert used["test"] == {"REAL": 6, "FAKE": 6}, "a fifth of each label"
    assert sum(sum(labels.values()) for labels in used.values()) == 60
    assert project.inputs("preprocess") >= {"data/holiday.zip"}
    guide.follow("Read what is wrong with a data set", project)


@pytest.mark.slow
def test_slices_are_measured_and_some_are_held_out(project: Project) -> None:
    slices = {"REAL": ("real/landscapes", "real/portraits")}
    slices["FAKE"] = ("ai_generated/midjourney", "ai_generated/sdxl")
    for name, data in small_data_set({"all": 40}, seed=3).items():
        _, label, file = name.split("/")
        path = project.root / "pictures" / slices[label][int(file[:4]) % 4 > 0] / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (printed,) = Guide("your-data.md").follow(
        "See which images are hard, and hold some out", project
    )
    assert "  held out  " in printed
    used = json.loads((project.root / "reports/data.json").read_text())["used"]
    assert used["held_out"] == {"REAL": 10, "FAKE": 10}
    manifest = pd.read_csv(project.root / "data/manifest.csv")
    learned = manifest.loc[manifest["split"] != "held_out", "slice"]
    assert set(learned) == {"portraits", "sdxl"}
    metrics = json.loads((project.root / "metrics/sgd.json").read_text())
    assert (metrics["held_out_images"], metrics["held_out_observations"]) == (20, 20)
    page = (project.root / "reports/comparison.md").read_text()
    assert "| variant | accuracy | held out | verdict |" in page
    assert "| `landscapes`, held out | REAL | 10 | 10 |" in page
    assert "`midjourney`, held out" in (project.root / "models/sgd.md").read_text()
    assert (project.root / "reports/figures/slices-01.svg").exists()
    assert "By slice" in (project.root / "reports/index.html").read_text()


@pytest.mark.slow
def test_images_from_a_server_need_it_once(project: Project, tmp_path: Path) -> None:
    """A server of HTTP stands for the bucket; tests/guides/test_remotes.py has a real one of S3."""
    (tmp_path / "bucket").mkdir()
    write_zip(tmp_path / "bucket/photos.zip", images())
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "bucket")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        names = {"s3://bucket": f"http://127.0.0.1:{server.server_port}"}
        names |= up_to_preprocess("data/photos.zip")
        Guide("your-data.md", names).follow("Use images from a bucket", project)
        server.shutdown()
    assert "data/photos.zip" in project.inputs("source")
    project.run("dvc", "exp", "run", "--set-param", "source.seed=2", "preprocess")
    assert project.repro("preprocess") == []


@pytest.mark.slow
def test_models_are_tried_on_other_images_and_the_set_is_dropped(project: Project) -> None:
    write_zip(project.root / "data/holiday.zip", images())
    project.run("python", "-m", "tools.clear", "--apply")  # what base has left
    added, dropped = Guide("your-data.md").follow("Try the models on other images", project)
    pages = {"configure", "card@sgd", "compare", "report"}
    assert set(stages_run(added)) == {"external@holiday", "evaluate_external@sgd-holiday", *pages}
    assert set(stages_run(dropped)) == pages
    assert "holiday" not in (project.root / "reports/comparison.md").read_text()
    assert "holiday.zip" not in (project.root / "models/sgd.md").read_text()
    assert not list((project.root / "metrics").rglob("holiday.json"))
    assert project.repro() == []


@pytest.mark.slow
def test_the_studys_archive_is_fetched_and_used(project: Project, tmp_path: Path) -> None:
    """Its repository is a local one here, by Git's own means, and its images are few."""
    study = Project(tmp_path / "study")
    study.root.mkdir()
    (study.root / "input").mkdir()
    write_zip(study.root / "input/images.zip", small_data_set({"train": 8, "test": 8}, seed=4))
    study.init()
    study.commit()
    here = study.run("git", "rev-parse", "HEAD").stdout.strip()
    (tmp_path / ".gitconfig").write_text(
        f'[url "{study.root}"]\n\tinsteadOf = {URL}\n[user]\n\tname = a\n\temail = a@b.c\n'
    )
    names = {REVISION: here} | up_to_preprocess("data/cifake-800.zip")
    Guide("your-data.md", names).follow("Use CIFAKE", project, env={"HOME": str(tmp_path)})
    assert "data/cifake-800.zip" in project.inputs("source")
    assert (project.root / "data/cifake-800.zip").read_bytes() == (
        study.root / "input/images.zip"
    ).read_bytes()


def test_the_revision_is_the_studys() -> None:
    (block,) = Guide("your-data.md").commands["Use CIFAKE"]
    assert f"dvc get --rev {REVISION} {URL} input/images.zip -o data/cifake-800.zip" in block


def table(number: int) -> dict[str, object]:
    """Return `source.table` of the guide's example `number`, as it stands there."""
    page = MarkdownIt().parse((REPOSITORY / "docs/your-data.md").read_text(encoding="utf-8"))
    blocks = [yaml.safe_load(token.content) for token in page if token.info == "yaml"]
    return [block["source"]["table"] for block in blocks if "source" in block][number]


def test_the_tables_of_the_guide_are_read(tmp_path: Path) -> None:
    files = {f"competition/images/000{n}.jpg": flat(n) for n in (1, 2)}
    files["competition/train.csv"] = b"id,target\n0001,0\n0002,1\n"
    path = write_zip(tmp_path / "competition.zip", files)
    assert labels(path, table(0)) == {
        "competition/images/0001.jpg": "REAL",
        "competition/images/0002.jpg": "FAKE",
    }
    files = {f"{split}/000{n}.png": flat(n) for split in ("train", "test") for n in (1, 2)}
    rows = b'{"file_name": "0001.png", "model": "sdxl", "person": 17}\n'
    rows += b'{"file_name": "0002.png", "model": "camera", "person": 18}\n'
    files |= {"train/metadata.jsonl": rows, "test/metadata.jsonl": rows}
    images = listed(write_zip(tmp_path / "faces.zip", files), table(1)).images
    assert images["label"].tolist() == ["FAKE", "REAL"] * 2
    assert images["group"].tolist() == ["17", "18"] * 2
    assert images["split"].tolist() == ["train", "train", "test", "test"]


def test_the_parquet_files_of_the_guide_are_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = {"image": [flat(1), flat(2)], "generator": ["none", "flux"], "person": [1, 2]}
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(rows), buffer)
    (tmp_path / "faces/data").mkdir(parents=True)
    for name in ("test-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"):
        (tmp_path / f"faces/data/{name}.parquet").write_bytes(buffer.getvalue())
    images = listed(tmp_path / "faces", table(2)).images
    assert images["label"].tolist() == ["REAL", "FAKE"] * 3
    assert images["split"].tolist() == ["test"] * 2 + ["train"] * 4
    assert images["group"].tolist() == ["1", "2"] * 3
