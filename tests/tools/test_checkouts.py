"""What the tools say in checkouts of all kinds: of another user, without Git, in a larger one."""

import importlib
import shutil
from pathlib import Path

import pytest

from stages.common.command import InputError
from tests.helpers import REPOSITORY, Project, edit_params

pytestmark = pytest.mark.slow

MAINS = {
    "lock": "tools.lock",
    "gate": "tools.gate",
    "review": "tools.review.__main__",
    "verify": "tools.verify",
    "repro": "tools.repro.__main__",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of one stage, whose result is not here, and whose dvc.lock is half there."""
    project = Project(tmp_path_factory.mktemp("small"))
    (project.root / "dvc.yaml").write_text("stages: {one: {cmd: echo 1 > one, outs: [one]}}\n")
    shutil.copy2(REPOSITORY / "params.yaml", project.root / "params.yaml")
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.run("dvc", "init", "--quiet")
    project.configure()
    project.repro()
    project.commit("start")
    (project.root / "one").unlink()
    return project


@pytest.fixture
def half_a_lock(small: Project, tmp_path: Path) -> Project:
    """The same, as a killed DVC left it."""
    project = small.copy_to(tmp_path / "project")
    lock = project.root / "dvc.lock"
    lock.write_text(lock.read_text()[:-5])
    return project


def refused(project: Project, tool: str, **environment: str) -> str:
    """Return the one line that `tool` says where it cannot do its work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        patch.setattr("sys.argv", [tool])
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(InputError) as error:
            importlib.import_module(MAINS[tool]).main()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("tool", MAINS)
def test_in_another_users_repository_gits_own_remedy_is_shown(
    small: Project, half_a_lock: Project, tool: str
) -> None:
    project = half_a_lock if tool == "repro" else small
    said = refused(project, tool, GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert "detected dubious ownership in repository" in said
    assert said.endswith(f"git config --global --add safe.directory {project.root}")
    if tool == "repro":
        assert (project.root / "dvc.lock").exists()


@pytest.mark.parametrize("tool", MAINS)
def test_without_git_it_is_named(
    small: Project, half_a_lock: Project, tmp_path: Path, tool: str
) -> None:
    project = half_a_lock if tool == "repro" else small
    assert refused(project, tool, PATH=str(tmp_path)) == "git: not found in PATH; install Git"


def test_without_dvc_it_is_named(small: Project, tmp_path: Path) -> None:
    """The others run the DVC of their own Python."""
    shutil.copytree(small.root, tmp_path / "project", symlinks=True)
    project = Project(tmp_path / "project")
    for name in ("configs/base.yaml", "models/base.h5"):
        (project.root / name).parent.mkdir()
        (project.root / name).touch()
    (project.root / "dvc.lock").write_text(LOCK_OF_AN_EMPTY_MODEL)
    project.commit()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(str(shutil.which("git")))
    said = refused(project, "verify", PATH=str(tmp_path / "bin"))
    assert said == "dvc: not found in PATH; activate the environment: `. .venv/bin/activate`"


LOCK_OF_AN_EMPTY_MODEL = """\
schema: '2.0'
stages:
  train@base:
    cmd: python -m stages.train base
    outs:
    - path: models/base.h5
      md5: d41d8cd98f00b204e9800998ecf8427e
"""


@pytest.mark.parametrize("tool", ["gate", "verify"])
def test_half_a_lock_is_one_line_that_says_what_to_do(half_a_lock: Project, tool: str) -> None:
    said = refused(half_a_lock, tool)
    assert said.startswith("dvc.lock: cannot be read; `git restore --source=HEAD dvc.lock` ")


@pytest.fixture
def branch(faster_project: Project, tmp_path: Path) -> Project:
    """A branch with another learning rate, reproduced; only the cache has its data."""
    project = faster_project.copy_to(tmp_path / "branch")
    local = project.root / ".dvc/config.local"
    local.write_text(local.read_text() + f"['remote \"shared\"']\n    url = {tmp_path}/nowhere\n")
    return project


def is_reviewed(project: Project) -> None:
    """Check that all that is known of main is found."""
    text = project.run("python", "-m", "tools.review").stdout
    assert text.startswith("# Review against main\n")
    assert "Unchanged: base." in text
    assert "dvc.lock matches the code." in text
    assert "| `variants.sgd.learning_rate` | `0.01` | `0.5` |" in text
    assert "Neither DVC's cache nor its remote" not in text
    assert project.run("python", "-m", "tools.lock").stdout == "dvc.lock matches the code.\n"
    edit_params(project.root, {"gate": {"accuracy": "beyond_interval"}})
    gate = project.run("python", "-m", "tools.gate", check=False).stdout
    assert " of 2 checks" in gate
    assert "Neither DVC's cache nor its remote" not in gate


def test_a_worktree_and_a_detached_head_are_as_good_as_a_clone(
    branch: Project, tmp_path: Path
) -> None:
    branch.run("git", "worktree", "add", "--quiet", "--detach", str(tmp_path / "worktree"))
    worktree = Project(tmp_path / "worktree")
    shutil.copy2(branch.root / ".dvc/config.local", worktree.root / ".dvc")
    worktree.run("dvc", "config", "--local", "cache.dir", str(branch.root / ".dvc/cache"))
    worktree.run("dvc", "checkout")
    is_reviewed(worktree)


def test_a_folder_of_a_larger_repository_is_as_good_as_its_root(
    branch: Project, tmp_path: Path
) -> None:
    project = branch.copy_to(tmp_path / "larger/some/the project")
    shutil.rmtree(project.root / ".git")
    larger = Project(tmp_path / "larger")
    larger.init()
    of_branch = ("git", f"--git-dir={branch.root}/.git", "--work-tree=.", "checkout", "--quiet")
    project.run(*of_branch, "main", "--", ".")
    project.run("git", "add", "--force", "data/small.zip")
    larger.commit("start")
    project.run("git", "checkout", "--quiet", "-b", "faster")
    project.run(*of_branch, "faster", "--", ".")
    larger.commit("faster")
    is_reviewed(project)
    assert "base: identical" in project.run("python", "-m", "tools.verify", "base").stdout


def test_line_ends_are_those_of_git_whatever_the_clone_asks_for(
    finished_project: Project, tmp_path: Path
) -> None:
    clone = Project(tmp_path / "clone")
    command = ("git", "clone", "--quiet", "--config", "core.autocrlf=true")
    finished_project.run(*command, str(finished_project.root), str(clone.root))
    clone.configure()
    assert clone.run("python", "-m", "tools.lock").stdout == "dvc.lock matches the code.\n"
    clone.run("dvc", "config", "--local", "cache.dir", str(finished_project.root / ".dvc/cache"))
    clone.run("dvc", "checkout")
    assert clone.run("dvc", "status").stdout == "Data and pipelines are up to date.\n"
    assert clone.run("git", "status", "--porcelain").stdout == ""
