"""The tool that lets pages of plots do without a network, by itself; test_browser.py shows them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import REPOSITORY, Project
from tools.offline_plots import page

pytestmark = pytest.mark.slow


@pytest.fixture
def empty_project(tmp_path: Path) -> Project:
    """A DVC project without stages, plots or Git."""
    project = Project(tmp_path)
    project.run("dvc", "init", "--no-scm", "--quiet")
    return project


def make(project: Project) -> subprocess.CompletedProcess[str]:
    """Run the tool in `project`."""
    command = [sys.executable, "-m", "tools.offline_plots"]
    return project.run(*command, check=False, env={"PYTHONPATH": str(REPOSITORY)})


def option(project: Project) -> str:
    """Return DVC's option for the template of its pages."""
    return project.run("dvc", "config", "plots.html_template", check=False).stdout.strip()


def test_a_second_run_writes_the_same_bytes(empty_project: Project) -> None:
    written = []
    for _ in range(2):
        assert make(empty_project).returncode == 0
        written.append((empty_project.root / ".dvc/tmp/plots.html").read_bytes())
    assert written[0] == written[1]
    assert option(empty_project) == "tmp/plots.html"


def test_only_this_clone_is_told(empty_project: Project) -> None:
    before = (empty_project.root / ".dvc/config").read_bytes()
    make(empty_project)
    assert (empty_project.root / ".dvc/config").read_bytes() == before
    assert (empty_project.root / ".dvc/config.local").exists()


def test_a_template_that_was_set_before_stays(empty_project: Project) -> None:
    empty_project.run("dvc", "config", "plots.html_template", "mine.html")
    result = make(empty_project)
    assert result.returncode == 0
    assert result.stdout == "plots.html_template stays what it is: mine.html\n"
    assert option(empty_project) == "mine.html"


def test_dvc_finds_the_places_it_fills_once() -> None:
    template = page()
    assert template.count("{plot_divs}") == template.count("{refresh_tag}") == 1
    assert "{scripts}" not in template


def test_outside_a_project_is_said(tmp_path: Path) -> None:
    result = make(Project(tmp_path))
    assert result.returncode == 1
    assert result.stderr == (
        f"error: {tmp_path}: expected a DVC project, found no folder .dvc here\n"
    )


def test_an_option_that_cannot_be_set_is_said(empty_project: Project) -> None:
    (empty_project.root / ".dvc/config.local").mkdir()
    result = make(empty_project)
    assert result.returncode == 1
    assert result.stderr.startswith("error: plots.html_template: cannot be set: ")
    assert result.stderr.count("\n") == 1
