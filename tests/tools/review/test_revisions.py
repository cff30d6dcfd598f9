"""revisions: which commit the workspace is compared with."""

from pathlib import Path

import pytest

from stages.common.command import InputError
from tests.helpers import Project
from tools.review import revisions


@pytest.fixture
def branched(workspace: Path) -> Project:
    """A repository whose main branch went on after `change` left it; `change` is checked out."""
    project = Project(workspace)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.run("git", "config", "user.name", "Test")
    project.run("git", "config", "user.email", "test@example.com")
    project.commit("start")
    project.run("git", "tag", "start")
    project.run("git", "branch", "change")
    project.commit("what others did")
    project.run("git", "checkout", "--quiet", "change")
    project.commit("what is reviewed")
    return project


def commit(project: Project, revision: str) -> str:
    return project.run("git", "rev-parse", revision).stdout.strip()


def test_what_others_did_on_the_main_branch_since_is_no_change_of_this_one(
    branched: Project,
) -> None:
    assert revisions.find(None) == ("main", commit(branched, "start"))


def test_a_revision_that_is_named_is_taken_as_it_is(branched: Project) -> None:
    assert revisions.find("main") == ("main", commit(branched, "main"))
    assert revisions.find("HEAD~1") == ("HEAD~1", commit(branched, "start"))


def test_without_a_local_main_branch_it_is_that_of_the_remote(
    branched: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path_factory.mktemp("clone") / "clone"
    branched.run("git", "clone", "--quiet", str(branched.root), str(clone))
    monkeypatch.chdir(clone)
    assert revisions.find(None) == ("origin/main", commit(branched, "start"))


def test_an_unknown_revision_is_named(branched: Project) -> None:
    with pytest.raises(InputError, match="Git knows no revision mian here"):
        revisions.find("mian")
