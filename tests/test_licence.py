"""Licence and version are the same wherever they stand."""

import re
import tomllib

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
    assert yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["version"] == versions[0]
