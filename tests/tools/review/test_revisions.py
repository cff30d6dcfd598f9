"""revisions: which commit the workspace is compared with."""

import re
import shlex
from pathlib import Path

import pytest

from stages.common.command import InputError
from tests.helpers import Project
from tools.review import revisions


@pytest.fixture
def branched(workspace: Path) -> Project:
    """A repository whose main branch went on after `change` left it; `change` is checked out."""
    project = Project(workspace)
    project.init()
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
    for name in ("mian", "--all", "HEAD@{99}", "HEAD:file"):
        with pytest.raises(InputError, match=f"Git knows no revision {re.escape(name)} here"):
            revisions.find(name)


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("--no-single-branch", "HEAD and origin/main have no commit in common"),
        ("--single-branch", "Git knows no revision main or origin/main"),
    ],
)
def test_a_shallow_clone_names_the_command_that_completes_it(
    branched: Project,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    problem: str,
) -> None:
    clone = Project(tmp_path_factory.mktemp("clone") / "clone")
    branched.run(
        "git", "clone", "--quiet", "--depth=1", option, branched.root.as_uri(), str(clone.root)
    )
    monkeypatch.chdir(clone.root)
    with pytest.raises(InputError) as error:
        revisions.find(None)
    assert str(error.value).startswith(f"{problem} in this shallow clone; fetch the rest: `")
    (remedy,) = re.findall("`(.+)`", str(error.value))
    clone.run(*shlex.split(remedy))
    assert revisions.find(None) == ("origin/main", commit(branched, "start"))


def test_a_tag_of_the_same_name_is_not_taken_for_the_main_branch(branched: Project) -> None:
    branched.run("git", "tag", "main", "HEAD")
    assert revisions.find(None) == ("main", commit(branched, "start"))


def test_branches_without_a_common_commit_are_compared_only_by_name(branched: Project) -> None:
    branched.run("git", "checkout", "--quiet", "--orphan", "another")
    branched.commit("start again")
    with pytest.raises(InputError, match="HEAD and main have no commit in common here; name it"):
        revisions.find(None)
    assert revisions.find("main") == ("main", commit(branched, "main"))
