"""docs/editor.md: what hooks refuse, and that DVC's extension gets all it asks for."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.guides.guide import Guide
from tests.helpers import REPOSITORY, Project

GUIDE = Guide("editor.md")


def git(project: Project, *arguments: str, check: bool = True) -> tuple[int, str]:
    """Return the exit status of Git and all that it and its hooks said."""
    result = project.run("git", *arguments, check=check)
    return result.returncode, result.stdout + result.stderr


@pytest.mark.slow
def test_hooks_check_commits_and_take_data_along(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit"))
    # The tests are no part of it, and mypy would miss them.
    (project.root / "tests").mkdir()
    (project.root / "tests/test_nothing.py").write_text("")
    project.commit("tests")
    clone = project.clone_to(tmp_path / "clone")
    clone.run("git", "switch", "--quiet", "-c", "topic")
    (clone.root / ".venv").symlink_to(sys.prefix)
    (clone.root / ".git/info/exclude").write_text(".venv\n")
    if (known := REPOSITORY / ".mypy_cache").exists():  # of libraries, by mypy
        shutil.copytree(known, clone.root / ".mypy_cache")

    _, everything = GUIDE.follow("Check what is committed", clone)
    assert "Failed" not in everything
    (clone.root / "stages/train/bad.py").write_text("import os\n\n\nnumber: str = 1\n")
    (clone.root / "bad.yaml").write_text("a: [1\n")
    (clone.root / "large.txt").write_text("line\n" * 200_000)
    workflow = clone.root / ".github/workflows/test.yaml"
    workflow.write_text(workflow.read_text().replace("persist-credentials: false", "clean: true"))
    clone.run("git", "add", "--all")
    status, said = git(clone, "commit", "-m", "bad", check=False)
    assert status == 1
    failed = {line.split("...")[0] for line in said.splitlines() if line.endswith("Failed")}
    assert failed == {
        "ruff check",
        "mypy",
        "YAML can be read",
        "no large files",
        "workflows are safe",
    }
    clone.run("git", "reset", "--quiet", "--hard")
    (clone.root / "notes.md").write_text("Good.\n")
    clone.run("git", "add", "--all")
    clone.run("git", "commit", "--quiet", "-m", "good")

    cache = str(project.root / ".dvc/cache")
    clone.run("dvc", "config", "--local", "cache.dir", cache)
    GUIDE.follow("Let Git take DVC along", clone)  # its last command pushes without a remote
    model = clone.root / "models/base.h5"
    assert not model.exists()
    git(clone, "switch", "-c", "another")
    assert model.read_bytes() == (project.root / "models/base.h5").read_bytes()

    clone.commit("more")
    status, said = git(clone, "push", "origin", "HEAD", check=False)
    assert status == 1
    assert "Create a default remote with\n    dvc remote add -d" in said

    clone.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    clone.commit("share")
    git(clone, "push", "origin", "HEAD")
    fresh = project.clone_to(tmp_path / "fresh")
    fresh.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    fresh.run("dvc", "pull", "models/base.h5")

    (clone.root / "stages/configure/resolve.py").open("a").write("\n\n# another comment\n")
    clone.run("git", "commit", "--all", "--quiet", "-m", "stale")
    status, said = git(clone, "push", "origin", "HEAD", check=False)
    assert status == 1
    assert "stage configure would run" in said


def errors(value: Any, path: str = "") -> Iterator[str]:
    """Yield every error that is anywhere in what DVC printed."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("error", "errors") and inner:
                yield f"{path}: {inner}"
            yield from errors(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from errors(inner, f"{path}/{number}")


@pytest.mark.slow
def test_the_extension_is_given_all_it_asks_for(project: Project) -> None:
    project.commit("nothing")
    project.commit("nothing again")
    change = ("--set-param", "variants.sgd.learning_rate=0.02")
    project.run("dvc", "exp", "run", "--quiet", "--name", "faster", *change)

    printed = GUIDE.follow("Look at experiments in Visual Studio Code", project)
    experiments, plots, data = (json.loads(text) for text in printed)
    assert list(errors(experiments)) == []
    assert list(errors(plots)) == []
    assert list(errors(data)) == []

    workspace, *commits = experiments
    [faster] = commits[0]["experiments"]
    assert len(commits) == 3
    rows = [workspace, *commits, *faster["revs"]]
    for row in rows:
        metrics = row["data"]["metrics"]
        assert set(metrics) == {
            f"metrics/{place}.json"
            for variant in ("base", "sgd")
            for place in (variant, f"robustness/{variant}", f"sets/{variant}/test")
        }
        assert all("data" in metric for metric in metrics.values())
        assert 0 < metrics["metrics/sgd.json"]["data"]["accuracy"] < 1
        params = row["data"]["params"]
        assert set(params) == {"params.yaml", "configs/base.yaml", "configs/sgd.yaml"}
        rate = params["configs/sgd.yaml"]["data"]["learning_rate"]
        assert rate == (0.02 if row in (workspace, *faster["revs"]) else 0.01)
    assert workspace["data"]["params"]["params.yaml"]["data"] == yaml.safe_load(
        (project.root / "params.yaml").read_text()
    )

    declared = yaml.safe_load((project.root / "dvc.yaml").read_text())["plots"]
    charts = {name for plot in declared if isinstance(plot, dict) for name in plot}
    galleries = {f"reports/figures/gallery/{variant}.png" for variant in ("base", "sgd")}
    assert set(plots["data"]) == charts | galleries
    for name in charts:
        [chart] = plots["data"][name]
        assert chart["revisions"] == ["HEAD", "faster"]
        assert chart["content"]["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
        points = chart["anchor_definitions"]["<DVC_METRIC_DATA>"]
        assert {point["rev"] for point in points} == {"HEAD", "faster"}
    for name in galleries:
        images = plots["data"][name]
        assert [image["revisions"] for image in images] == [["HEAD"], ["faster"]]
        assert all(Path(image["url"]).read_bytes().startswith(b"\x89PNG") for image in images)

    assert "not_in_cache" not in data
    assert "models/sgd.h5" in data["committed"]["modified"]
