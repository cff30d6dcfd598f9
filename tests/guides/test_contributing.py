"""CONTRIBUTING.md: its map is that of the code, and its commands do what it says."""

import re
from pathlib import Path

import pytest
import yaml

from tests.guides.guide import Guide
from tests.helpers import REPOSITORY, Project

GUIDE = Guide("../CONTRIBUTING.md")
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()


def test_what_an_edit_runs_again_is_what_dvc_yaml_declares() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    runs: dict[str, set[str]] = {}
    for name, stage in stages.items():
        for dep in stage.get("do", stage)["deps"]:
            assert dep != "stages" or name == "configure"
            if dep.startswith("stages/"):
                runs.setdefault(dep, set()).add(name)
    rows = dict(re.findall(r"^\| `(stages/\w+)` \| (.*) \|$", TEXT, re.MULTILINE))
    assert rows.pop("stages/common") == "everything"
    assert runs.pop("stages/common") == set(stages) - {"configure"}, "which runs anyway"
    for folder, cell in rows.items():
        assert set(re.findall(r"`(\w+)`", cell)) == runs.pop(folder)
    (own,) = re.findall(r"^\| a stage's own folder \| that stage; (.*) \|$", TEXT, re.MULTILINE)
    also = {folder: readers for folder, readers in runs.items() if len(readers) > 1}
    said = dict(re.findall(r"`(\w+)` also ((?:`\w+`(?: and )?)+)", own))
    assert {f"stages/{name}": {name, *re.findall(r"\w+", others.replace(" and ", " "))}
            for name, others in said.items()} == also  # fmt: skip


def test_every_file_that_it_names_is_there_and_holds_what_it_names() -> None:
    files = re.findall(r"`((?:stages|tests|docs|tools)/[\w/]+\.\w+)`", TEXT)
    assert len(files) > 10
    for file in files:
        assert (REPOSITORY / file).exists(), file
    for name, file in re.findall(r"`(\w+)`(?: in| of) `(stages/[\w/]+\.py)`", TEXT):
        assert name in (REPOSITORY / file).read_text(), f"{name} in {file}"


@pytest.mark.slow
def test_a_change_that_cannot_change_results(project: Project) -> None:
    code = project.root / "stages/train/batches.py"
    code.write_text(code.read_text() + "\n# said more simply\n")
    before = project.outputs()
    *_, printed = GUIDE.follow("A change that cannot change results", project)
    assert "base: identical" in printed
    assert project.outputs() == before
    assert project.repro() == []
    assert project.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
def test_the_quick_loop(project: Project) -> None:
    """Its tests are those of this repository; a project of a test has none."""
    tests = project.root / "tests/stages/configure"
    tests.mkdir(parents=True)
    (tests / "test_nothing.py").write_text("def test_nothing() -> None:\n    pass\n")
    code: Path = project.root / "stages/train/batches.py"
    code.write_text(code.read_text() + "\n# a comment\n")
    passed, would_run, ran = GUIDE.follow("The quick loop", project)
    assert "1 passed" in passed
    assert "Running stage 'train@base'" in would_run
    assert "train@sgd" in would_run
    assert "Running stage 'train@base'" in ran
    assert "train@sgd" not in ran
