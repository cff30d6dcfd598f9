"""docs/shared-machine.md, followed with links of each kind, and by two people at once."""

import hashlib
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest
import yaml

from tests.guides.guide import Guide
from tests.helpers import Project, edit_params, stages_run

pytestmark = pytest.mark.slow

Result = TypeVar("Result")


class State(NamedTuple):
    """What tells that a file was opened for writing, even if the same bytes were written."""

    inode: int
    modified: int


def objects(cache: Path) -> dict[str, State]:
    """Return every object in `cache` by its hash, which must be that of its content."""
    states = {}
    for path in (cache / "files/md5").rglob("*"):
        if path.is_file():
            name = path.parent.name + path.name
            assert hashlib.md5(path.read_bytes()).hexdigest() == name.removesuffix(".dir")
            states[name] = State(path.stat().st_ino, path.stat().st_mtime_ns)
    return states


def results(project: Project) -> list[Path]:
    """Return every file of the workspace that DVC, not Git, keeps for the pipeline."""
    outs = [project.root / path for path in project.outputs()]
    files = [file for out in outs for file in (out.rglob("*") if out.is_dir() else [out])]
    in_git = {project.root / name for name in project.run("git", "ls-files").stdout.split()}
    return [file for file in files if file.is_file() and file not in in_git]


def kinds(files: list[Path]) -> set[tuple[str, int]]:
    """Return in which ways `files` are connected with the cache, and their modes."""
    return {
        (
            "symlink"
            if file.is_symlink()
            else ("hardlink" if file.stat().st_nlink > 1 else "no link"),
            stat.S_IMODE(file.stat().st_mode),
        )
        for file in files
    }


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """What is made is writable to its owner only."""
    before = os.umask(0o022)
    yield
    os.umask(before)


COPIES = {("no link", 0o644)}


@pytest.fixture
def another_disk() -> Iterator[Path]:
    """A folder in memory, which no hard link from elsewhere reaches."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm here to stand for another disk")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


CHANGES = {
    "train.learning_rate": 0.002,
    "source.audit.short_cuts": "off",
    "preprocess.resample": "box",
    "compare.baseline": "sgd",
}
"""Values by which every stage that can has something else to write than before."""

STAGES = ["configure", "source", "preprocess", "perturb", "train", "evaluate"]
STAGES += ["card", "compare", "report"]


KILLER = """
import os, signal, sys

def kill(event, arguments):
    if event == "os.rename" and " ".join(map(str, arguments[:2])) == os.environ["KILLED_BEFORE"]:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
"""


def test_hard_links_take_the_place_of_copies_and_copies_theirs(
    project: Project, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    guide = _cache_elsewhere(project, cache)
    guide.follow("Links instead of copies", project)
    assert kinds(results(project)) == {("hardlink", 0o444)}

    guide.follow("Back to copies", project)
    assert kinds(results(project)) == COPIES
    assert project.repro() == []


def test_no_stage_writes_into_the_cache_through_a_symbolic_link(
    project: Project, another_disk: Path
) -> None:
    cache = another_disk / "cache"
    guide = _cache_elsewhere(project, cache)
    guide.follow("Links instead of copies", project)
    assert kinds(results(project)) == {("symlink", 0o444)}
    _the_run_cache_came_along(project)
    _through_no_link(project, cache)
    assert kinds(results(project)) == {("symlink", 0o444)}

    guide.follow("Edit a linked file", project)
    assert kinds([project.root / "models/base.h5"]) == COPIES


def _cache_elsewhere(project: Project, cache: Path) -> Guide:
    guide = Guide("shared-machine.md", {"/srv/dvc-cache": str(cache)})
    assert kinds(results(project)) == COPIES
    known = objects(project.root / ".dvc/cache")
    guide.follow("A cache on another disk", project)
    assert set(objects(cache)) == set(known)
    assert not (project.root / ".dvc/cache").exists()
    assert project.repro() == []
    return guide


def _the_run_cache_came_along(project: Project) -> None:
    (project.root / "models/sgd.h5").unlink()
    lock = yaml.safe_load((project.root / "dvc.lock").read_text())
    del lock["stages"]["train@sgd"]
    (project.root / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    assert project.repro("train@sgd") == []
    assert "train@sgd" in project.lock()


def _through_no_link(project: Project, cache: Path) -> None:
    """Run every stage over linked results: none may write to an object, not even the same bytes.

    DVC removes or copies links before it runs a stage. Here nothing stands between them.
    """
    lock, before = project.lock(), objects(cache)
    edit_params(project.root, CHANGES)
    for name in sorted(lock, key=lambda name: STAGES.index(name.split("@")[0])):
        if not name.endswith("@sgd"):  # the same code as @base
            project.run(*shlex.split(lock[name]["cmd"]))
    assert objects(cache) == before
    written = [file for file in results(project) if "sgd" not in str(file)]
    assert kinds(written) == COPIES, "each file was put in place of a link"

    project.run("git", "restore", ".")
    project.run("dvc", "checkout", "--force", "--relink")
    # Killed when the earlier folder, full of links, has stepped aside for the new one.
    hook = cache.parent / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(KILLER)
    for stage, place in {"source": "data/audit", "compare": "reports/figures"}.items():
        folder = Path(place)
        moment = f"{folder.parent}/.tmp-{folder.name} {folder}"
        environment = {"PYTHONPATH": str(hook), "KILLED_BEFORE": moment}
        command = shlex.split(lock[stage]["cmd"])
        assert project.run(*command, check=False, env=environment).returncode == -signal.SIGKILL
        assert not (project.root / folder).exists()
        assert project.repro() == [stage]
        assert objects(cache) == before
    assert project.lock() == lock


GROUP = 64000
"""No group and no user of the machine need have these numbers."""


class Person(Project):
    """Somebody with a clone and a home of their own, who belongs to the group."""

    def __init__(self, home: Path, user: int, umask: str, means: list[str]):
        super().__init__(home / "project")
        self.home, self.user = home, user
        self.command = [*means, "sh", "-c", f'umask {umask}; exec "$@"', "sh"]

    def run(
        self, *command: str, check: bool = True, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` as this person."""
        own = {"HOME": str(self.home), "USER": self.home.name, "LOGNAME": self.home.name}
        return super().run(*self.command, *command, check=check, env={**own, **(env or {})})


