"""What a worker of a cluster does, in a scratch clone of the commit that it is sent.

A worker needs Git, an environment with the requirements, and the right to use DVC's remote, but no
clone of its own: these functions are sent to it along with the work.
"""

import platform
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from distributed import get_worker

from tools.repro.machine import facts, family
from tools.repro.processes import run_dvc
from tools.repro.variants import Outcome


class Commit(NamedTuple):
    """The state of the project that is to be reproduced."""

    bundle: bytes
    """Of Git: HEAD and its history."""
    files: dict[str, bytes]
    """What takes the place of the commit's files, by path."""
    inputs: list[str]
    """The stages whose outputs every variant needs."""


class Introduction(NamedTuple):
    """What a worker is."""

    host: str
    facts: dict[str, str]
    family: str
    problem: str
    """Why it cannot use DVC's remote; empty if it can."""


def introduce(commit: Commit) -> Introduction:
    """Return what this machine is, and whether it can write to the remote that `commit` names."""
    with _clone(commit, Path(get_worker().local_directory)) as folder:
        return Introduction(platform.node(), facts(), family(), _problem_with_remote(folder))


def reproduce(commit: Commit, name: str, stages: list[str], weights: str, topic: str) -> Outcome:
    """Reproduce `stages` of the variant `name`, and push what came of them.

    Args:
        weights: the file with its backbone; empty if it has none.
        topic: under which the client hears what DVC prints.
    """
    worker = get_worker()
    key = worker.get_current_task()

    def show(line: str) -> None:
        worker.log_event(topic, f"{name}: {line}")

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    steps = [["pull", *commit.inputs]]
    if weights:
        path = Path(weights)
        steps.append(["--cd", str(path.parent), "pull", path.name])
    steps += [
        ["repro", "--single-item", "configure"],
        ["repro", "--single-item", "--pull", *stages],
        ["push", "--run-cache", *stages],
    ]
    trained = False
    with _clone(commit, Path(worker.local_directory)) as folder:
        for step in steps:
            status, ran = run_dvc(step, show, folder, is_wanted=is_wanted)
            if status:
                return Outcome(name, True, {})
            trained |= f"train@{name}" in ran
        _push_what_git_keeps(folder, stages)
    return Outcome(name, False, facts() if trained else {})


def _push_what_git_keeps(clone: Path, stages: list[str]) -> None:
    """Push the metrics of `stages`: `dvc push` passes over them, and the run cache needs them."""
    from dvc.repo import Repo

    with Repo(str(clone)) as repo:
        ran = [stage for stage in repo.index.stages if getattr(stage, "name", None) in stages]
        outs = [out for stage in ran for out in stage.outs if not out.use_cache]
        repo.cloud.push([out.hash_info for out in outs])


@contextmanager
def _clone(commit: Commit, scratch: Path) -> Iterator[Path]:
    """Yield a clone of `commit`, whose cache is that of all clones in `scratch`."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        bundle, clone = Path(folder) / "commit.bundle", Path(folder) / "project"
        bundle.write_bytes(commit.bundle)
        subprocess.run(
            ["git", "clone", "--quiet", str(bundle), str(clone)], check=True, capture_output=True
        )
        for path, content in commit.files.items():
            (clone / path).write_bytes(content)
        (clone / ".dvc/config.local").write_text(f"[cache]\n    dir = {scratch / 'dvc-cache'}\n")
        yield clone


def _problem_with_remote(clone: Path) -> str:
    """Return why a file cannot be written to the remote of `clone` and removed; empty if it can."""
    from dvc.repo import Repo

    try:
        with Repo(str(clone)) as repo:
            remote = repo.cloud.get_remote()
            probe = remote.fs.join(remote.path, f"probe-{uuid.uuid4()}")
            remote.fs.makedirs(remote.path, exist_ok=True)
            remote.fs.pipe_file(probe, b"")
            remote.fs.remove(probe)
    except Exception as error:  # of whatever library the remote needs
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""
