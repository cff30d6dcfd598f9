"""Whatever is killed, and wherever the disk is full, the next run gives the same bytes."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import md5
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import psutil
import pytest

from stages.images.parallel import BATCH_BYTES
from tests.helpers import Project, edit_params, new_project, png, write_zip

pytestmark = pytest.mark.slow

Found = TypeVar("Found")

DEADLINE = 60
"""Seconds after which what was waited for counts as never happening."""

PROCESSES = 2
COMMANDS = {
    "source": f"python -m stages.source --processes {PROCESSES}",
    "preprocess": f"python -m stages.preprocess --processes {PROCESSES}",
}
EARLIER = {"source": "data/audit/earlier", "preprocess": "data/processed/train/earlier"}
FIRST_OUTPUT = {"source": "data/manifest.csv", "preprocess": "data/processed/train"}


class Projects(NamedTuple):
    """One project at three times of an undisturbed run. Do not change them: copy them."""

    start: Project
    sourced: Project
    done: Project

    def around(self, stage: str) -> tuple[Project, Project]:
        """Return the project before `stage` and after it."""
        return (self.start, self.sourced) if stage == "source" else (self.sourced, self.done)


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    random = np.random.default_rng(0)
    files = {
        f"{split}/{label}/{number}.png": png(random.integers(0, top, (600, 600, 3), np.uint8))
        for split, count in {"train": 14, "validation": 3, "test": 3}.items()
        for label, top in (("REAL", 200), ("FAKE", 255))
        for number in range(count)
    }
    root = tmp_path_factory.mktemp("interruptions")
    start = new_project(root / "start", {}, {"preprocess.image_size": [128, 128]})
    write_zip(start.root / "data/small.zip", files)  # too large to be worth a commit
    pipeline = start.root / "dvc.yaml"
    several = rf"\g<0> --processes {PROCESSES}"
    pipeline.write_text(
        re.sub("cmd: python -m stages.(source|preprocess).*", several, pipeline.read_text())
    )
    sourced = start.copy_to(root / "sourced")
    sourced.repro("source")
    done = sourced.copy_to(root / "done")
    done.repro("preprocess")
    return Projects(start, sourced, done)


def contents(project: Project) -> dict[str, str]:
    """Return the hash of dvc.lock and of every file of data and reports."""
    files = [path for name in ("data", "reports") for path in (project.root / name).rglob("*")]
    files = [path for path in files if path.is_file() and not DVCS_OWN.fullmatch(path.name)]
    return {
        path.relative_to(project.root).as_posix(): md5(path.read_bytes()).hexdigest()
        for path in [project.root / "dvc.lock", *files]
    }


DVCS_OWN = re.compile(r"\.[\w-]{22}\.tmp")
"""What a killed DVC, not a killed stage, leaves behind."""


class Run:
    """A command that runs in a project, with all the processes that it starts."""

    def __init__(self, process: psutil.Popen):
        self.process = process

    def wait_for(self, find: Callable[[], Found | None]) -> Found:
        """Return the first true result of `find`, which must come before the command ends."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            with suppress(psutil.NoSuchProcess):
                if found := find():
                    return found
            if psutil.wait_procs([self.process], timeout=0.005)[0]:
                pytest.fail(f"ended too early:\n{self.end()}")
        pytest.fail("what was waited for did not happen")

    def stage(self, name: str) -> psutil.Process | None:
        """Return the process of the stage `name`, if it has started."""
        for process in [self.process, *self.process.children(recursive=True)]:
            if process.cmdline()[1:3] == ["-m", f"stages.{name}"]:
                return process
        return None

    def end(self) -> str:
        """Return what was printed, once the command and all that it started have ended."""
        try:
            # Each of them holds the other end of this pipe.
            return self.process.communicate(timeout=DEADLINE)[0]
        except subprocess.TimeoutExpired:
            pytest.fail("a process lives on")