@pytest.fixture
def people(project: Project) -> Iterator[tuple[Person, Person]]:
    """Two users of the machine, each with a clone of the project, whose results are at a remote."""
    # Not in pytest's folder, which is for one user only.
    with tempfile.TemporaryDirectory() as folder:
        machine = Path(folder)
        machine.chmod(0o755)
        project.run("dvc", "remote", "add", "--default", "team", str(machine / "remote"))
        project.commit("share")
        project.run("dvc", "push")
        ada = Person(machine / "ada", 64001, "022", _becoming(64001))
        ben = Person(machine / "ben", 64002, "077", _becoming(64002))
        for person in (ada, ben):
            person.home.mkdir()
            project.clone_to(person.root)
            subprocess.run(
                ["chown", "-R", f"{person.user}:{person.user}", str(person.home)], check=True
            )
        yield ada, ben


def _becoming(user: int) -> list[str]:
    """Return a command that runs another one as `user`, or skip the test."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can run commands as two other users, with setpriv")
    plain = ["setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={GROUP}"]
    # Python may lie where only root can read. To read more helps nobody to write.
    reads_all = [
        *plain,
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
    ]
    for command in (plain, reads_all):
        # Through a shell: only a program that setpriv did not start itself has lost root's rights.
        python = [*command, "sh", "-c", '"$0" -c ""', sys.executable]
        result = subprocess.run(python, check=False, cwd="/", capture_output=True)
        if result.returncode == 0:
            return command
    pytest.skip("no other user than root can run Python here")


def at_once(act: Callable[[Person], Result], people: tuple[Person, Person]) -> list[Result]:
    """Return what `act` returns for each of `people`, who act at the same time."""
    with ThreadPoolExecutor() as threads:
        return list(threads.map(act, people))


def patiently(person: Person, *command: str) -> str:
    """Return what `command` prints; try again where the other one was putting the same file."""
    first = person.run(*command, check=False)
    if first.returncode == 0:
        return first.stdout
    assert re.search("Permission denied: .*/files/md5/", first.stderr), first.stderr
    return first.stdout + person.run(*command).stdout


def ran(person: Person) -> set[str]:
    """Return the stages that run for `person` until sgd is measured."""
    return set(stages_run(patiently(person, "dvc", "repro", "evaluate@sgd")))


def test_two_people_work_at_once_with_one_cache(people: tuple[Person, Person]) -> None:
    ada, ben = people
    cache = ada.home.parent / "cache"
    guide = Guide("shared-machine.md", {"/srv/dvc-cache": str(cache), "vision": str(GROUP)})
    guide.follow("One cache for a group", Project(ada.home.parent))
    at_once(lambda person: guide.follow("Join it", person), people)
    at_once(lambda person: patiently(person, "dvc", "pull"), people)
    assert at_once(lambda person: person.repro(), people) == [[], []]

    for person, rate in ((ada, 0.02), (ben, 0.005)):
        edit_params(person.root, {"variants.sgd.learning_rate": rate})
    everything = {"configure", "train@sgd", "evaluate@sgd"}
    assert at_once(ran, people) == [everything, everything]
    trained = [person.outputs() for person in people]
    assert trained[0]["models/sgd.h5"] != trained[1]["models/sgd.h5"]
    assert {file.stat().st_uid for file in cache.rglob("*")} >= {ada.user, ben.user}

    # Each takes the other's value, and nobody trains.
    for person, rate in ((ada, 0.005), (ben, 0.02)):
        edit_params(person.root, {"variants.sgd.learning_rate": rate})
    assert at_once(ran, people) == [{"configure"}, {"configure"}]
    assert [ada.outputs(), ben.outputs()] == [trained[1], trained[0]]
    for person in people:
        assert ran(person) == set()
        assert kinds(results(person)) == {("symlink", 0o444)}
        refused = person.run("sh", "-c", "echo more >> models/sgd.h5", check=False)
        assert "Permission denied" in refused.stderr
    objects(cache)

    folders = [path for path in [cache, *cache.rglob("*")] if path.is_dir()]
    assert {(path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) for path in folders} == {
        (GROUP, 0o2775)
    }
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o444 for path in files} == {0o444}

    would = ada.run("dvc", "gc", "--workspace", "--force", "--dry").stdout
    other = ben.outputs()["models/sgd.h5"]
    assert f"{other[:2]}/{other[2:]}" in would
