"""docs/your-own.md: the repository as a template for 60 pictures of one's own, and the README."""

import re

import pandas as pd
import pytest

from tests.guides.guide import Guide
from tests.helpers import (
    REPOSITORY,
    TWO_VARIANTS,
    Project,
    copy_files,
    edit_params,
    link_environment,
    small_data_set,
    tracked,
)

GUIDE = Guide("your-own.md")
AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "a"), ("EMAIL", "a@example.com"))
}
"""For Git in a repository that the guide makes, which has no user of its own."""


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").split()) <= 900


def test_what_the_readme_does_with_pictures_is_what_is_tried_here() -> None:
    blocks = Guide("../README.md").commands["Compare your own pictures"]
    activate, *commands = "".join(blocks).splitlines()
    assert activate == ". .venv/bin/activate"
    assert set(commands) <= {line.partition("  #")[0].rstrip() for line in ten_lines()}


def ten_lines() -> list[str]:
    (block,) = GUIDE.commands["In ten lines"]
    return block.splitlines()


@pytest.mark.slow
def test_a_clone_becomes_a_project_of_ones_own_pictures(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    assert len(ten_lines()) == 10
    project = Project(tmp_path_factory.mktemp("own") / "clone")
    copy_files(tracked(), project.root)
    edit_params(project.root, TWO_VARIANTS)
    project.init()
    project.commit("the template")
    link_environment(project.root)
    for name, data in small_data_set({"all": 30}, seed=3).items():
        _, label, file = name.split("/")
        picture = project.root / "data/pictures" / label.lower() / file
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(data)

    (printed,) = GUIDE.follow("In ten lines", project, env=AUTHOR)
    assert "REAL       30 images" in printed
    assert set(re.findall(r"> python -m stages.train (\S+)", printed)) == {"base", "sgd"}
    assert printed.endswith("Data and pipelines are up to date.\n")
    assert len(pd.read_csv(project.root / "data/manifest.csv")) == 60
    page = (project.root / "reports/index.html").read_text(encoding="utf-8")
    assert "data/pictures" in page and "demo" not in page
    assert project.run("git", "status", "--porcelain").stdout == ""
    assert project.run("git", "log", "--format=%s").stdout == "Start from our pictures\n"
    kept = project.run("git", "ls-files").stdout.splitlines()
    assert "data/pictures.dvc" in kept
    assert not [name for name in kept if "demo" in name or name.startswith("data/pictures/")]
    assert {path.stem for path in (project.root / "metrics").glob("*.json")} == {"base", "sgd"}
