"""Licence and version are the same wherever they stand, and whoever must be named is named."""

import re
import tomllib

import pandas as pd
import yaml

from stages.card.contents import LICENCE
from tests.helpers import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def test_there_is_one_licence() -> None:
    assert (REPOSITORY / "LICENSE").read_text().split()[:4] == [
        "Apache",
        "License",
        "Version",
        "2.0,",
    ]
    assert PROJECT["license"] == "Apache-2.0"
    assert yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["license"] == "Apache-2.0"
    assert LICENCE == "apache-2.0"


def test_the_latest_changes_are_those_of_the_version() -> None:
    versions = re.findall(r"^## (.+)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == PROJECT["version"]


def test_authors_of_photographs_that_ask_for_it_are_named() -> None:
    photos = pd.read_csv(REPOSITORY / "data/demo/photos.csv", keep_default_na=False)
    asked = photos[photos["licence"].str.startswith("CC-BY")]
    lines = (REPOSITORY / "NOTICE").read_text().splitlines()
    named = {tuple(re.split(r" {2,}", line.strip())) for line in lines if line.startswith("    ")}
    named.remove(("title", "author", "licence"))
    licences = asked["licence"].str.replace("CC-BY-", "CC BY ")
    assert named == set(zip(asked["title"], asked["author"], licences, strict=True))
