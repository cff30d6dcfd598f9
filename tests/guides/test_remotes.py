"""docs/remotes.md: what one has computed, nobody computes again, whatever the remote is."""

import hashlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stages.common.params import read_yaml
from tests.guides import servers
from tests.guides.guide import Guide
from tests.helpers import Project, edit_params, stages_run

pytestmark = pytest.mark.slow
SGD = ["train@sgd", "evaluate@sgd", "card@sgd"]
OBJECT = re.compile(r"files/md5/[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?|runs/[0-9a-f]{2}/.*[0-9a-f]{64}")
UP_TO_DATE = "Data and pipelines are up to date."


@dataclass
class Team:
    """Ada, who has reproduced and named a remote, the folder behind it, and the guide for it."""

    ada: Project
    storage: Path
    guide: Guide

    def clone(self, name: str) -> Project:
        """Return a new clone of what is in Git for everybody."""
        origin = Project(self.ada.root.parent / "origin.git")
        return origin.clone_to(self.ada.root.parent / name)


def hash_of(file: Path) -> str:
    """Return the MD5 of `file`, by which DVC names it."""
    return hashlib.md5(file.read_bytes()).hexdigest()


def object_name(md5: str) -> str:
    """Return where a cache or a remote has the object of hash `md5`."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def objects(folder: Path) -> set[str]:
    """Return the names of all objects and remembered runs in the cache or remote `folder`."""
    names = (str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    return {name for name in names if OBJECT.fullmatch(name)}


def damaged_objects(folder: Path) -> list[str]:
    """Return the names of the objects in `folder` that are not what their names say."""
    names = [name for name in objects(folder) if name.startswith("files")]
    return [n for n in names if object_name(hash_of(folder / n)) != n.removesuffix(".dir")]


def damage(file: Path) -> None:
    """Change a byte of `file`, which keeps its size and rights."""
    rights = file.stat().st_mode
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    file.write_bytes(content)
    file.chmod(rights)


@contextmanager
def damaged(team: Team, path: str) -> Iterator[None]:
    """Let the storage's object for Ada's output `path` be damaged in the block."""
    file = team.storage / object_name(team.ada.outputs()[path])
    damage(file)
    yield
    damage(file)  # once more: the byte is what it was


@contextmanager
def background(project: Project, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run `command` in the project, as the leader of a group of processes, beside the block."""
    with subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process


def ada_of(project: Project) -> Project:
    """Return `project` with a repository for everybody beside it."""
    origin = str(project.root.parent / "origin.git")
    project.run("git", "init", "--quiet", "--bare", "--initial-branch", "main", origin)
    project.run("git", "remote", "add", "origin", origin)
    return project


@pytest.fixture
def team_on(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Team]]:
    """A function that has Ada name a remote of one kind as the guide says."""
    ada = ada_of(project)
    with ExitStack() as stack:
        # Not in pytest's folder, which is for one user only.
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        base.chmod(0o755)

        def team(kind: str) -> Team:
            if kind == "folder":
                storage = base / "dvc"
                guide = Guide("remotes.md", {"/srv/dvc": str(storage)})
                guide.follow("A folder that all can reach", ada)
            elif kind == "SSH":
                storage = base / "server/dvc"
                stack.enter_context(servers.ssh(storage, base / "home"))
                monkeypatch.setenv("HOME", str(base / "home"))
                guide = Guide("remotes.md", {"/srv/dvc": str(storage)})
                guide.follow("A machine that is reached by SSH", ada)
            else:
                storage = base / "buckets/our-team/photographs"
                storage.parent.mkdir(parents=True)
                url = stack.enter_context(servers.s3(base / "buckets"))
                for name, value in servers.SECRETS.items():
                    monkeypatch.setenv(name, value)
                names = {"https://s3.example.org": url, "/srv/dvc": str(storage)}
                guide = Guide("remotes.md", names)
                guide.follow("A store that speaks S3", ada)
            guide.follow("Whichever it is", ada)
            return Team(ada, storage, guide)

        yield team


@pytest.mark.parametrize("kind", ["SSH", "S3"])
def test_what_one_has_given_others_take(team_on: Callable[[str], Team], kind: str) -> None:
    """Also if a push is cut off, if two push at once, or if an object is damaged."""
    team = team_on(kind)
    _give(team)
    _take(team, team.clone("bob"), kind)


