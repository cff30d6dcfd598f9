"""Fixtures that the tests share."""

from pathlib import Path

import pytest

from tests.helpers import CIFAKE, TWO_VARIANTS, Project, new_project, small_data_set


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two variants, reproduced and committed. Do not change it: copy it."""
    files = small_data_set({"train": 40, "validation": 10, "test": 20})
    # One training image is also in test, so that the promise about the test split can fail.
    files["train/REAL/copy.png"] = files["test/REAL/0000.png"]
    project = new_project(tmp_path_factory.mktemp("finished") / "project", files, TWO_VARIANTS)
    project.repro()
    project.commit("reproduce")
    return project


@pytest.fixture
def project(finished_project: Project, tmp_path: Path) -> Project:
    """A copy of the finished project, to change."""
    return finished_project.copy_to(tmp_path / "project")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def cifake_800() -> Path:
    """The study's 2,535 images; tests that need them are skipped where they are not at hand."""
    path = CIFAKE / "cifake-800.zip"
    if not path.exists():
        pytest.skip("data/cifake-800.zip is not here; the README says how to get it")
    return path
