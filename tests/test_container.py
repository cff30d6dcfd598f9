"""The container is what continuous integration builds, and holds nothing that Git ignores."""

import json
import re
from pathlib import Path

import yaml

from tests.helpers import REPOSITORY, tracked

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()


def test_it_has_the_python_and_the_packages_of_continuous_integration() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/test.yaml").read_text())
    versions = {
        step["with"]["python-version"]
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if "python-version" in step.get("with", {})
    }
    assert set(re.findall(r"^FROM python:([\d.]+)-", DOCKERFILE, re.MULTILINE)) == versions
    installed = re.search(r"--no-install-recommends \\\n +(.+) \\", DOCKERFILE)
    of_ci = re.findall(r"packages\+=\((.+?)\)", (REPOSITORY / ".ci/run").read_text())
    assert installed and {*" ".join(of_ci).split(), "git", "make"} == set(installed[1].split())


def test_what_git_ignores_stays_outside_and_so_do_pictures_of_ones_own() -> None:
    ignored = {line.lstrip("/") for line in lines(".gitignore")}
    outside = {line.removeprefix("**/").lstrip("/") for line in lines(".dockerignore")}
    assert "data/*" in outside
    assert {line for line in ignored if not re.match("!?/?data/[^/]+/?$", line)} <= outside
    readmitted = [line for line in lines(".dockerignore") if line.startswith("!/")]
    back = {line.removeprefix("!/").rstrip("/") for line in readmitted}
    assert {"/".join(Path(name).parts[:2]) for name in tracked("data")} == back


def lines(name: str) -> list[str]:
    found = (REPOSITORY / name).read_text().splitlines()
    return [line for line in found if line and not line.startswith("#")]


def test_an_editor_in_it_has_the_extensions_of_the_folder() -> None:
    container = json.loads((REPOSITORY / ".devcontainer/devcontainer.json").read_text())
    folder = json.loads((REPOSITORY / ".vscode/extensions.json").read_text())
    assert container["customizations"]["vscode"]["extensions"] == folder["recommendations"]
    assert (REPOSITORY / ".devcontainer" / container["build"]["dockerfile"]).resolve().is_file()