def test_what_one_has_computed_nobody_computes_again(team_on: Callable[[str], Team]) -> None:
    """What DVC makes of runs and experiments is the same on every kind of remote."""
    team = team_on("folder")
    ada, guide = team.ada, team.guide
    _give(team)
    bob = team.clone("bob")
    _tells_and_fetches_only_what_it_needs(team, bob)
    bob.run("git", "restore", ".")
    _take(team, bob, "folder")

    (changed,) = guide.follow("Change one model", bob)
    assert "Stage 'train@sgd' is cached - skipping run" in changed, "by the commands before"
    assert set(stages_run(changed)) == {"configure", "card@sgd", "compare", "report"}
    guide.follow("Give one experiment away", bob)

    *_, applied = guide.follow("Take a colleague's experiment", ada)
    assert "faster" in applied
    assert stages_run(applied) == []
    assert hash_of(ada.root / "models/sgd.h5") == bob.outputs()["models/sgd.h5"]
    assert ada.lock() == bob.lock()

    # The branch is there for whoever takes it, with the run that led to it.
    eve = team.clone("eve")
    eve.run("git", "switch", "--quiet", "faster")
    (taken,) = guide.follow("Take everything", eve)
    assert stages_run(taken) == []
    eve.run("git", "switch", "--quiet", "main")
    edit_params(eve.root, {"variants.sgd.learning_rate": 0.02})
    assert eve.repro("train@sgd") == ["configure"]
    assert eve.outputs()["models/sgd.h5"] == bob.outputs()["models/sgd.h5"]


def _give(team: Team) -> None:
    _cut_off(team)
    team.guide.follow("Give everything away", team.ada)


def _take(team: Team, bob: Project, kind: str) -> None:
    (taken,) = team.guide.follow("Take everything", bob)
    assert stages_run(taken) == []
    assert UP_TO_DATE in taken
    for path in ("models/base.h5", "models/sgd.h5"):
        assert hash_of(bob.root / path) == team.ada.outputs()[path]
    _at_once(team, bob)
    _damaged(team, kind)


def _tells_and_fetches_only_what_it_needs(team: Team, bob: Project) -> None:
    """In a clone without data."""
    assert UP_TO_DATE in team.guide.follow("Is dvc.lock current?", bob)[0]
    edit_params(bob.root, {"variants.sgd.learning_rate": 0.02})
    assert stages_run(bob.run("dvc", "repro", "--dry", "--allow-missing", check=False).stdout)

    (measured,) = team.guide.follow("Fetch only what a change needs", bob)
    assert stages_run(measured) == ["configure", *SGD]
    assert "sgd.json" in bob.run("dvc", "metrics", "diff").stdout
    fetched = objects(bob.root / ".dvc/cache")
    made = bob.outputs()
    outputs = {path for path, md5 in made.items() if object_name(md5) in fetched}
    images = {f"data/processed/{split}" for split in ("train", "validation", "test", "held_out")}
    images |= {"data/perturbed", "data/processed/findings.json", "data/processed/short_cuts.json"}
    others = {"data/manifest.csv"}
    assert outputs == images | others | {
        path for path in made if "sgd" in path and not path.endswith(".md")
    }

    *_, compared = team.guide.follow("Fetch what the comparison needs", bob)
    assert {"compare", "report"} <= set(stages_run(compared))
    assert bob.repro() == []


def _cut_off(team: Team) -> None:
    """Kill a push as soon as the first file has arrived, then run it again.

    Not at the list of a folder: one that is cut off to nothing stops every later push, until it is
    taken away by hand.
    """

    def has_arrived(name: str) -> bool:
        return name.startswith("files") and not name.endswith(".dir")

    with background(team.ada, "dvc", "push", "--run-cache", "--jobs", "1") as push:
        while not any(map(has_arrived, objects(team.storage))):
            assert push.poll() is None, "pushed before it could be killed"
        os.killpg(push.pid, signal.SIGKILL)
    sent = {
        name: (team.storage / name).stat().st_ino
        for name in objects(team.storage)
        if name.startswith("files")  # the short records of runs are sent each time
    }
    team.guide.follow("A push was cut off", team.ada)
    assert set(sent) < objects(team.storage)
    assert {name: (team.storage / name).stat().st_ino for name in sent} == sent, "not sent twice"


