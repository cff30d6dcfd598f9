"""The data set in the repository is what its card says, and holds no short cut."""

import csv
import hashlib
import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from dvc.repo import Repo
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.helpers import REPOSITORY
from tests.stages.source.test_images import images, organised, used

ARCHIVE = REPOSITORY / "data/demo.zip"
RECIPE = REPOSITORY / "data/demo"


def is_image(name: str) -> bool:
    return name.endswith(".jpg")


@pytest.fixture(scope="module")
def photos() -> pd.DataFrame:
    return pd.read_csv(RECIPE / "photos.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def origins() -> dict[str, str]:
    with (RECIPE / "provenance.csv").open(newline="", encoding="utf-8") as file:
        return {row["path"]: row["origin"] for row in csv.DictReader(file)}


def test_it_is_the_default_and_what_the_recipe_made() -> None:
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    assert params["source"]["path"] == "data/demo.zip"
    lock = yaml.safe_load((RECIPE / "dvc.lock").read_text())
    made = {out["path"]: out["md5"] for out in lock["stages"]["pack"]["outs"]}
    digest = hashlib.md5(ARCHIVE.read_bytes()).hexdigest()
    assert digest == made["demo.zip"]
    assert digest in (RECIPE / "README.md").read_text()
    assert 2_000_000 <= ARCHIVE.stat().st_size <= 4_000_000


def test_it_has_the_size_and_layout_of_the_studys_images() -> None:
    source = images(ARCHIVE)
    found = source.read().images
    assert used(organised(source, found)) == {"train": 800, "validation": 735, "test": 1000}
    balance = found.groupby(["split", "label"]).size()
    assert balance.to_dict() == {
        ("train", "REAL"): 400,
        ("train", "FAKE"): 400,
        ("validation", "REAL"): 368,
        ("validation", "FAKE"): 367,
        ("test", "REAL"): 500,
        ("test", "FAKE"): 500,
    }
    assert set(found["width"]) == set(found["height"]) == {32}
    assert found["sha256"].is_unique


def test_a_photograph_and_its_look_alikes_are_in_one_split(
    photos: pd.DataFrame, origins: dict[str, str]
) -> None:
    assert len(photos) >= 60
    assert photos["sha256"].is_unique
    assert (photos.groupby("scene")["split"].nunique() == 1).all()
    split_of = dict(zip(photos["id"], photos["split"], strict=True))
    real = {path: origin for path, origin in origins.items() if "/REAL/" in path}
    assert all(split_of[origin] == path.split("/")[0] for path, origin in real.items())
    assert set(real.values()) == set(photos["id"])


def test_every_fake_image_has_a_generator_and_test_has_its_own(origins: dict[str, str]) -> None:
    with zipfile.ZipFile(ARCHIVE) as archive:
        assert {*origins, "groups.csv"} == set(archive.namelist())
        rows = {
            row["path"]: row
            for row in csv.DictReader(io.StringIO(archive.read("groups.csv").decode()))
        }
    assert {path: row["group"] or row["slice"] for path, row in rows.items()} == origins
    assert all(bool(row["group"]) == ("/REAL/" in path) for path, row in rows.items())
    fake = Counter((path.split("/")[0], o) for path, o in origins.items() if "/FAKE/" in path)
    assert fake == {
        ("train", "generator a"): 400,
        ("validation", "generator a"): 367,
        ("test", "generator b"): 500,
    }


def test_every_photograph_is_open_and_credited(photos: pd.DataFrame) -> None:
    credits = (RECIPE / "ATTRIBUTION.md").read_text()
    for photo in photos.itertuples():
        assert re.fullmatch(r"public domain|CC0-1\.0|CC-BY-\d\.0", str(photo.licence)), photo.id
        row = next(line for line in credits.splitlines() if line.startswith(f"| {photo.id} |"))
        assert str(photo.author) in row
        assert str(photo.source) in row
        assert str(photo.licence) in row
        assert str(photo.evidence), photo.id


def test_both_classes_are_saved_alike() -> None:
    settings = set()
    with zipfile.ZipFile(ARCHIVE) as archive:
        for name in filter(is_image, archive.namelist()):
            with Image.open(io.BytesIO(archive.read(name))) as image:
                tables = json.dumps(image.quantization)  # type: ignore[attr-defined]
                settings.add((image.format, image.mode, image.size, tables, *sorted(image.info)))
    assert len(settings) == 1


@pytest.fixture(scope="module")
def splits() -> dict[str, tuple[np.ndarray, ...]]:
    """Return pixels ([N, 32, 32, 3], 0..255), labels and file sizes by split."""
    rows: dict[str, list[tuple[np.ndarray, int, int]]] = {"train": [], "test": []}
    with zipfile.ZipFile(ARCHIVE) as archive:
        for name in filter(is_image, archive.namelist()):
            split, label, _ = name.split("/")
            if split in rows:
                data = archive.read(name)
                pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)
                rows[split].append((pixels, int(label == "FAKE"), len(data)))
    return {
        split: (
            np.stack([r[0] for r in of]),
            np.array([r[1] for r in of]),
            np.array([r[2] for r in of]),
        )
        for split, of in rows.items()
    }


