"""docs/ask.md: answers for people and programs, and the pictures that explain them."""

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.guides.guide import Guide
from tests.helpers import Project

pytestmark = pytest.mark.slow

GUIDE = Guide("ask.md")


@pytest.fixture
def asking(project: Project) -> Project:
    """A project in whose folder lie a photograph and an archive of images."""
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(project.root / "photo.jpg")
    with zipfile.ZipFile(project.root / "holiday.zip", "w") as archive:
        for number in range(3):
            Image.fromarray(pixels[number : number + 32, :32]).save(project.root / "one.png")
            archive.write(project.root / "one.png", f"{number}.png")
    return project


def test_in_the_terminal(asking: Project) -> None:
    (printed,) = GUIDE.follow("In the terminal", asking)
    header, *rows = printed.splitlines()
    assert header.split() == ["answer", "p_fake", "why", "size", "views", "image"]
    assert [row.split()[-1] for row in rows] == [
        "photo.jpg", *(f"holiday.zip/{number}.png" for number in range(3))
    ]  # fmt: skip
    assert " 120x90  1 " in rows[0]


def test_for_a_program(asking: Project) -> None:
    (printed,) = GUIDE.follow("For a program", asking)
    (row,) = json.loads(printed)
    assert row["file"] == "-"
    with (asking.root / "answers.csv").open() as file:
        assert [row["variant"] for row in csv.DictReader(file)] == ["base"] * 3
    text = (asking.root / "docs/ask.md").read_text()
    assert ", ".join(f"`{column}`" for column in row) in " ".join(text.split())


def test_why(asking: Project) -> None:
    GUIDE.follow("See why", asking)
    (picture,) = (asking.root / Path("why")).iterdir()
    assert Image.open(picture).height >= 256