def _at_once(team: Team, bob: Project) -> None:
    """Let both push at once, each something that the other has not, and something they share."""
    both = {"ada": team.ada, "bob": bob}
    for name, clone in both.items():
        (clone.root / "notes").mkdir()
        (clone.root / "notes/same.txt").write_text("the same\n")
        (clone.root / "notes/own.txt").write_text(f"of {name}\n")
        clone.run("dvc", "add", "notes")
    with (
        background(team.ada, "dvc", "push", "notes") as first,
        background(bob, "dvc", "push", "notes") as second,
    ):
        assert first.wait() == 0
        assert second.wait() == 0
    for clone in both.values():
        folder = read_yaml(clone.root / "notes.dvc")["outs"][0]["md5"]
        files = [hash_of(clone.root / "notes" / name) for name in ("own.txt", "same.txt")]
        assert set(map(object_name, [folder, *files])) < objects(team.storage)
        clone.run("git", "restore", ".gitignore")
        clone.run("git", "clean", "--quiet", "--force", "-d", "notes", "notes.dvc")
    assert damaged_objects(team.storage) == []


def _damaged(team: Team, kind: str) -> None:
    md5 = team.ada.outputs()["models/sgd.h5"]
    clone = team.clone("cy")
    with damaged(team, "models/sgd.h5"):
        pulled = clone.run("dvc", "pull", check=False)
        assert pulled.returncode == 1
        assert "Checkout failed for following targets:\nmodels/sgd.h5\n" in pulled.stderr
        assert not (clone.root / "models/sgd.h5").exists()
        assert object_name(md5) not in objects(clone.root / ".dvc/cache")
        fetched = clone.run("dvc", "fetch", "--verbose", check=False)
        corrupted = clone.root / ".dvc/cache" / object_name(md5)
        assert f"corrupted cache file '{corrupted}'" in fetched.stdout + fetched.stderr
    if kind != "S3":  # whose server would not know of a file that was removed from its folder
        damage(team.storage / object_name(md5))
        team.guide.follow("Something in the remote is damaged", team.ada)
        clone.run("dvc", "pull")
        assert hash_of(clone.root / "models/sgd.h5") == md5


def test_a_web_server_serves_what_a_folder_holds(
    team_on: Callable[[str], Team], tmp_path: Path
) -> None:
    team = team_on("folder")
    ada = team.ada
    team.guide.follow("Give everything away", ada)
    bob = team.clone("bob")
    with servers.https(team.storage, tmp_path / "authority.pem") as url:
        authority = "/etc/ssl/certs/our-authority.pem"
        names = {"https://data.example.org/dvc": url, authority: str(tmp_path / "authority.pem")}
        guide = Guide("remotes.md", names)
        guide.follow("A web server, to read only", bob)
        pull = ["dvc", "pull", "--remote", "public", "--run-cache"]
        bob.run("dvc", "config", "--local", "remote.public.ssl_verify", "true")
        refused = bob.run(*pull, check=False)
        assert refused.returncode == 1  # a server that nobody vouches for
        assert not (bob.root / "models/sgd.h5").exists()

        bob.run("dvc", "config", "--local", "--unset", "remote.public.ssl_verify")
        with damaged(team, "models/sgd.h5"):
            pulled = bob.run(*pull, check=False)
            assert pulled.returncode == 1
            assert "Checkout failed for following targets:\nmodels/sgd.h5\n" in pulled.stderr
        assert not (bob.root / ".dvc/cache/runs").exists()
        guide.follow("Take from a web server", bob)
        assert bob.repro() == []
        assert hash_of(bob.root / "models/sgd.h5") == ada.outputs()["models/sgd.h5"]

        (bob.root / "note.txt").write_text("a note\n")
        bob.run("dvc", "add", "note.txt")
        push = bob.run("dvc", "push", "--remote", "public", "note.txt", check=False)
        assert push.returncode == 1
        assert "Method Not Allowed" in push.stderr