@contextmanager
def running(
    project: Project, command: str, limit: int | None = None, **environment: str
) -> Iterator[Run]:
    """Start `command`, whose files the kernel allows `limit` bytes; end it with the block."""
    scripts = Path(sys.executable).parent
    process = psutil.Popen(
        command.split(),
        cwd=project.root,
        env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))),
    )
    try:
        yield Run(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def workers(stage: psutil.Process) -> list[psutil.Process]:
    servers = [p for p in stage.children() if "multiprocessing.forkserver" in " ".join(p.cmdline())]
    return [worker for server in servers for worker in server.children()]


def decoding(stage: psutil.Process) -> list[psutil.Process]:
    """Return the workers of `stage` once it has had results of them, long before the last one."""
    # It reads no more than so many batches ahead, each a little larger than this.
    ahead = (PROCESSES + 2) * 1.25 * BATCH_BYTES
    read = [file.position for file in stage.open_files() if file.path.endswith("small.zip")]
    return workers(stage) if read and read[0] > ahead else []


MOMENTS = {"workers start": workers, "workers decode": decoding}


@contextmanager
def held(run: Run, name: str, moment: str) -> Iterator[psutil.Process]:
    """Yield the process of the stage `name` at `moment`; meanwhile it cannot come to its end."""
    stage = run.wait_for(partial(run.stage, name))
    at_start = moment == "stage starts"
    stopped = [stage] if at_start else run.wait_for(partial(MOMENTS[moment], stage))
    for process in stopped:
        process.suspend()
    yield stage
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.resume()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_worker_is_one_line_and_loses_nothing(
    projects: Projects, tmp_path: Path, name: str
) -> None:
    project = projects.done.copy_to(tmp_path / "project")
    (project.root / EARLIER[name]).write_text("this run's outputs are not there yet")
    before = contents(project)
    for moment in MOMENTS:
        with running(project, COMMANDS[name]) as run:
            stage = run.wait_for(partial(run.stage, name))
            run.wait_for(partial(MOMENTS[moment], stage))[0].kill()
            printed = run.end()
        assert run.process.returncode == 1
        assert_one_error(printed, "error: a process that decodes images was ended")
        assert contents(project) == before
    project.run(*COMMANDS[name].split())
    assert contents(project) == contents(projects.done)


def assert_one_error(printed: str, start: str) -> None:
    # Python's own forkserver may print where it stood when its processes were killed.
    errors = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, printed
    assert errors[0].startswith(start)
    assert "/stages/" not in printed


@pytest.mark.parametrize(("name", "shell"), [("source", "/bin/sh"), ("preprocess", "/bin/bash")])
def test_a_killed_stage_takes_its_workers_along_and_a_killed_dvc_its_stage(
    projects: Projects, tmp_path: Path, name: str, shell: str
) -> None:
    """And the next run gives the same bytes."""
    before, after = projects.around(name)
    project = before.copy_to(tmp_path / "project")
    with running(project, f"dvc repro {name}") as run:
        with held(run, name, "workers decode") as stage:
            stage.kill()
            psutil.wait_procs([stage], DEADLINE)
        assert "failed to reproduce" in run.end()
    assert not (project.root / FIRST_OUTPUT[name]).exists()
    for moment in ("stage starts", "workers decode"):
        with running(project, f"dvc repro {name}", SHELL=shell) as run:
            with held(run, name, moment) as stage:
                run.process.kill()
                run.process.wait(DEADLINE)
                if moment in MOMENTS:
                    psutil.wait_procs([stage], DEADLINE)
            run.end()
        assert not (project.root / FIRST_OUTPUT[name]).exists(), moment
    project.repro(name)
    assert contents(project) == contents(after)


@pytest.mark.parametrize(
    ("name", "limit", "file"),
    [("source", 1_000, "data/manifest.csv"), ("preprocess", 500_000, "data/processed/train")],
)
def test_a_full_disk_is_one_line_that_names_the_file_and_loses_nothing(
    projects: Projects, tmp_path: Path, name: str, limit: int, file: str
) -> None:
    project = projects.done.copy_to(tmp_path / "project")
    (project.root / EARLIER[name]).write_text("this run's outputs are not there yet")
    before = contents(project)
    with running(project, COMMANDS[name], limit) as run:
        printed = run.end()
    assert run.process.returncode == 1
    assert_one_error(printed, f"error: {file}")
    assert contents(project) == before
    project.run(*COMMANDS[name].split())
    assert contents(project) == contents(projects.done)


KILLED_BEFORE = [
    r"open data/\.tmp-manifest\.csv",
    r"open .*/\.dvc/cache/files/md5/\..* w",
    r"os\.rename .*/data/manifest\.csv",
    r"open .*/dvc\.lock w",
    r"os\.rename data/\.tmp-audit data/audit ",
    r"os\.rename data/processed/\.tmp-train ",
    r"open .*/dvc\.lock w",
]
"""What a process of `dvc repro` is about to do when all of them are killed.

The folder is renamed last of `source`: while it runs once more it clears what is left of before.
"""

KILLER = """
import os, re, signal, sys

def kill(event, arguments):
    if event in ("open", "os.rename"):
        if re.search(os.environ["KILLED_BEFORE"], " ".join([event, *map(str, arguments)])):
            os.kill(0, signal.SIGKILL)

sys.addaudithook(kill)
"""


def test_killed_again_and_again_each_time_a_little_later_it_completes(
    projects: Projects, tmp_path: Path
) -> None:
    project = projects.start.copy_to(tmp_path / "project")
    (tmp_path / "sitecustomize.py").write_text(KILLER)
    for moment in KILLED_BEFORE:
        with running(
            project, "dvc repro preprocess", PYTHONPATH=str(tmp_path), KILLED_BEFORE=moment
        ) as run:
            printed = run.end()
        assert run.process.returncode == -signal.SIGKILL, f"{moment}\n{printed}"
    project.repro("preprocess")
    assert contents(project) == contents(projects.done)


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    project: Project, tmp_path: Path
) -> None:
    """Killed twice, the training and DVC at once, some epochs after it began or went on."""
    edit_params(project.root, {"variants.base": {"epochs": 40, "dropout": 0.5}})
    whole = project.copy_to(tmp_path / "whole")
    whole.repro("train@base")
    kept = project.root / "checkpoints/base.h5"

    def newer(than: bytes) -> bool:
        return kept.exists() and kept.read_bytes() != than

    for _ in range(2):
        before = kept.read_bytes() if kept.exists() else b""
        with running(project, "dvc repro train@base") as run:
            run.wait_for(partial(newer, before))
            os.killpg(run.process.pid, signal.SIGKILL)
            run.end()
        assert not (project.root / "models/base.h5").exists()
        assert project.run("git", "status", "--porcelain", "checkpoints").stdout == ""
        curves = (project.root / "plots/training/base.csv").read_text().splitlines()
        assert 1 < len(curves) < 41, "they grow where they can be watched"
    printed = project.run("dvc", "repro", "train@base").stdout
    assert re.search(r"going on after epoch \d+ of 40", printed)
    assert "epoch 1/40" not in printed
    assert not kept.parent.exists()
    for path in ("models/base.h5", "plots/training/base.csv", "dvc.lock"):
        assert (project.root / path).read_bytes() == (whole.root / path).read_bytes(), path