@pytest.mark.parametrize("short_cut", ["colour_histogram", "file_size", "mean_and_variance"])
def test_no_short_cut_tells_them_apart(short_cut: str, splits: dict) -> None:
    def features(pixels: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        if short_cut == "file_size":
            return sizes[:, None]
        if short_cut == "mean_and_variance":
            return np.concatenate([pixels.mean(axis=(1, 2)), pixels.var(axis=(1, 2))], axis=1)
        bins = np.linspace(0, 256, 17)
        return np.array(
            [
                np.concatenate([np.histogram(image[..., c], bins)[0] for c in range(3)])
                for image in pixels
            ]
        )

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    train, test = splits["train"], splits["test"]
    model.fit(features(train[0], train[2]), train[1])
    assert model.score(features(test[0], test[2]), test[1]) < 0.70


def test_the_card_cites_its_report() -> None:
    card = (RECIPE / "README.md").read_text()
    report = json.loads((RECIPE / "report.json").read_text())
    for name, scores in report["short_cuts"].items():
        row = f"| {name.replace('_', ' ')} | {scores['validation']:.3f} | {scores['test']:.3f} |"
        assert row in card
    for name, scores in report["networks"].items():
        assert f"| {scores['validation']:.3f} | {scores['test']:.3f} |" in card, name
    for label, splits_of in report["distance_to_nearest_training_view"].items():
        if label == "views":
            assert f"{splits_of:,} training views" in card
            continue
        for split, numbers in splits_of.items():
            figures = " | ".join(f"{value:.1f}" for value in numbers.values())
            assert f"| {label}, {split} | {figures} |" in card
    assert "say nothing about CIFAKE" in card
    for picture in ("contact_sheet.png", "nearest.png"):
        assert f"]({picture})" in card
        assert (RECIPE / picture).exists()


def test_the_recipe_is_no_part_of_the_pipeline() -> None:
    stages = {stage.path_in_repo for stage in Repo(str(REPOSITORY)).index.stages}
    assert not [path for path in stages if Path(path).parts[:2] == ("data", "demo")]


def test_authors_of_photographs_that_ask_for_it_are_named() -> None:
    photos = pd.read_csv(REPOSITORY / "data/demo/photos.csv", keep_default_na=False)
    asked = photos[photos["licence"].str.startswith("CC-BY")]
    lines = (REPOSITORY / "NOTICE").read_text().splitlines()
    named = {tuple(re.split(r" {2,}", line.strip())) for line in lines if line.startswith("    ")}
    named.remove(("title", "author", "licence"))
    licences = asked["licence"].str.replace("CC-BY-", "CC BY ")
    assert named == set(zip(asked["title"], asked["author"], licences, strict=True))
